#!/usr/bin/env python3
"""Runs the real collector by collector.yaml as Terraform renders it, between API and worker of this
build and an emulator (moto), and reads what arrives in CloudWatch Logs: the metrics of the alarms, with
the dimensions that the alarms ask for and units that CloudWatch takes.

Usage: collector_run.py DIRECTORY_OF_BINARIES

The collector is built from collector/: OpenTelemetry's own code of v0.121.0, with ADOT's components. Its
modules come from Go's proxy; go.sum pins them. What differs from an installation are the addresses of
CloudWatch Logs and X-Ray, and the ports.
"""

import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from collector_test import STACK, rendered_text

REGION, LOG_GROUP = "us-west-2", "/atelier/metrics"

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html, and what the
# exporter writes for a metric without a unit.
UNITS = {"", "Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"} | {
    f"{prefix}{unit}{per}"
    for prefix, unit in [("", "Bytes"), ("", "Bits")] + [(it, unit) for it in ("Kilo", "Mega", "Giga", "Tera") for unit in ("bytes", "bits")]
    for per in ("", "/Second")
}

# What a picture that is made leaves, by the service that sends it.
EXPECTED = {
    ("atelier-api", "atelier.oldest_pending"),
    ("atelier-worker", "atelier.jobs"),
    ("atelier-worker", "atelier.model_calls"),
    ("atelier-worker", "atelier.model_cost"),
    ("atelier-worker", "atelier.paused"),
    ("atelier-worker", "atelier.queue_wait"),
    ("atelier-worker", "atelier.s3_uploads"),
    ("atelier-worker", "atelier.slots"),
    ("atelier-worker", "atelier.stage_duration"),
}


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def wait_for(what: str, found, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError(f"no {what} within {seconds} s")


def answer(url: str, body: dict | None = None) -> dict | None:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=40) as it:
            return json.loads(it.read() or b"{}")
    except OSError:
        return None


class Installation:
    """Collector, cloud, API and worker as processes."""

    def __init__(self, binaries: Path, work: Path):
        self.binaries, self.work, self.processes = binaries, work, []
        self.collector = str(work / "collector")
        subprocess.run(["go", "build", "-o", self.collector, "."], cwd=STACK / "tests/collector", check=True)
        self.config = work / "collector.yaml"
        self.config.write_text(rendered_text())
        self.environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}

    def validate(self, *more: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.collector, "validate", "--config", str(self.config), *more],
                              env=self.environment, capture_output=True, text=True)

    def spawn(self, name: str, arguments: list, environment: dict) -> None:
        log = (self.work / f"{Path(name).name}.log").open("a")
        self.processes.append(subprocess.Popen([name, *arguments], env=environment, stdout=log, stderr=log))

    def start(self, aws: str) -> str:
        """Starts all; returns the API's address."""
        otlp, health = free_port(), free_port()
        addresses = {
            "exporters::awsemf::endpoint": aws,
            "exporters::awsxray::endpoint": aws,
            "receivers::otlp::protocols::http::endpoint": f"127.0.0.1:{otlp}",
            "extensions::health_check::endpoint": f"127.0.0.1:{health}",
            # Not a quarter of a minute.
            "processors::batch::timeout": "1s",
        }
        overrides = [word for key, value in addresses.items() for word in ("--config", f"yaml:{key}: {value}")]
        self.spawn(self.collector, ["--config", str(self.config), *overrides], self.environment)
        wait_for("collector", lambda: answer(f"http://127.0.0.1:{health}/"))

        data = self.work / "data"
        self.spawn(str(self.binaries / "atelier"), ["cloud", "--data", str(data), "--model-latency", "0"], self.environment)
        lines = wait_for("cloud", lambda: (data / "environment").exists() and (data / "environment").read_text())
        # NAME=value, quoted where a shell needs it.
        cloud = dict(" ".join(shlex.split(line)).split("=", 1) for line in lines.splitlines() if "=" in line)
        environment = self.environment | cloud | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        } | self.environment_of_terraform()
        port = free_port()
        self.spawn(str(self.binaries / "atelier-api"), [], environment | {"LISTEN_ADDR": f"127.0.0.1:{port}"})
        self.spawn(str(self.binaries / "atelier-worker"), [], environment)
        api = f"http://127.0.0.1:{port}"
        wait_for("API", lambda: answer(f"{api}/health/ready"))
        return api

    def environment_of_terraform(self) -> dict:
        """What fleet.tf says about telemetry beside the address, word for word."""
        fleet = (STACK / "fleet.tf").read_text()
        return {name: value for name, value in re.findall(r'^\s+(OTEL_\w+)\s+= "([^"$]*)"', fleet, re.M) if name != "OTEL_EXPORTER_OTLP_ENDPOINT"}

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=60)

    def logs(self) -> str:
        return "".join(f"--- {it.name}\n" + "".join(it.open().readlines()[-10:]) for it in self.work.glob("*.log"))


class Collector(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.installation = Installation(BINARIES, Path(cls.directory.name))

    def test_the_collector_takes_the_configuration(self):
        done = self.installation.validate()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_collector_refuses_what_it_does_not_know(self):
        # Otherwise the test above could not fail.
        done = self.installation.validate("--config", "yaml:exporters::awsemf::no_such_option: true")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no_such_option", done.stderr)

    def test_what_the_alarms_read_arrives_with_its_dimensions_and_units(self):
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self.addCleanup(server.stop)
        host, port = server.get_host_and_port()
        aws = f"http://{host}:{port}"
        self.addCleanup(self.installation.stop)
        api = self.installation.start(aws)
        posted = answer(f"{api}/assignments", {"prompt": "A lighthouse at dawn"})
        made = answer(f"{api}/assignments/{posted['assignment_id']}?wait=20")
        self.assertEqual(made["s3_upload_status"], "success", made)

        logs = boto3.client("logs", endpoint_url=aws, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        try:
            wait_for("metrics of the picture", lambda: EXPECTED <= set(metrics(logs)))
        except AssertionError:
            self.fail(f"missing: {EXPECTED - set(metrics(logs))}\n{self.installation.logs()}")
        for (service, name), sent in metrics(logs).items():
            for unit, dimensions in sent:
                with self.subTest(service=service, metric=name):
                    self.assertIn(unit, UNITS)
                    self.assertIn(("service.name",), dimensions)
        for name, attribute in {"atelier.stage_duration": "stage", "atelier.jobs": "result", "atelier.model_cost": "model"}.items():
            _, dimensions = metrics(logs)[("atelier-worker", name)][0]
            self.assertIn(("service.name", attribute), dimensions)


def metrics(logs) -> dict:
    """What has arrived: (service, metric) -> a list of (unit, sets of dimensions)."""
    found = {}
    try:
        events = logs.filter_log_events(logGroupName=LOG_GROUP, limit=10_000)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return found
    for event in events:
        document = json.loads(event["message"])
        for metric_set in document.get("_aws", {}).get("CloudWatchMetrics", []):
            assert metric_set["Namespace"] == "Atelier", metric_set
            for metric in metric_set["Metrics"]:
                key = (document.get("service.name"), metric["Name"])
                dimensions = {tuple(sorted(it, key=lambda name: name != "service.name")) for it in metric_set["Dimensions"]}
                found.setdefault(key, []).append((metric.get("Unit", "None"), dimensions))
    return found


if __name__ == "__main__":
    BINARIES = Path(sys.argv.pop(1)).resolve()
    sys.exit(unittest.main(verbosity=2))
