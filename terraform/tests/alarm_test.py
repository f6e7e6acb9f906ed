#!/usr/bin/env python3
"""Feeds every alarm of the stack, as Terraform plans it, the series that must and must not ring it.

The plan comes from `terraform test -verbose -json`, which has mock providers. An alarm without cases
fails the test. Usage: alarm_test.py
"""

import json
import subprocess
import sys
import unittest
from pathlib import Path

from cloudwatch import expression, states

STACK = Path(__file__).resolve().parent.parent
_ = None
HOUR = 60


def planned(fleet: str) -> dict:
    """The alarms of the plan of a run of tests/plans.tftest.hcl, by name without the installation's."""
    out = subprocess.run(
        ["terraform", "test", "-json", "-verbose", "-filter=tests/plans.tftest.hcl"],
        cwd=STACK, capture_output=True, text=True, timeout=1800,
    ).stdout
    alarms = {}
    for line in out.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("type") == "test_plan" and event["@testrun"] == fleet:
            alarms = {
                change["change"]["after"]["alarm_name"].removeprefix("atelier-"): change["change"]["after"]
                for change in event["test_plan"]["resource_changes"]
                if change["type"] == "aws_cloudwatch_metric_alarm"
            }
    assert alarms, f"no plan of {fleet} in {out[-2000:]}"
    return alarms


def one(*values):
    return {"metric": list(values)}


def size(standard, glacier):
    """Ten storage classes, of which an installation without cold pictures knows one."""
    empty = [_] * len(standard)
    return {f"m{index}": empty for index in range(10)} | {"m0": standard, "m3": glacier}


