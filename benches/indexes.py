#!/usr/bin/env python3
"""Measures what each index of the assignments costs a write, on SQLite.

    benches/indexes.py --assignments 20000

It makes the tables as Atelier does, and takes each assignment through the writes of a picture:
insert, note of the send, claim, count of a call, success. Once with all indexes, then without each
of them, then with none. The figure is CPU time of SQLite alone, in microseconds a picture, the least
of some rounds; documents are as large as ours are (1 KB). Prints a Markdown table.
"""

import argparse
import json
import pathlib
import sqlite3
import tempfile
import time

SCHEMA = pathlib.Path(__file__).parent.parent / "shared/store/src/sqlite/schema"
TEACHERS = 1000
# As many writes share a transaction as under load.
TOGETHER = 64


def posted(number):
    """An assignment as the API inserts it."""
    at = 1_790_000_000 + number / 100
    return {
        "assignment_id": f"{number:08x}-0000-7000-8000-{number * 2654435761 % 2**48:012x}",
        "teacher_id": f"teacher-{number % TEACHERS}", "prompt": "A mountain lake " * 40,
        "created_at": at, "updated_at": at, "s3_upload_status": "pending", "round": 1,
        "wake_at": at + 30, "give_up_at": at + 21600, "prompt_hash": f"{number:064x}",
        "post_hash": f"{number:064x}", "correlation_id": f"{number:032x}",
    }


def moves(document):
    """The fields that each write after the insert sets, and those that it removes."""
    at = document["created_at"]
    claim = {"token": "0" * 32, "worker": "host-1-abcdef", "until": at + 61}
    yield {"sent_at": at + 0.01, "wake_at": at + 21600}, []
    yield {"claim": claim, "wake_at": at + 121, "attempts": 1}, []
    yield {"model_calls": 1}, []
    yield {
        "s3_upload_status": "success", "finished_at": at + 5, "updated_at": at + 5,
        "s3_image_key": f"generated_images/{document['assignment_id']}.webp",
        "reuse_key": document["prompt_hash"], "model": "stability.stable-image-core-v1:1",
    }, ["claim", "wake_at", "give_up_at"]


def indexes(connection):
    """Names of the indexes of the assignments that are not a table's key."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'assignments' AND sql NOT NULL"
    )
    return [name for (name,) in rows]


def work(folder, count, without):
    """CPU microseconds a picture, without these indexes."""
    path = folder / "store.db"
    for file in folder.glob("store.db*"):
        file.unlink()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for step in sorted(SCHEMA.glob("*.sql"), key=lambda it: int(it.stem)):
        connection.executescript(step.read_text())
    for name in indexes(connection) if without == "all" else without:
        connection.execute(f"DROP INDEX {name}")
    documents = [posted(number) for number in range(count)]
    writes = []
    for document in documents:
        versions, now = [], dict(document)
        for sets, removes in moves(document):
            now = {field: it for field, it in {**now, **sets}.items() if field not in removes}
            versions.append(json.dumps(now))
        writes.append((document["assignment_id"], json.dumps(document), versions))
    began = time.process_time()
    for first in range(0, count, TOGETHER):
        batch = writes[first:first + TOGETHER]
        insert = "INSERT INTO assignments (id, document) VALUES (?, ?)"
        update = "UPDATE assignments SET document = ? WHERE id = ?"
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, [(identity, document) for identity, document, _ in batch])
        connection.execute("COMMIT")
        for move in range(len(batch[0][2])):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(update, [(versions[move], identity) for identity, _, versions in batch])
            connection.execute("COMMIT")
    spent = time.process_time() - began
    connection.close()
    return 1e6 * spent / count


def main():
    """Reads the flags, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assignments", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        connection = sqlite3.connect(":memory:")
        for step in sorted(SCHEMA.glob("*.sql"), key=lambda it: int(it.stem)):
            connection.executescript(step.read_text())
        names = indexes(connection)
        cases = {"all": [], **{name: [name] for name in names}, "none": "all"}
        least = dict.fromkeys(cases, float("inf"))
        for _ in range(args.rounds):
            for case, without in cases.items():
                least[case] = min(least[case], work(folder, args.assignments, without))
    print("| index | µs of CPU a picture |\n| --- | --- |")
    print(f"| all of them | {least['all']:.0f} |")
    for name in names:
        print(f"| `{name}` | {least['all'] - least[name]:.0f} |")
    print(f"| none of them | {least['none']:.0f} |")


if __name__ == "__main__":
    main()
