#!/usr/bin/env python3
"""Measures whether what Atelier costs grows with the number of assignments that wait.

    cargo build --release -p atelier -p atelier-server -p atelier-worker -p atelier-loadtest
    benches/depth.py --binaries target/release --depths 1000 100000 1000000

For each depth it starts the embedded cloud, one API and later one worker, each a process, on a store
that holds so many pending assignments whose jobs the queue has forgotten. So it begins as a restart
does: the sweep sends them all. Then it measures, kills everything with -9, and starts it again.
The assignments are copies, under new ids and times, of one that the API wrote. Linux only: it reads
/proc. Prints a Markdown table.
"""

import argparse
import hashlib
import http.client
import json
import os
import pathlib
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

from worker import cpu_seconds, most_memory

ADDRESS = "127.0.0.1:8124"
TEACHERS = 1000
# The defaults would refuse posts whose picture would come after six hours.
OPTIONS = {
    "CREATE_LIMIT_PER_MINUTE": "0",
    "GIVE_UP_SECONDS": "1209600",
    "CLAIM_SECONDS": "10",
    "LOG": "warn",
    "LISTEN_ADDR": ADDRESS,
}


def memory(pid):
    """Resident memory of a process in MB; 0 of one that has just ended."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in status if line.startswith("VmRSS")), 0) / 1000


def percentiles(seconds):
    """50th, 95th and 99th of some times, in milliseconds."""
    ranked = sorted(seconds)
    return [1000 * ranked[min(len(ranked) - 1, len(ranked) * share // 100)] for share in (50, 95, 99)]


class Address:
    """One kept-alive connection."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)

    def call(self, path, body=None):
        """GET, or POST if there is a body; the answer's JSON."""
        data = None if body is None else json.dumps(body)
        method = "GET" if body is None else "POST"
        self.connection.request(method, path, data, {"content-type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise OSError(f"{method} {path}: {answer.status} {text[:200]}")
        return json.loads(text) if text else None

    def times(self, paths):
        """How long each of the GETs takes, one after the other, in seconds."""
        # The API may have closed a connection that was idle for minutes; the next call opens one.
        self.connection.close()
        times = []
        for path in paths:
            began = time.monotonic()
            self.call(path)
            times.append(time.monotonic() - began)
        return times


class Fleet:
    """The processes on one data directory."""

    def __init__(self, binaries, data):
        self.binaries, self.data = binaries, data
        self.log = open(data / "log", "a")
        self.processes = {}
        self.start()

    def start(self):
        """Cloud and API; returns when the API is ready. How long that took is in `ready`."""
        began = time.monotonic()
        cloud = self.spawn(
            "cloud", "atelier", "cloud", "--data", self.data, "--model-latency", "0",
            env=dict(os.environ, LOG="warn"), stdout=subprocess.PIPE,
        )
        self.env = dict(os.environ, **OPTIONS)
        for line in cloud.stdout:
            name, value = line.strip().split("=", 1)
            self.env[name] = value
            if name == "ATELIER_CONTROL_URL":
                break
        self.spawn("api", "atelier-api", env=self.env)
        while True:
            try:
                self.api = Address(f"http://{ADDRESS}")
                self.api.call("/health/ready")
                break
            except OSError:
                time.sleep(0.01)
        self.ready = time.monotonic() - began
        self.control = Address(self.env["ATELIER_CONTROL_URL"])

    def start_worker(self):
        """The worker."""
        self.spawn("worker", "atelier-worker", env={**self.env, "LISTEN_ADDR": ""})

    def spawn(self, name, binary, *flags, env, stdout=subprocess.DEVNULL):
        """A process by this name."""
        self.processes[name] = subprocess.Popen(
            [self.binaries / binary, *flags], env=env, stdout=stdout, stderr=self.log, text=True
        )
        return self.processes[name]

    def stop(self, *names, by=signal.SIGTERM):
        """Ends these, or all, the last one first."""
        for name in reversed(names or list(self.processes)):
            process = self.processes.pop(name)
            process.send_signal(by)
            process.wait()

    def cpu(self):
        """CPU seconds of each process so far."""
        return {name: cpu_seconds(process.pid) for name, process in self.processes.items()}

    def memory(self, name):
        """Resident memory of one process, in MB."""
        return memory(self.processes[name].pid)

    def queued(self):
        """Messages that can be received."""
        return self.control.call("/stats")["sqs"]["visible"]

    def done(self):
        """Messages that were deleted: jobs that are done."""
        return self.control.call("/stats")["sqs"].get("deleted", 0)


def copies(document, count):
    """Pending assignments like `document`, as if posted lately, one a millisecond."""
    lifetime = document["give_up_at"] - document["created_at"]
    now = time.time()
    for n in range(count):
        at = round(now - (count - n) / 1000, 3)
        stamp = f"{int(1000 * at):012x}"
        noise = secrets.token_hex(9)
        prompt = f"A mountain lake, the {n}th"
        identity = f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-a{noise[3:6]}-{noise[6:]}"
        copy = {
            **document,
            "assignment_id": identity,
            "teacher_id": f"teacher-{n % TEACHERS}",
            "prompt": prompt,
            "prompt_hash": hashlib.sha256(prompt.encode()).hexdigest(),
            "correlation_id": secrets.token_hex(16),
            "created_at": at,
            "updated_at": at,
            "sent_at": at,
            "give_up_at": at + lifetime,
            "wake_at": now + 300_000,
        }
        yield identity, json.dumps(copy)


def fill(store_url, depth):
    """Makes the store hold `depth` pending assignments that were noted as sent. Some of the ids."""
    store = sqlite3.connect(store_url.removeprefix("sqlite:"), isolation_level=None)
    document = json.loads(store.execute("SELECT document FROM assignments").fetchone()[0])
    store.execute("PRAGMA cache_size = -1000000")
    store.execute("BEGIN IMMEDIATE")
    store.executemany(
        "INSERT INTO assignments (id, document) VALUES (?, ?)", copies(document, depth - 1)
    )
    store.execute("COMMIT")
    apart = max(1, depth // 1000)
    some = store.execute("SELECT id FROM assignments WHERE rowid % ? = 0", [apart])
    ids = [row[0] for row in some]
    store.close()
    return ids


def cpu_when_idle(fleet, seconds=10):
    """Share of a core that cloud and API take while nobody asks them anything."""
    before = fleet.cpu()
    time.sleep(seconds)
    after = fleet.cpu()
    return {name: (after[name] - before[name]) / seconds for name in before}


def wait_until(what, within=7200):
    """Seconds until `what()` is true."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > within:
            raise SystemExit("it takes too long")
        time.sleep(0.02)
    return time.monotonic() - began


def run_jobs(fleet, count):
    """A worker does at least `count` jobs: CPU-ms a job of each process, jobs a second, its memory."""
    fleet.start_worker()
    warm = fleet.done() + 20
    wait_until(lambda: fleet.done() >= warm)
    first, before, began = fleet.done(), fleet.cpu(), time.monotonic()
    wait_until(lambda: fleet.done() >= first + count)
    jobs, after, seconds = fleet.done() - first, fleet.cpu(), time.monotonic() - began
    most = most_memory(fleet.processes["worker"].pid)
    fleet.stop("worker")
    cpu = {name: 1000 * (after[name] - before[name]) / jobs for name in before}
    return {"cpu": cpu, "rate": jobs / seconds, "memory": most}


def post(fleet, rate, seconds):
    """POSTs at a fixed rate, each timed from its planned start: percentiles in milliseconds."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run(
            [fleet.binaries / "atelier-loadtest", "post", "--url", f"http://{ADDRESS}",
             "--rate", str(rate), "--seconds", str(seconds), "--json", report.name],
            stdout=subprocess.DEVNULL, stderr=fleet.log, check=False,
        )
        found = json.load(report)
    if found["errors"]:
        raise SystemExit(f"POSTs failed: {found['errors']}")
    return [1000 * found["operations"]["post"][it] for it in ("p50", "p95", "p99")]


def audit(fleet):
    """`atelier audit` on all of it: seconds, and the most memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen(
        [fleet.binaries / "atelier", "audit", "--json", "--data", fleet.data],
        stdout=subprocess.PIPE, stderr=fleet.log, env=dict(os.environ, LOG="warn"),
    )
    most = 0
    while process.poll() is None:
        # Not what `wait4` says: that counts this program's memory in, from before the exec.
        most = max(most, memory(process.pid))
        time.sleep(0.01)
    seconds = time.monotonic() - began
    report = json.load(process.stdout)
    if not report["ok"]:
        raise SystemExit(f"the audit found something: {report}")
    return {"seconds": seconds, "memory": most}


def refill(fleet, depth):
    """Until the sweep has sent all jobs to the new queue: jobs a second, CPU-ms a job, bytes a job."""
    before, cpu = fleet.memory("cloud"), fleet.cpu()
    seconds = wait_until(lambda: fleet.queued() >= depth)
    spent = sum(fleet.cpu().values()) - sum(cpu.values())
    return {
        "rate": depth / seconds,
        "cpu": 1000 * spent / depth,
        "bytes": 1e6 * (fleet.memory("cloud") - before) / depth,
    }


def restart(fleet):
    """Kills all at work and starts again: seconds until ready, and until the first job is done."""
    fleet.start_worker()
    time.sleep(1)
    fleet.stop(by=signal.SIGKILL)
    began = time.monotonic()
    fleet.start()
    fleet.start_worker()
    wait_until(lambda: fleet.done() >= 1)
    return {"ready": fleet.ready, "first_job": time.monotonic() - began}


def measure(depth, args):
    """Everything at one depth."""
    found = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        fleet = Fleet(args.binaries, pathlib.Path(folder))
        try:
            if depth > 0:
                new = {"prompt": "A mountain lake", "teacher_id": "teacher-0", "fresh": True}
                fleet.api.call("/assignments", new)
                fleet.stop()
                ids = fill(fleet.env["STORE_URL"], depth)
                fleet.start()
                found["refill"] = refill(fleet, depth)
            # Notes of the last sends come behind them.
            time.sleep(5)
            found["idle"] = cpu_when_idle(fleet)
            if depth > 0:
                one = [f"/assignments/{random.choice(ids)}" for _ in range(2000)]
                found["get"] = percentiles(fleet.api.times(one))
                found["list"] = percentiles(fleet.api.times(["/assignments?status=pending"] * 300))
                jobs = min(args.jobs, depth // 3)
                found["jobs"] = [run_jobs(fleet, jobs) for _ in range(2)]
                # With a million waiting, posts are refused while the last finished jobs pass out of
                # the minute that the expected wait is reckoned from: the fleet looks too slow.
                time.sleep(65)
            found["post"] = [post(fleet, args.rate, args.seconds) for _ in range(2)]
            found["api_memory"] = most_memory(fleet.processes["api"].pid)
            found["audit"] = audit(fleet)
            if depth > 0:
                found["restart"] = restart(fleet)
        finally:
            print(json.dumps({depth: found}), file=sys.stderr, flush=True)
            fleet.stop(by=signal.SIGKILL)
    return found


def milliseconds(figures):
    """Percentiles as a cell."""
    return " / ".join(f"{figure:.1f}" for figure in figures)


# What a row says, and its cell from what was found at one depth.
ROWS = {
    "POST p50 / p95 / p99, ms": lambda it: milliseconds(it["post"][0]),
    "again": lambda it: milliseconds(it["post"][1]),
    "GET of one, ms": lambda it: milliseconds(it["get"]),
    "first page of the list, ms": lambda it: milliseconds(it["list"]),
    "CPU-ms a job: worker": lambda it: milliseconds(run["cpu"]["worker"] for run in it["jobs"]),
    "CPU-ms a job: API": lambda it: milliseconds(run["cpu"]["api"] for run in it["jobs"]),
    "CPU-ms a job: cloud, the model's painting included": lambda it: milliseconds(
        run["cpu"]["cloud"] for run in it["jobs"]
    ),
    "jobs a second": lambda it: milliseconds(run["rate"] for run in it["jobs"]),
    "worker's memory at most, MB": lambda it: f"{max(run['memory'] for run in it['jobs']):.0f}",
    "API's memory at most, MB": lambda it: f"{it['api_memory']:.0f}",
    "cloud's memory a queued job, bytes": lambda it: f"{it['refill']['bytes']:.0f}",
    "idle: API, cloud, share of a core": lambda it: (
        f"{it['idle']['api']:.1%}, {it['idle']['cloud']:.1%}"
    ),
    "after kill -9: ready, s": lambda it: f"{it['restart']['ready']:.2f}",
    "after kill -9: first job done, s": lambda it: f"{it['restart']['first_job']:.1f}",
    "jobs that the sweep sends again a second": lambda it: f"{it['refill']['rate']:.0f}",
    "CPU-ms of API and cloud for each": lambda it: f"{it['refill']['cpu']:.2f}",
    "`atelier audit`: s, MB at most": lambda it: (
        f"{it['audit']['seconds']:.1f}, {it['audit']['memory']:.0f}"
    ),
}


def cell(show, found):
    """One cell; a dash where nothing was measured."""
    try:
        return show(found)
    except KeyError:
        return "–"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    parser.add_argument("--depths", type=int, nargs="+", default=[0, 1000, 100_000, 1_000_000])
    parser.add_argument("--jobs", type=int, default=500, help="to measure the CPU a job")
    parser.add_argument("--rate", type=int, default=500, help="POSTs a second")
    parser.add_argument("--seconds", type=int, default=30, help="how long each run of POSTs lasts")
    parser.add_argument("--folder", type=pathlib.Path, help="where the data lies meanwhile")
    args = parser.parse_args()
    columns = [measure(depth, args) for depth in args.depths]
    print("| assignments that wait |" + "".join(f" {depth:,} |" for depth in args.depths))
    print("|---|" + "---|" * len(args.depths))
    for name, show in ROWS.items():
        print(f"| {name} |" + "".join(f" {cell(show, found)} |" for found in columns))


if __name__ == "__main__":
    main()
