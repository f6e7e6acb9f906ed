#!/usr/bin/env python3
"""Runs the ec2 fleet's user data once in a sandbox and sees that a notice drains the service.

The user data is rendered by Terraform, put through shellcheck, and executed as it is with ROOT
set to a directory. systemd, Docker and the AWS CLI are stand-ins on PATH that do what the units
say: `systemctl` runs a unit's ExecStart and ExecStop lines, `docker run` starts a stand-in service,
`docker stop` sends SIGTERM and waits. The metadata service is a real HTTP server that speaks
IMDSv2. Usage: userdata_test.py
"""

# Feature: s3-image-storage, Property 29: High availability during scaling

import http.server
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

MODULE = Path(__file__).resolve().parent.parent / "modules" / "ec2-fleet"
COLLECTOR = MODULE.parent.parent / "collector.yaml"
TOKEN = "imds-token"

VARIABLES = {
    "name": "atelier-worker",
    "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-worker:1.2.3",
    "region": "us-west-2",
    "environment": {
        "S3_BUCKET_NAME": "images-bucket",
        "CLOUDFRONT_DOMAIN": "d1.cloudfront.net",
        "AWS_REGION": "us-west-2",
        "QUOTED": "it's $HOME `pwd` \"quoted\"",
    },
    "secrets": {"STORE_URL": "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url"},
    "log_group": "/atelier/worker",
    "stop_seconds": 30,
    "drain_hook": "atelier-worker-drain",
    "launch_hook": "atelier-worker-launch",
    "port": 8081,
    "collector_image": "collector:1",
}

# The service: notes its environment, drains for a second when told to stop, and says so.
SERVICE = r"""#!/bin/bash
env >"$SANDBOX/service.env"
trap 'echo draining >>"$SANDBOX/log"; sleep 1; echo drained >>"$SANDBOX/log"; exit 0' TERM
echo serving >>"$SANDBOX/log"
while :; do sleep 0.1; done
"""

DOCKER = r"""#!/bin/bash
echo "docker $*" >>"$SANDBOX/calls"
case $1 in
  login) cat >/dev/null ;;
  run)
    while [ "$1" != --name ]; do shift; done
    name=$2
    echo $$ >"$SANDBOX/$name.pid"
    if [ "$name" = collector ]; then exec sleep 600; fi
    exec "$SANDBOX/bin/service"
    ;;
  stop)
    # docker stop --time SECONDS NAME
    pid=$(cat "$SANDBOX/$4.pid")
    kill -TERM "$pid"
    for _ in $(seq $(($3 * 10))); do
      kill -0 "$pid" 2>/dev/null || exit 0
      sleep 0.1
    done
    echo "killed $4" >>"$SANDBOX/log"
    kill -KILL "$pid"
    ;;
esac
"""

SYSTEMCTL = r"""#!/bin/bash
echo "systemctl $*" >>"$SANDBOX/calls"
line() { sed -n "s/^$2=//p" "$ROOT/etc/systemd/system/$1" | sed "s#/usr/bin/docker#docker#; s#/usr/local/bin#$ROOT/usr/local/bin#"; }
case $1 in
  enable)
    for unit in "${@:3}"; do
      # The watcher is started by the test, which waits for its end.
      case $unit in docker.service | atelier-drain.service | atelier-watch.service) continue ;; esac
      setsid bash -c "exec $(line "$unit" ExecStart)" >>"$SANDBOX/$unit.out" 2>&1 </dev/null &
    done
    ;;
  stop)
    bash -c "$(line "$2" ExecStop)"
    ;;
esac
"""

AWS = r"""#!/bin/bash
echo "aws $*" >>"$SANDBOX/calls"
case "$1 $2" in
  "secretsmanager get-secret-value") echo 'mongodb+srv://user:pass@host/db' ;;
  "ecr get-login-password") echo password ;;
  "autoscaling complete-lifecycle-action") echo completed >>"$SANDBOX/log"; exit "${COMPLETE_STATUS:-0}" ;;
esac
"""


