#!/usr/bin/env python3
"""Parses the collector's configuration as Terraform renders it, and holds the names and ranges that
Terraform uses for metrics and environment to those in the code."""

import re
import sys
import unittest
from pathlib import Path

import yaml

STACK = Path(__file__).resolve().parent.parent
TELEMETRY = "".join(
    (STACK.parent / "shared/runtime/src/telemetry" / file).read_text() for file in ("metrics.rs", "http_server.rs")
)
# Our metrics as Terraform names them.
NAMED = re.compile(r'= "((?:atelier|http)\.[\w.]+)"')
# The units that the awsemf exporter makes CloudWatch's of; it passes all others on as they are.
CONVERTED = {"", "1", "ns", "us", "ms", "s", "By", "bit"}


def rendered_text() -> str:
    """collector.yaml as `templatefile` makes it: `$${` stands for `${`."""
    values = {"region": "us-west-2", "namespace": "Atelier", "log_group": "/atelier/metrics"}
    text = re.sub(r"(?<!\$)\$\{(\w+)\}", lambda match: values[match[1]], (STACK / "collector.yaml").read_text())
    return text.replace("$${", "${")


def rendered() -> dict:
    return yaml.safe_load(rendered_text())


class Collector(unittest.TestCase):
    def setUp(self):
        self.config = rendered()

    def test_every_part_of_a_pipeline_is_configured(self):
        for pipeline in self.config["service"]["pipelines"].values():
            for kind in ("receivers", "processors", "exporters"):
                for part in pipeline[kind]:
                    self.assertIn(part, self.config[kind])
        self.assertEqual(set(self.config["service"]["pipelines"]), {"metrics", "traces"})
        for extension in self.config["service"]["extensions"]:
            self.assertIn(extension, self.config["extensions"])

    def test_it_listens_where_the_services_send(self):
        endpoint = self.config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
        self.assertIn(f'"http://{endpoint}"', (STACK / "fleet.tf").read_text())

    def test_metrics_go_to_the_namespace_of_the_alarms(self):
        emf = self.config["exporters"]["awsemf"]
        self.assertEqual(emf["namespace"], "Atelier")
        self.assertEqual(emf["log_group_name"], "/atelier/metrics")
        self.assertEqual(emf["region"], "us-west-2")
        self.assertTrue(emf["retain_initial_value_of_delta_metric"])

    def test_every_metric_is_kept_with_the_dimension_of_the_alarms(self):
        monitoring = (STACK / "monitoring.tf").read_text()
        (declaration,) = self.config["exporters"]["awsemf"]["metric_declarations"]
        names = NAMED.findall(monitoring)
        self.assertGreaterEqual(len(names), 12)
        for name in names:
            self.assertTrue(self.is_declared(name), name)
        self.assertIn(["service.name"], declaration["dimensions"])
        self.assertIn('service_dimension = "service.name"', monitoring)
        for attribute in ("stage", "result", "model"):
            self.assertIn(["service.name", attribute], declaration["dimensions"])


    def is_declared(self, name):
        (declaration,) = self.config["exporters"]["awsemf"]["metric_declarations"]
        return any(re.search(selector, name) for selector in declaration["metric_name_selectors"])

    def test_no_metric_has_a_unit_that_embedded_metric_format_refuses(self):
        units = re.findall(r"\((\w+)\)\s*\.with_unit\(\"([^\"]*)\"\)", TELEMETRY)
        self.assertGreaterEqual(len(units), 4)
        self.assertEqual(len(units), TELEMETRY.count("with_unit("))
        names = dict(re.findall(r'pub const (\w+): &str = "([^"]+)"', TELEMETRY))
        for constant, unit in units:
            if self.is_declared(names[constant]):
                self.assertIn(unit, CONVERTED, names[constant])
        # What is not declared becomes no metric, whatever its unit.
        self.assertFalse(self.is_declared("http.server.active_requests"))

    def test_deltas_are_sent_as_the_exporter_wants_them(self):
        self.assertIn('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE = "delta"', (STACK / "fleet.tf").read_text())


def sources(*patterns):
    files = [path for pattern in patterns for path in sorted(STACK.parent.glob(pattern))]
    return "".join(path.read_text() for path in files)


class Names(unittest.TestCase):
    def test_the_metrics_are_named_as_in_the_code(self):
        ours = set(NAMED.findall((STACK / "monitoring.tf").read_text()))
        self.assertEqual(ours, set(NAMED.findall(TELEMETRY)) - {"http.server.active_requests"})

    def test_the_environment_is_named_as_in_the_code(self):
        code = sources("shared/*/src/**/*.rs", "api/src/config.rs", "worker/src/config/*.rs")
        fleet = (STACK / "fleet.tf").read_text()
        names = set(re.findall(r"^\s+([A-Z][A-Z0-9_]+)\s+= ", fleet, re.M)) | {"STORE_URL"}
        self.assertGreaterEqual(len(names), 16)
        for name in sorted(names):
            self.assertIn(f'"{name}"', code, f"no code reads {name}")

    def test_terraform_knows_the_models_that_the_worker_knows(self):
        spec = (STACK.parent / "shared/domain/src/model.rs").read_text()
        variables = (STACK / "variables.tf").read_text()
        editing = re.search(r"const EDITING: .*?= \[(.*?)\];", spec, re.S)[1]
        edits = set(re.findall(r'"([^"]+)"', editing)) | {"stable-diffusion-xl"}
        refused = re.search(r"stability\\\\\.\.\*\(([^)]+)\)", variables)[1]
        self.assertEqual(set(refused.split("|")), edits)
        priced = re.findall(r'"([a-z0-9.-]+)",\s+Family::\w+,\s+Some\(', spec)
        known = re.search(r'regex\("(\(stability\\\\\.stable-image-\(core.*?)", model\)', variables)[1]
        self.assertGreaterEqual(len(priced), 6)
        for start in priced:
            self.assertRegex(start, known.replace("\\\\", "\\"), f"no price in Terraform for {start}")

    def test_no_service_refuses_a_number_that_terraform_takes(self):
        code = sources("shared/*/src/**/config/*.rs", "api/src/config.rs", "worker/src/config/*.rs")
        taken = re.findall(r"(?:number|number::<\w+>)\(\s*&(\w+),\s*([\d_.]+?)\.\.=([\d_.]+)", code)
        ranges = {name: (float(least), float(most)) for name, least, most in taken}
        bounds = r"var\.(\w+) >= ([\d.]+) && var\.\1 <= ([\d.]+)"
        compared = set()
        for name, least, most in re.findall(bounds, (STACK / "variables.tf").read_text()):
            if name.upper() in ranges:
                compared.add(name)
                here = ranges[name.upper()]
                self.assertTrue(here[0] <= float(least) <= float(most) <= here[1], f"{name}: {least} to {most}, the code {here}")
        numbers = {"claim_seconds", "grace_seconds", "max_attempts", "give_up_seconds", "create_limit_per_minute", "webp_quality", "budget_usd_per_day", "budget_usd_per_teacher_per_day"}
        self.assertEqual(compared, numbers)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
