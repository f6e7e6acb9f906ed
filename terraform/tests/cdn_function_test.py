#!/usr/bin/env python3
"""Runs hide-metadata.js in Node as CloudFront calls it: no answer tells how a picture was made. Needs node."""

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


class HideMetadata(unittest.TestCase):
    def test_no_label_of_the_worker_leaves(self):
        label = (STACK.parent / "shared/domain/src/label.rs").read_text()
        body = label[label.index("fn to_metadata") : label.index("fn from_metadata")]
        names = re.findall(r'\("([a-z-]+)",', body)
        self.assertGreaterEqual(len(names), 12)
        self.assertEqual(answer({f"x-amz-meta-{name}": "x" for name in names} | {"x-amz-version-id": "v"}), {})

    def test_all_else_stays(self):
        headers = {"content-type": "image/webp", "cache-control": "max-age=31536000", "etag": "e", "x-cache": "Hit"}
        self.assertEqual(answer(headers), headers)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
