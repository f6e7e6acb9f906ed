#!/usr/bin/env python3
"""Measures the whole worker: CPU a job, share of a core, and the most memory it had.

    cargo build --release -p atelier -p atelier-server -p atelier-worker
    benches/worker.py --binaries target/release --jobs 100
    benches/worker.py --binaries target/release --jobs 192 --latency 10 --slots 64
    benches/worker.py --binaries target/release --jobs 50 --latency 1 --alone

Starts the embedded cloud, one API and one worker, each a process, posts the jobs and waits until
none is pending. Linux only: it reads /proc.

Queue, bucket and store can be other people's, of which the script makes what it needs without
signing (ElasticMQ, moto):

    moto_server --port 5555 &
    conformance/run sh -c 'benches/worker.py --binaries target/release --jobs 100 \\
        --sqs "$ATELIER_TEST_SQS_ENDPOINT" --s3 http://127.0.0.1:5555 \\
        --store "$ATELIER_TEST_MONGODB_URI"'
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request

ADDRESS = "127.0.0.1:8123"


def call(path, body=None):
    """GET, or POST if there is a body; the answer's JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://{ADDRESS}{path}", data=data, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def start(binary, *flags, env=None, stdout=subprocess.DEVNULL):
    """A process whose log goes nowhere."""
    return subprocess.Popen(
        [binary, *flags], env=env, stdout=stdout, stderr=subprocess.DEVNULL, text=True
    )


def environment(cloud):
    """What the cloud prints for the others."""
    env = dict(os.environ, CREATE_LIMIT_PER_MINUTE="0")
    for line in cloud.stdout:
        name, value = line.strip().split("=", 1)
        env[name] = value
        if name == "ATELIER_CONTROL_URL":
            return env
    raise SystemExit("the cloud did not start")


def elsewhere(args):
    """The variables of a queue, a bucket and a store that are not the embedded ones."""
    env = {}
    if args.sqs:
        env["AWS_ENDPOINT_URL_SQS"] = args.sqs
        for name, queue in (("SQS_QUEUE_URL", "jobs"), ("SQS_DEAD_LETTER_QUEUE_URL", "letters")):
            question = f"{args.sqs}/?Action=CreateQueue&QueueName={queue}-{os.getpid()}"
            with urllib.request.urlopen(question, timeout=30) as answer:
                env[name] = re.search("<QueueUrl>(.*)</QueueUrl>", answer.read().decode())[1]
    if args.s3:
        bucket = f"pictures-{os.getpid()}"
        env |= {"AWS_ENDPOINT_URL_S3": args.s3, "S3_BUCKET_NAME": bucket}
        urllib.request.urlopen(urllib.request.Request(f"{args.s3}/{bucket}", method="PUT"))
    if args.store:
        env["STORE_URL"] = args.store
    return env


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid):
    """The most resident memory that a process had, in MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1000


def alone(count):
    """Posts one job after the other. The time of each beside the model's, in ms: median and longest."""
    beside = []
    for n in range(count):
        made = call("/assignments", {"prompt": f"A mountain lake alone, the {n}th", "fresh": True})
        done = call(f"/assignments/{made['assignment_id']}?wait=20")
        whole = done["finished_at"] - done["created_at"]
        beside.append(1000 * (whole - done["stage_seconds"]["generate"]))
    return statistics.median(beside), max(beside)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--latency", default="0", help="the model's, in seconds")
    parser.add_argument("--slots", default="8")
    parser.add_argument(
        "--small", action="store_true", help="tiny pictures: what is left is all but the image path"
    )
    parser.add_argument(
        "--alone", action="store_true", help="one job at a time: its time beside the model"
    )
    parser.add_argument("--sqs", help="address of another SQS")
    parser.add_argument("--s3", help="address of another S3")
    parser.add_argument("--store", help="another STORE_URL")
    args = parser.parse_args()
    processes = []
    with tempfile.TemporaryDirectory() as data:
        try:
            cloud = start(
                args.binaries / "atelier", "cloud", "--data", data, "--model-latency", args.latency,
                stdout=subprocess.PIPE,
            )
            processes.append(cloud)
            env = environment(cloud) | elsewhere(args)
            processes.append(start(args.binaries / "atelier-api", env=dict(env, LISTEN_ADDR=ADDRESS)))
            time.sleep(1)
            if args.alone:
                processes.append(start(args.binaries / "atelier-worker", env=env))
                median, longest = alone(args.jobs)
                print(f"{args.jobs} jobs alone, beside the model: p50 {median:.0f} ms, longest {longest:.0f} ms")
                return
            for n in range(args.jobs):
                prompt = f"A mountain lake, the {n}th{' [small]' if args.small else ''}"
                call("/assignments", {"prompt": prompt, "fresh": True})
            worker = start(args.binaries / "atelier-worker", env=dict(env, WORKER_SLOTS=args.slots))
            processes.append(worker)
            began = time.monotonic()
            while call("/assignments?status=pending&limit=1")["assignments"]:
                time.sleep(0.5)
            seconds, cpu = time.monotonic() - began, cpu_seconds(worker.pid)
            failed = call("/assignments?status=failed&limit=1")["assignments"]
            print(
                f"{args.jobs} jobs in {seconds:.1f} s: {1000 * cpu / args.jobs:.1f} CPU-ms a job, "
                f"{cpu / seconds:.1%} of a core, at most {most_memory(worker.pid):.0f} MB"
                f"{', some failed' if failed else ''}"
            )
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
