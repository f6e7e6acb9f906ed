#!/usr/bin/env python3
"""Runs the CDN's functions in Node as CloudFront calls them: no answer tells how a picture was made, and readers
that accept AVIF get it where the address says that there is one. Needs node."""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

STACK = Path(__file__).resolve().parent.parent


def answer(headers: dict) -> dict:
    """The headers that are left of an answer with these."""
    event = {"version": "1.0", "response": {"statusCode": 200, "headers": {name: {"value": value} for name, value in headers.items()}}}
    code = (STACK / "hide-metadata.js").read_text() + f"\nconsole.log(JSON.stringify(handler({json.dumps(event)})));"
    out = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    return {name: it["value"] for name, it in json.loads(out)["headers"].items()}


def shown(uri: str, query: dict, accept: str | None) -> str:
    """The path that is looked up for a request."""
    headers = {} if accept is None else {"accept": {"value": accept}}
    event = {"version": "1.0", "request": {"method": "GET", "uri": uri, "headers": headers, "querystring": {name: {"value": value} for name, value in query.items()}}}
    code = (STACK / "viewer-request.js").read_text() + f"\nconsole.log(JSON.stringify(handler({json.dumps(event)})));"
    out = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    return json.loads(out)["uri"]


class ViewerRequest(unittest.TestCase):
    CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"

    def test_who_accepts_avif_gets_it_where_there_is_one(self):
        for accept in (self.CHROME, "image/AVIF;q=0.5", "text/html, image/avif"):
            self.assertEqual(shown("/generated_images/a.webp", {"avif": "1"}, accept), "/generated_images/a.avif", accept)
            self.assertEqual(shown("/generated_images/a/640.webp", {"v": "2", "avif": "1"}, accept), "/generated_images/a/640.avif")

    def test_all_others_get_the_webp(self):
        for accept in (None, "", "*/*", "image/*", "image/webp", "image/avif;q=0", "image/avif; q=0.00", "image/avifs"):
            self.assertEqual(shown("/generated_images/a.webp", {"avif": "1"}, accept), "/generated_images/a.webp", accept)
        for query in ({}, {"avif": "0"}, {"avif": ""}, {"v": "1"}):
            self.assertEqual(shown("/generated_images/a.webp", query, self.CHROME), "/generated_images/a.webp", query)
        self.assertEqual(shown("/placeholder.svg", {"avif": "1"}, self.CHROME), "/placeholder.svg")


class HideMetadata(unittest.TestCase):
    def test_no_label_of_the_worker_leaves(self):
        label = (STACK.parent / "shared/domain/src/label.rs").read_text()
        body = label[label.index("fn to_metadata") : label.index("fn from_metadata")]
        names = re.findall(r'\("([a-z-]+)",', body)
        self.assertGreaterEqual(len(names), 12)
        names += re.findall(r'MADE_FROM: &str = "([a-z-]+)"', (STACK.parent / "shared/cloud/src/pictures.rs").read_text())
        self.assertGreaterEqual(len(names), 14)
        self.assertEqual(answer({f"x-amz-meta-{name}": "x" for name in names} | {"x-amz-version-id": "v"}), {"vary": "Accept"})

    def test_all_else_stays(self):
        headers = {"content-type": "image/webp", "cache-control": "max-age=31536000", "etag": "e", "x-cache": "Hit"}
        self.assertEqual(answer(headers), headers | {"vary": "Accept"})


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