class Metadata(http.server.BaseHTTPRequestHandler):
    """The instance metadata service, version 2 only."""

    answers: dict = {}

    def do_PUT(self):
        if self.path == "/latest/api/token" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
            self.answer(200, TOKEN)
        else:
            self.answer(400, "")

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            return self.answer(401, "")
        text = self.answers.get(self.path.removeprefix("/latest/meta-data/"))
        self.answer(404 if text is None else 200, text or "")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def render() -> str:
    """The user data, as Terraform renders it."""
    variables = VARIABLES | {"collector_config": COLLECTOR.read_text()}
    for name in ("run", "drain", "watch"):
        variables[f"{name}_script"] = (MODULE / "files" / f"{name}.sh").read_text()
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "variables.json").write_text(json.dumps(variables))
        (Path(directory) / "main.tf").write_text(
            f'locals {{\n  text = templatefile("{MODULE}/user-data.sh.tftpl", jsondecode(file("${{path.module}}/variables.json")))\n}}\n'
        )
        out = subprocess.run(
            ["terraform", f"-chdir={directory}", "console"],
            input="jsonencode(local.text)\n",
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return json.loads(json.loads(out))


class UserData(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.user_data = render()

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.sandbox = Path(directory.name)
        self.root = self.sandbox / "root"
        for name, text in {"service": SERVICE, "docker": DOCKER, "systemctl": SYSTEMCTL, "aws": AWS}.items():
            path = self.sandbox / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        Metadata.answers = {"instance-id": "i-0123456789abcdef0", "autoscaling/target-lifecycle-state": "InService"}
        self.metadata = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
        threading.Thread(target=self.metadata.serve_forever, daemon=True).start()
        self.addCleanup(self.metadata.server_close)
        self.addCleanup(self.metadata.shutdown)
        self.environment = os.environ | {
            "PATH": f"{self.sandbox}/bin:{os.environ['PATH']}",
            "SANDBOX": str(self.sandbox),
            "ROOT": str(self.root),
            "METADATA": f"http://127.0.0.1:{self.metadata.server_port}",
            "POLL_SECONDS": "0.2",
            "no_proxy": "127.0.0.1",
        }

    def tearDown(self):
        for pid in self.sandbox.glob("*.pid"):
            try:
                os.kill(int(pid.read_text()), 9)
            except ProcessLookupError:
                pass

    def boot(self):
        script = self.sandbox / "user-data.sh"
        script.write_text(self.user_data)
        subprocess.run(["bash", str(script)], env=self.environment, check=True, timeout=60)
        self.wait_for("serving")

    def watch(self) -> subprocess.Popen:
        return subprocess.Popen([str(self.root / "usr/local/bin/atelier-drain")], env=self.environment, stdout=subprocess.DEVNULL)

    def log(self) -> list:
        path = self.sandbox / "log"
        return path.read_text().split() if path.exists() else []

    def calls(self) -> str:
        return (self.sandbox / "calls").read_text()

    def wait_for(self, word):
        deadline = time.monotonic() + 30
        while word not in self.log():
            if time.monotonic() > deadline:
                output = "".join(path.read_text() for path in self.sandbox.glob("*.out"))
                self.fail(f"no {word!r} in {self.log()}: {output}")
            time.sleep(0.05)

    def test_shellcheck_finds_nothing(self):
        self.boot()
        scripts = [self.sandbox / "user-data.sh", self.root / "usr/local/bin/atelier-run", self.root / "usr/local/bin/atelier-drain", self.root / "usr/local/bin/atelier-watch"]
        found = subprocess.run(["shellcheck", "--shell=bash", *map(str, scripts)], capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stdout)

    def test_it_fits_into_ec2s_limit(self):
        self.assertLess(len(self.user_data), 16384)

    def test_the_service_starts_with_its_environment_and_secret(self):
        self.boot()
        environment = (self.sandbox / "service.env").read_text()
        for name, value in VARIABLES["environment"].items():
            self.assertIn(f"{name}={value}\n", environment)
        self.assertIn("STORE_URL=mongodb+srv://user:pass@host/db\n", environment)
        run = next(call for call in self.calls().splitlines() if call.startswith("docker run") and "--name atelier-worker" in call)
        for argument in ("--read-only", "--cap-drop ALL", "--env S3_BUCKET_NAME", "--env STORE_URL"):
            self.assertIn(argument, run)
        self.assertTrue(run.endswith(VARIABLES["image"]), run)
        for path in self.root.rglob("*"):
            if path.is_file():
                self.assertNotIn("mongodb", path.read_text(), f"{path} holds the secret")

    def test_nothing_happens_without_a_notice(self):
        self.boot()
        watcher = self.watch()
        with self.assertRaises(subprocess.TimeoutExpired):
            watcher.wait(1.5)
        watcher.kill()
        watcher.wait()
        self.assertEqual(self.log(), ["serving"])

    def test_a_lifecycle_notice_drains_and_then_tells_the_group(self):
        self.boot()
        watcher = self.watch()
        Metadata.answers = Metadata.answers | {"autoscaling/target-lifecycle-state": "Terminated"}
        self.assertEqual(watcher.wait(30), 0)
        self.assertEqual(self.log(), ["serving", "draining", "drained", "completed"])
        call = shlex.split(next(line for line in self.calls().splitlines() if "complete-lifecycle-action" in line))
        for argument in ("atelier-worker", "atelier-worker-drain", "i-0123456789abcdef0", "CONTINUE"):
            self.assertIn(argument, call)

    def test_a_spot_notice_drains_also_where_no_group_waits(self):
        self.boot()
        self.environment["COMPLETE_STATUS"] = "255"
        watcher = self.watch()
        Metadata.answers = Metadata.answers | {"spot/instance-action": '{"action": "terminate"}'}
        self.assertEqual(watcher.wait(30), 0)
        self.assertEqual(self.log(), ["serving", "draining", "drained", "completed"])

    def lives(self, port: int) -> http.server.ThreadingHTTPServer:
        """A service that answers /health/live on `port`; 0 takes one that is free."""

        class Live(Metadata):
            def do_GET(self):
                self.answer(200 if self.path == "/health/live" else 404, "")

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Live)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def watch_health(self, port: int) -> subprocess.Popen:
        fleet = self.root / "etc/atelier/fleet.sh"
        fleet.write_text(fleet.read_text().replace("PORT='8081'", f"PORT='{port}'"))
        environment = self.environment | {"BOOT_SECONDS": "2", "DEAD_SECONDS": "2"}
        watcher = subprocess.Popen([str(self.root / "usr/local/bin/atelier-watch")], env=environment, stdout=subprocess.DEVNULL)
        self.addCleanup(watcher.kill)
        return watcher

    def test_a_service_that_never_lives_gives_its_instance_up(self):
        self.boot()
        server = self.lives(0)
        server.shutdown()
        server.server_close()
        watcher = self.watch_health(server.server_port)
        self.assertEqual(watcher.wait(30), 0)
        self.assertIn("--lifecycle-hook-name atelier-worker-launch", self.calls())
        self.assertIn("--lifecycle-action-result ABANDON", self.calls())
        self.assertNotIn("CONTINUE", self.calls())

    def test_a_service_that_stops_living_is_replaced(self):
        self.boot()
        server = self.lives(0)
        watcher = self.watch_health(server.server_port)
        self.wait_for("completed")
        self.assertIn("--lifecycle-action-result CONTINUE", self.calls())
        with self.assertRaises(subprocess.TimeoutExpired):
            watcher.wait(3)
        self.assertNotIn("set-instance-health", self.calls())
        server.shutdown()
        server.server_close()
        self.assertEqual(watcher.wait(30), 0)
        self.assertIn("set-instance-health --region us-west-2 --instance-id i-0123456789abcdef0 --health-status Unhealthy", self.calls())

    def test_a_service_that_drains_is_not_reported(self):
        self.boot()
        server = self.lives(0)
        watcher = self.watch_health(server.server_port)
        self.wait_for("completed")
        Metadata.answers = Metadata.answers | {"autoscaling/target-lifecycle-state": "Terminated"}
        server.shutdown()
        server.server_close()
        self.assertEqual(watcher.wait(30), 0)
        self.assertNotIn("set-instance-health", self.calls())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
