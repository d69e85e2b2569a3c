"""What a run of many requests takes: `python tests/benchmarks/scale.py [--sizes 10000,30000,100000]`.

For each size a fresh client process sends the requests of a generator through `BatchClient.run` to `batcheval serve` in
a process of its own, and a floor does in a third what nobody can leave out: hash each request, write its line, read its
result line, insert one row. Prints a table in Markdown, with the slopes of memory, the exponents of growth, and the
processor time as a ratio of the floor's in the same run. Not collected as a test: the figures belong to the machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pytest_batcheval import BatchClient, Request

SIZES = (10_000, 30_000, 100_000, 300_000)
TEXT = "How have you been sleeping lately, and how do you get through the day? Please say it in your own words. "
GOALS = "goals: peak 300 MB, slope 0.1 kB a request from 100,000 on, CPU 2x of the floor, exponents 1.1"


def main() -> None:
    """Measure each size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", default=",".join(map(str, SIZES)), help="numbers of requests; 1000000 takes 5 GB of disk"
    )
    parser.add_argument("--folder", default=None, help="where journals and files lie; default a temporary folder")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        part, count = given.part
        print(json.dumps({"run": run, "floor": floor}[part](int(count), Path(given.folder))))
        return
    sizes = [int(size) for size in given.sizes.split(",")]
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n"
    )
    print(
        "| requests | peak MB | slope kB a request | CPU s | floor s | ratio | exponent of CPU | answers read, CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for count in sizes:
        with TemporaryDirectory(dir=given.folder) as folder:
            rows.append((count, measured("run", count, folder), measured("floor", count, folder)))
        print(line(rows[-2] if len(rows) > 1 else None, rows[-1]), flush=True)
    print(f"\n{GOALS}")


Measured = tuple[int, dict[str, float], dict[str, float]]


def line(before: Measured | None, now: Measured) -> str:
    """A row of the table."""
    count, ours, least = now
    slope = exponent = "–"
    if before is not None:
        slope = f"{1000 * (ours['peak'] - before[1]['peak']) / (count - before[0]):.2f}"
        exponent = f"{math.log(ours['cpu'] / before[1]['cpu']) / math.log(count / before[0]):.2f}"
    parts = (f"{count:,}", f"{ours['peak']:.0f}", slope, f"{ours['cpu']:.1f}", f"{least['cpu']:.1f}",
             f"{ours['cpu'] / least['cpu']:.1f}", exponent, f"{ours['read']:.1f}")  # fmt: skip
    return f"| {' | '.join(parts)} |"


def measured(part: str, count: int, folder: str) -> dict[str, float]:
    """What a fresh process says of a part."""
    command = [sys.executable, __file__, "--part", part, str(count), "--folder", folder]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def requests(count: int) -> Iterator[Request]:
    """Requests of some 600 bytes, each of its own words."""
    for number in range(count):
        messages = [
            {"role": "system", "content": f"You are patient {number}. " + 2 * TEXT},
            {"role": "user", "content": 2 * TEXT},
        ]
        yield Request({"model": "gpt-6-luna", "messages": messages})


def run(count: int, folder: Path) -> dict[str, float]:
    """Send them, and read all answers."""
    with served() as url, BatchClient(url, journal=folder / "journal.sqlite", progress=None) as client:
        client.run(
            [Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": TEXT}]})]
        )  # imports the rest
        began = time.process_time()
        found = client.run(requests(count))
        sent, cpu = found.sent.answered, time.process_time() - began
        peak = memory()
        began = time.process_time()
        assert (sent, sum(1 for _ in found)) == (count, count), found.sent
        return {"peak": peak, "cpu": cpu, "read": time.process_time() - began}


def floor(count: int, folder: Path) -> dict[str, float]:
    """The least: a hash and a line of each request, a result line decoded and stored as one row."""
    began = time.process_time()
    with (folder / "input.jsonl").open("wb") as stream:
        for request in requests(count):
            stream.write(request.line() + b"\n")
    cpu = time.process_time() - began
    with (folder / "input.jsonl").open("rb") as given, (folder / "output.jsonl").open("wb") as stream:
        for text in given:
            custom_id = msgspec.json.decode(text)["custom_id"]
            message = {"role": "assistant", "content": 6 * TEXT, "refusal": None}
            body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            response = {"status_code": 200, "request_id": "r", "body": body}
            stream.write(msgspec.json.encode({"id": "b", "custom_id": custom_id, "response": response}) + b"\n")
    began = time.process_time()
    with closing(sqlite3.connect(folder / "floor.sqlite")) as database, (folder / "output.jsonl").open("rb") as stream:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE answer (key TEXT PRIMARY KEY, line BLOB) STRICT")
        decode = msgspec.json.Decoder().decode
        with database:
            database.executemany(
                "INSERT INTO answer VALUES (?, ?)", ((decode(text)["custom_id"], text) for text in stream)
            )
    return {"cpu": cpu + time.process_time() - began}


def memory() -> float:
    """The peak of this process's resident set, in MB."""
    for text in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if text.startswith("VmHWM"):
            return int(text.split()[1]) / 1000
    raise OSError("this system does not tell the memory of a process")


@contextmanager
def served() -> Iterator[str]:
    """The base URL of `batcheval serve` in a process of its own, whose time jumps."""
    os.environ["OPENAI_API_KEY"] = "k"
    command = [sys.executable, "-c", "from pytest_batcheval.cli import main; raise SystemExit(main())", "serve"]
    with subprocess.Popen([*command, "--clock", "jump"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().partition("=")[2]
        process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
