#!/usr/bin/env python3
"""Measures an API beyond its capacity: too many POSTs, long polls, idle and slow connections.

    cargo build --release -p atelier -p atelier-server -p atelier-loadtest
    benches/overload.py --binaries target/release

Cloud, API and tester are processes on the same machine. Beside each load somebody asks for the
API's health and posts an assignment, again and again; after it, POST is timed once more. Needs
`ulimit -n` of 30,000. Linux only: it reads /proc. Prints two Markdown tables.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import pathlib
import resource
import subprocess
import tempfile
import threading
import time

from depth import ADDRESS, Address, Fleet

POST = {"prompt": "A full waiting room"}
# The API closes a connection whose head takes longer than 10 s.
SLOW_FOR = 25


class Bystander(threading.Thread):
    """Asks for the health, and posts, every 0.3 s, each on a new connection."""

    def __init__(self):
        super().__init__()
        self.seconds, self.over = collections.defaultdict(list), threading.Event()

    def run(self):
        while not self.over.wait(0.3):
            for path, body in (("/health/ready", None), ("/assignments", POST)):
                began = time.monotonic()
                with contextlib.suppress(OSError):  # 503 is an answer too, if it comes soon.
                    Address(f"http://{ADDRESS}").call(path, body)
                self.seconds[path].append(time.monotonic() - began)

    def stop(self):
        """The longest answers, in milliseconds: of the health, of a POST."""
        self.over.set()
        self.join()
        return [1000 * max(self.seconds[path]) for path in ("/health/ready", "/assignments")]


def posts(fleet, rate, folder):
    """POSTs at a fixed rate for 12 s: accepted, their p50 and p99 in ms, answers of 503, others."""
    report = folder / "report.json"
    subprocess.run(
        [fleet.binaries / "atelier-loadtest", "post", "--url", f"http://{ADDRESS}",
         "--rate", str(rate), "--seconds", "12", "--json", report],
        stdout=subprocess.DEVNULL, stderr=fleet.log, check=False,
    )
    found = json.loads(report.read_text())
    timing = found["operations"]["post"]
    refused = found["errors"].pop("create: 503", 0)
    others = sum(found["errors"].values())
    return [timing["count"], 1000 * timing["p50"], 1000 * timing["p99"], refused, others]


async def connect(kind, path, ends):
    """One connection; notes how it ended, and after how many seconds."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection(*ADDRESS.split(":"))
        if kind == "long polls":
            writer.write(f"GET {path}?wait=20 HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readline(), 60)
            end = head.split()[1].decode()
        else:
            end = "open"
            while end == "open" and time.monotonic() - began < SLOW_FOR:
                if kind == "slow":
                    writer.write(b"G")
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(reader.read(1), 1)
                    end = "closed"
        writer.close()
    except OSError:
        end = "closed"
    ends.append((end, time.monotonic() - began))


async def connections(kind, number, path):
    """How many ended how, and the seconds of the last of them."""
    ends, tasks = [], []
    for index in range(number):
        tasks.append(asyncio.create_task(connect(kind, path, ends)))
        if index % 200 == 0:
            await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)
    last = {end: max(seconds for it, seconds in ends if it == end) for end, _ in ends}
    counts = collections.Counter(end for end, _ in ends)
    return ", ".join(f"{counts[end]} {end} (last after {last[end]:.1f} s)" for end in sorted(counts))


def beside(fleet, load):
    """Does `load` with a bystander; its outcome, the bystander's, memory in MB, the POST after."""
    bystander = Bystander()
    bystander.start()
    outcome = load()
    health, post = bystander.stop()
    began = time.monotonic()
    fleet.api.connection.close()
    fleet.api.call("/assignments", POST)
    after = 1000 * (time.monotonic() - began)
    return outcome, [f"{it:.0f}" for it in (health, post, fleet.memory("api"), after)]


def row(*cells):
    """A line of a Markdown table."""
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def main():
    """Reads the flags, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=pathlib.Path, default=pathlib.Path("target/release"))
    parser.add_argument("--rates", type=int, nargs="+", default=[1000, 2000, 3000, 6000, 10000])
    parser.add_argument("--connections", type=int, default=10000)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    beside_it = ["health, longest ms", "one POST, longest ms", "memory MB", "POST after it, ms"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        fleet = Fleet(args.binaries, folder)
        row("POST/s", "accepted", "p50 ms", "p99 ms", "503", "other errors", *beside_it)
        row(*["---"] * 10)
        for rate in args.rates:
            found, others = beside(fleet, lambda rate=rate: posts(fleet, rate, folder))
            accepted, p50, p99, refused, errors = found
            row(f"{rate:,}", f"{accepted:,}", f"{p50:.0f}", f"{p99:.0f}", f"{refused:,}", errors, *others)
        print()
        path = "/assignments/" + fleet.api.call("/assignments", POST)["assignment_id"]
        row("connections", "what became of them", *beside_it)
        row(*["---"] * 6)
        for kind, number in (
            ("long polls", args.connections), ("long polls", 2 * args.connections),
            ("idle", args.connections * 6 // 5), ("slow", args.connections * 6 // 5),
        ):
            load = lambda kind=kind, number=number: asyncio.run(connections(kind, number, path))
            ends, others = beside(fleet, load)
            row(f"{number:,} {kind}", ends, *others)
        fleet.stop()


if __name__ == "__main__":
    main()
