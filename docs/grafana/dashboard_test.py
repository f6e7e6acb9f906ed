#!/usr/bin/env python3
"""Holds the Grafana dashboard to the metrics that the code emits.

Every query is parsed by Prometheus's grammar and asks for metrics and labels of metrics.txt, which a
test in shared/runtime holds to the code; every metric is in a panel; docs/OPERATIONS.md quotes queries
of the dashboard. With a program, that is started, and what it shows at /metrics is read by the
reader of Prometheus's own client.

    docs/grafana/dashboard_test.py [target/debug/atelier]
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

HERE = Path(__file__).resolve().parent
PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else None
# Grafana's variables, as it fills them in.
FILLED_IN = {"$__rate_interval": "5m"}
LABELS = {
    "atelier_jobs": {"result", "code"},
    "atelier_renditions": {"result"},
    "atelier_stage_duration_seconds": {"stage"},
    "atelier_alerts": {"code"},
    "atelier_throttles": {"model"},
    "atelier_model_calls": {"model"},
    "atelier_model_cost": {"model"},
    "http_server_request_duration_seconds": {
        "http_request_method", "http_route", "http_response_status_code", "url_scheme", "error_type",
    },
    "http_server_active_requests": {"http_request_method", "url_scheme"},
}


def listed() -> dict:
    """Metric -> type, by the list that the code writes; counters without their ending."""
    types = re.findall(r"^# TYPE (\w+) (\w+)$", (HERE / "metrics.txt").read_text(), re.M)
    return {name.removesuffix("_total") if kind == "counter" else name: kind for name, kind in types}


def names_of(metric: str, kind: str) -> set:
    """The series of a metric."""
    if kind == "counter":
        return {f"{metric}_total"}
    if kind == "histogram":
        return {f"{metric}_bucket", f"{metric}_count", f"{metric}_sum"}
    return {metric}


def series(metrics: dict) -> dict:
    """Series -> its metric."""
    return {name: metric for metric, kind in metrics.items() for name in names_of(metric, kind)}


def selectors(node) -> list:
    """Every selector below a node of a parsed query."""
    match type(node).__name__:
        case "VectorSelector":
            return [node]
        case "MatrixSelector":
            return [node.vector_selector]
        case "Call":
            return [found for argument in node.args for found in selectors(argument)]
        case "BinaryExpr":
            return selectors(node.lhs) + selectors(node.rhs)
        case "AggregateExpr" | "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            return selectors(node.expr)
        case "NumberLiteral" | "StringLiteral":
            return []
        case kind:
            raise ValueError(f"a {kind}: the dashboard used none so far")


def groups(text: str) -> set:
    """The labels by which a query groups."""
    lists = re.findall(r"\bby \(([^)]*)\)", text)
    return {label.strip() for labels in lists for label in labels.split(",")}


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.dashboard = json.loads((HERE / "atelier.json").read_text())
        self.queries = [
            (panel["title"], target["expr"], target["legendFormat"])
            for panel in self.dashboard["panels"]
            for target in panel["targets"]
        ]
        self.metrics = listed()
        self.series = series(self.metrics)

    def parsed(self, query):
        for variable, value in FILLED_IN.items():
            query = query.replace(variable, value)
        return promql_parser.parse(query)

    def test_every_query_is_valid_and_asks_for_what_there_is(self):
        self.assertGreaterEqual(len(self.queries), 17)
        for title, query, legend in self.queries:
            with self.subTest(title, query=query):
                found = selectors(self.parsed(query))
                self.assertTrue(found)
                labels = set()
                for selector in found:
                    self.assertIn(selector.name, self.series)
                    of_metric = LABELS.get(self.series[selector.name], set())
                    labels |= of_metric
                    for matcher in selector.matchers.matchers:
                        self.assertIn(matcher.name, of_metric)
                self.assertLessEqual(groups(query) - {"le"}, labels)
                self.assertLessEqual(set(re.findall(r"{{(\w+)}}", legend)), groups(query))

    def test_every_metric_is_in_a_panel(self):
        shown = {self.series[selector.name] for _, query, _ in self.queries for selector in selectors(self.parsed(query))}
        self.assertEqual(shown, set(self.metrics))

    def test_panels_do_not_overlap_and_have_a_description(self):
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in self.dashboard["panels"]]
        self.assertEqual(len(places), len(set(places)))
        self.assertTrue(all(panel["description"] for panel in self.dashboard["panels"]))

    def test_the_operations_quote_queries_of_the_dashboard(self):
        operations = (HERE.parent / "OPERATIONS.md").read_text()
        section = operations.split("### Beyond the last 15 minutes")[1].split("\n## ")[0].split("\n### ")[0]
        quoted = re.findall(r"\| `([^`]*(?:atelier|http_server)_[^`]*)` \|", section)
        self.assertGreaterEqual(len(quoted), 6)
        ours = [query.replace("$__rate_interval", "5m") for _, query, _ in self.queries]
        for query in quoted:
            self.assertIn(query, ours)


@unittest.skipUnless(PROGRAM, "no program is given")
class Endpoint(unittest.TestCase):
    def test_a_prometheus_reads_what_is_shown(self):
        with tempfile.TemporaryDirectory() as data, tempfile.TemporaryFile("w+") as log:
            environment = os.environ | {"METRICS_ADDR": "127.0.0.1:0", "LOG_FORMAT": "json", "BUDGET_USD_PER_DAY": "5"}
            process = subprocess.Popen(
                [PROGRAM, "--port", "0", "--model-latency", "0", "--data", data],
                env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )
            try:
                ready = next(line for line in process.stdout if line.startswith("Atelier is ready"))
                api = ready.split()[-1].rstrip("/")
                self.make_a_picture(api)
                log.seek(0)
                where = next(line["url"] for line in map(json.loads, log) if line["message"] == "metrics can be scraped")
                with urllib.request.urlopen(where, timeout=10) as answer:
                    self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4")
                    text = answer.read().decode()
            finally:
                process.terminate()
                process.wait(30)
                process.stdout.close()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        target = families.pop("target")if "target" in families else families.pop("target_info")
        self.assertIn("service_instance_id", target.samples[0].labels)
        metrics = listed()
        for name, family in families.items():
            self.assertEqual(metrics[name], family.type, name)
            self.assertTrue(family.documentation, name)
            for sample in family.samples:
                self.assertLessEqual(set(sample.labels) - {"le"}, LABELS.get(name, set()), sample)
        self.assertGreaterEqual(len(families), 10)
        self.assertEqual(families["atelier_jobs"].samples[0].value, 1)

    def make_a_picture(self, api):
        body = json.dumps({"assignment_id": "scraped", "prompt": "A kite", "teacher_id": "t"}).encode()
        post = urllib.request.Request(f"{api}/assignments", body, {"content-type": "application/json"})
        urllib.request.urlopen(post, timeout=30).close()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with urllib.request.urlopen(f"{api}/assignments/scraped?wait=20", timeout=60) as answer:
                if json.load(answer)["s3_upload_status"] != "pending":
                    return
        self.fail("no picture")


if __name__ == "__main__":
    unittest.main(verbosity=2)