GB = 1e9
# Alarm: the series that ring it, and those that do not. Each starts after a calm time.
CASES = {
    "upload-failures": {
        "rings": [{"uploads": [100, 100], "failures": [_, 6]}],
        "calm": [{"uploads": [100, 100], "failures": [_, 5]}, {"uploads": [_, 0], "failures": [_, _]}],
    },
    "bucket-size": {
        # The newest day is not said yet; a class that was never used has no series.
        "rings": [size([390 * GB, 401 * GB, _], [_, _, _]), size([300 * GB, 300 * GB, _], [90 * GB, 110 * GB, _])],
        "calm": [size([390 * GB, 399 * GB, _], [_, _, _]), size([_, _, _], [_, _, _])],
    },
    "s3-4xx": {
        "rings": [{"requests": [100, 100], "errors": [30, 30], "heads": [10, 10]}],
        # Every new picture's HEAD is a 404.
        "calm": [
            {"requests": [100, 100], "errors": [50, 50], "heads": [50, 50]},
            {"requests": [100, 100], "errors": [30, _], "heads": [10, _]},
            {"requests": [_, _], "errors": [_, _], "heads": [_, _]},
        ],
    },
    "cdn-hit-ratio": {
        "rings": [{"hits": [60, 60, 60], "requests": [200, 500, 900]}],
        # Few requests, a short time, none at all.
        "calm": [
            {"hits": [0, 0, 0], "requests": [3, 4, 199]},
            {"hits": [60, 60, 71], "requests": [500, 500, 500]},
            {"hits": [_, _, _], "requests": [_, _, _]},
        ],
    },
    "cdn-4xx": {"rings": [one(11, 12)], "calm": [one(11, 9), one(10, 10), one(_, _)]},
    # Every minute, by the store.
    "oldest-job": {"rings": [one(901, 961, 1021, 1081, 1141)], "calm": [one(0, 0, 0, 0, 0, 0), one(901, 961, 20, 901, 961), one(_, _, _, _, _)]},
    "dead-letters": {"rings": [one(0, 1)], "calm": [one(0, 0), one(_, _)]},
    "alerts-api": {"rings": [one(_, 1)], "calm": [one(_, _), one(0, 0)]},
    "alerts-worker": {"rings": [one(_, 1)], "calm": [one(_, _), one(0, 0)]},
    "model-spend": {"rings": [one(50.5)], "calm": [one(50), one(_)]},
    # Of a budget of 25 USD, as plans.tftest.hcl has it. At midnight it begins anew.
    "budget": {"rings": [one(19, 20.5)], "calm": [one(19, 20), one(_, 0), one(_, _)]},
    "workers-paused": {"rings": [one(1, 1, 1, 1, 1)], "calm": [one(1, 1, 0, 1, 1), one(0, 0, 0, 0, 0), one(_, _, _, _, _)]},
    "model-gone": {"rings": [one(_, 1)], "calm": [one(_, _)]},
    "silence": {
        "rings": [one(*[60] * 3, *[_] * 10)],
        # A restart, a quiet night: nothing is pending, and that is said.
        "calm": [one(*[60] * 5, *[_] * 9, *[60] * 5), one(*[60] * 20)],
    },
    "api-5xx": {
        # The API's own errors, and the load balancer's where it has no target and counts no request.
        "rings": [{"requests": [100] * 5, "failed": [_, _, 6, 6, 6], "refused": [_] * 5}, {"requests": [_] * 5, "failed": [_] * 5, "refused": [_, _, 30, 30, 30]}],
        "calm": [
            {"requests": [100] * 5, "failed": [5] * 5, "refused": [_] * 5},
            {"requests": [4] * 5, "failed": [4] * 5, "refused": [_] * 5},
            {"requests": [100] * 5, "failed": [90, 90, _, _, _], "refused": [_] * 5},
            {"requests": [_] * 5, "failed": [_] * 5, "refused": [_] * 5},
        ],
    },
    "api-cdn-5xx": {
        "rings": [{"errors": [6, 100], "requests": [100, 4000]}],
        # One bad moment, few requests, none at all.
        "calm": [
            {"errors": [100, 4], "requests": [500, 500]},
            {"errors": [50, 50], "requests": [99, 20]},
            {"errors": [_, _], "requests": [_, _]},
        ],
    },
    "unhealthy-hosts": {"rings": [one(*[1] * 10)], "calm": [one(*[1] * 9, 0), one(*[_] * 10)]},
    "launch-failures-api": {
        "rings": [{"wanted": [3] * 15, "running": [2] * 15}],
        # A boot, a scale-in, a fleet that is empty on purpose.
        "calm": [{"wanted": [3] * 16, "running": [2] * 14 + [3] * 2}, {"wanted": [2] * 15, "running": [3] * 15}, {"wanted": [0] * 15, "running": [0] * 15}],
    },
    "worker-wake": {
        "rings": [{"visible": [0, 1], "running": [0, 0]}, {"visible": [_, 5], "running": [0, _]}],
        # The group's metric is late while a worker runs; nobody waits; nothing is known.
        "calm": [{"visible": [5, 5, 5], "running": [1, _, _]}, {"visible": [0, 0], "running": [0, 0]}, {"visible": [_, _], "running": [0, 0]}],
    },
}
CASES["launch-failures-worker"] = CASES["launch-failures-api"]


class Alarms(unittest.TestCase):
    def test_each_alarm_rings_when_it_must_and_only_then(self):
        alarms = planned("ec2")
        self.assertEqual(set(alarms), set(CASES), "each alarm has its cases")
        for name, cases in CASES.items():
            for kind, all_series in cases.items():
                for series in all_series:
                    with self.subTest(name, kind=kind, series=series):
                        found = states(alarms[name], series)
                        self.assertEqual("ALARM" in found, kind == "rings", found)

    def test_what_fills_in_zeros_hides_a_full_bucket(self):
        # The mistake that was made: the newest day is not said yet, and read as an empty bucket.
        full = {"m0": [401 * GB, _]}
        self.assertEqual(expression("FILL(m0, 0)", full, {}, 2), [401 * GB, 0])
        self.assertEqual(expression("SUM(METRICS())", full, {}, 2), [401 * GB, None])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
