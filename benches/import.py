#!/usr/bin/env python3
"""Measures `atelier import`: brings a portal over that was never there.

    cargo build --release -p atelier
    benches/import.py --binaries target/release --documents 100000 --pictures 500 --side 256

It starts the embedded cloud, puts so many different old pictures into its bucket, and writes so many
documents into its SQLite store as another program would, which name the pictures in turn. Then it
imports: once until it is killed with -9 (`--kill-after`), once to the end, and once more. Every run
is a process of its own; time, CPU and most memory are the system's figures of that process. The
memory is at least what this script had when it started it, some 50 MB. Linux only, needs boto3.
Prints a Markdown table.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time
import zlib

import boto3

INSERT = "INSERT INTO assignments (id, document) VALUES (?, ?)"


def png(seed, side):
    """A square photo-like PNG: soft shapes and noise."""
    draw = random.Random(seed)
    waves = [[draw.uniform(0.5, 3) / side for _ in range(2)] for _ in range(3)]
    noise = draw.randbytes(side * side * 3)
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            for channel, (across, down) in enumerate(waves):
                soft = 120 * (1 + (x * across + y * down) % 1)
                rows.append(int(soft) + noise[(y * side + x) * 3 + channel] % 12)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def put_pictures(env, count, side):
    """Puts the old pictures, and returns their names and mean size."""
    s3 = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL_S3"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    size = 0
    for n in range(count):
        picture = png(n, side)
        size += len(picture)
        s3.put_object(Bucket=env["S3_BUCKET_NAME"], Key=f"old/{n}.png", Body=picture)
    return [f"old/{n}.png" for n in range(count)], size / count


def write_documents(env, count, names):
    """Writes documents as another program would: with none of our fields."""
    store = sqlite3.connect(env["STORE_URL"].removeprefix("sqlite:"))
    with store:
        for n in range(count):
            document = {
                "assignment_id": str(1_700_000_000_000 + n),
                "teacher_id": f"teacher-{n % 1000}",
                "prompt": f"Picture {n}",
                "question_answers": "[]",
                "created_at": 1_700_000_000 + n,
                "s3_image_name": names[n % len(names)],
            }
            store.execute(INSERT, (document["assignment_id"], json.dumps(document)))
    store.close()


def run(command, env, report, kill_after=None):
    """A run of the import: its figures, and its summary if it came to its end."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--report", report], env=env, stdout=subprocess.DEVNULL
    )
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    _, status, used = os.wait4(process.pid, 0)
    summary = {}
    if os.WIFEXITED(status):
        summary = json.loads(report.read_text())["summary"]
    return {
        "seconds": time.monotonic() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss / 1000,
        "exit": os.waitstatus_to_exitcode(status),
        **summary,
    }


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--binaries", type=pathlib.Path, required=True)
    parse.add_argument("--documents", type=int, default=100_000)
    parse.add_argument("--pictures", type=int, default=500)
    parse.add_argument("--side", type=int, default=256)
    parse.add_argument("--jobs", default="8")
    parse.add_argument("--kill-after", type=float, help="seconds until the first run is killed; none: it is not")
    options = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        cloud = subprocess.Popen(
            [options.binaries / "atelier", "cloud", "--data", folder / "data"],
            env=dict(os.environ, LOG="warn"), stdout=subprocess.PIPE, text=True,
        )
        try:
            measure(options, folder, cloud)
        finally:
            cloud.terminate()
            cloud.wait()


def measure(options, folder, cloud):
    env = dict(os.environ)
    for line in cloud.stdout:
        name, value = line.strip().split("=", 1)
        env[name] = value
        if name == "ATELIER_CONTROL_URL":
            break
    binary = options.binaries / "atelier"
    subprocess.run([binary, "indexes"], env=env, check=True, stdout=subprocess.DEVNULL)
    names, size = put_pictures(env, options.pictures, options.side)
    write_documents(env, options.documents, names)
    print(f"{options.documents} documents, {options.pictures} old pictures of {size / 1000:.0f} KB, --jobs {options.jobs}\n")
    print("| run | s | CPU s | most memory, MB | exit | imported | of a run before | already | documents a second | saved, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    command = [binary, "import", "--jobs", options.jobs]
    runs = [("to its end", None), ("once more", None)]
    if options.kill_after is not None:
        runs.insert(0, ("killed with -9", options.kill_after))
    for name, kill_after in runs:
        it = run(command, env, folder / "report.json", kill_after)
        saved = it.get("bytes_saved", 0) / 1e6
        per_second = it.get("documents", 0) / it["seconds"]
        print(
            f"| {name} | {it['seconds']:.1f} | {it['cpu']:.1f} | {it['memory']:.0f} | {it['exit']} "
            f"| {it.get('imported', '')} | {it.get('found', '')} | {it.get('already', '')} | {per_second:.0f} | {saved:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
