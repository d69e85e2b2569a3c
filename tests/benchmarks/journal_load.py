"""What a million requests take: `python tests/benchmarks/journal_load.py [requests] [--folder DIR] [--profile]`.

Prints each figure beside the goal it is measured against, and as a ratio of it: below 1 is good. Memory is the
peak of the resident set above what the process had before. Throughput is compared with that of the same libraries
used barely, in the same run and by processor time, since others may use the machine too. Every part runs in a
process of its own.
Not collected as a test: the figures belong to the machine. A million requests need 6 GB in the folder.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_batcheval.engine.effects import Settle, Unaccounted
from pytest_batcheval.engine.metadata import identity
from pytest_batcheval.engine.results import download_results, read_results
from pytest_batcheval.engine.split import Limits, split
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.result_file import decode_line, split_lines

A_BATCH = 50_000
QUESTION = "요즘 잠은 어떻게 주무시는지, 그리고 낮에는 어떻게 지내시는지 편하게 말씀해 주세요. "
ANSWER = "I have been asked how things went since we last met, and I will say it in my own words. "
NEEDED = 6_000
"""Bytes in the folder for each request: its line, its answer, the result file, SQLite's own."""


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", type=int, nargs="?", default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--profile", action="store_true", help="say where the time of each part goes")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    room = shutil.disk_usage(given.folder).free
    if room < given.requests * NEEDED:
        parser.error(f"{given.folder} has {room / 1e9:.1f} GB free; {given.requests:,} requests need more")
    if given.part is None:
        for part in PARTS:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", part], check=True)
        return
    with TemporaryDirectory(dir=given.folder) as folder:
        profile = cProfile.Profile() if given.profile else None
        PARTS[given.part](given.requests, Path(folder), profile)
        if profile is not None:
            pstats.Stats(profile).sort_stats("tottime").print_stats(12)


# -- writing what is planned --------------------------------------------------------------------------------------


def planning(count: int, folder: Path, profile: cProfile.Profile | None) -> None:
    """Requests that come one by one, as a prompt makes them: cut into batches and written to the journal."""
    with Journal.open(folder / "journal.sqlite") as journal:
        journal.add_run("run", "origin")
        with Measured(profile) as seen:
            plan_all(journal, make_requests(count))
    show(f"planning {count:,} requests: memory above the process", seen.memory, 200, "MB")
    print(
        f"  {count / seen.cpu:,.0f} a second of the processor, journal of {size_of(folder) / 1e6:,.0f} MB", flush=True
    )


def planning_what_is_held(count: int, folder: Path, profile: cProfile.Profile | None) -> None:
    """The same where the caller holds all requests, with their keys, as a run of pytest does."""
    requests = list(make_requests(count))
    for request in requests:
        _ = request.custom_id
    with Journal.open(folder / "journal.sqlite") as journal:
        journal.add_run("run", "origin")
        with Measured(profile) as seen:
            plan_all(journal, requests)
    show(f"planning {count:,} requests that are held already: memory above the process", seen.memory, 200, "MB")
    print(
        f"  {count / seen.cpu:,.0f} a second of the processor; the process itself has {seen.before:,.0f} MB", flush=True
    )


def plan_all(journal: Journal, requests: Iterator[Request] | list[Request]) -> None:
    """As a send does it."""
    for batch in split(requests, Limits()):
        plan(journal, batch)


def plan(journal: Journal, batch: list[Request]) -> BatchRow:
    """One batch in the journal."""
    name = identity([request.custom_id for request in batch], 1, 1)
    row = BatchRow("origin", "scope", batch[0].url, name, 1, 1, len(batch), f"{name}.jsonl", run="run")
    return journal.plan(row, batch)


def make_requests(count: int, start: int = 0) -> Iterator[Request]:
    """Requests of some 700 bytes, each of its own words."""
    for number in range(start, start + count):
        messages = [
            {"role": "system", "content": f"당신은 {number}번 환자입니다. " + QUESTION},
            {"role": "user", "content": QUESTION * 2},
        ]
        yield Request({"model": "gpt-6-luna", "messages": messages})


# -- reading what came back ---------------------------------------------------------------------------------------


def ingesting(count: int, folder: Path, profile: cProfile.Profile | None) -> None:
    """Result files of 50,000 lines, accounted for and stored; and beside them the same lines decoded and stored."""
    ours = bare = peak = size = wall = 0.0
    with Journal.open(folder / "journal.sqlite") as journal, closing(bare_database(folder)) as database:
        journal.add_run("run", "origin")
        for start in range(0, count, A_BATCH):
            row = plan(journal, list(make_requests(min(A_BATCH, count - start), start)))
            path = write_results(folder / "results.jsonl", journal.reader.keys(row.id))
            size += path.stat().st_size
            # The order changes, so that neither has always the warmer file.
            work = [lambda p=path: barely(database, p), lambda r=row, p=path: settle(journal, r, p)]
            for step in work if start // A_BATCH % 2 else work[::-1]:
                with Measured(profile if step is work[1] else None) as seen:
                    step()
                if step is work[1]:
                    ours, wall, peak = ours + seen.cpu, wall + seen.seconds, max(peak, seen.memory)
                else:
                    bare += seen.cpu
        assert len(journal.reader._rows("SELECT 1 FROM answer", ())) == count
    show(f"ingest of {count:,} lines, {size / 1e6:,.0f} MB: memory above the process", peak, 150, "MB")
    show("  bare decode and executemany, half of its throughput as a ratio", ours / bare / 2, 1, "")
    told = f"{count / ours:,.0f} lines a second of the processor, barely {count / bare:,.0f}"
    print(f"  {told}; {count / wall:,.0f} a second on the wall", flush=True)


def settle(journal: Journal, row: BatchRow, path: Path) -> None:
    """As the driver does it: download, account, store."""
    keys = journal.reader.keys(row.id)
    ended = BatchRow(**vars(row) | {"state": "settled", "batch_id": "batch_1", "output_file_id": str(path)})
    folder = path.with_name("files")
    account = download_results(Linked(), ended, frozenset(keys), folder)  # type: ignore[arg-type] # only `download` is asked
    assert (len(account.answered), account.broken) == (len(keys), ())
    journal.settle(ended, read_results(Settle(ended, account, unaccounted=Unaccounted("unanswered", "", True)), keys))
    shutil.rmtree(folder)


class Linked:
    """A provider whose files are on this disk already."""

    def download(self, file_id: str, target: Path) -> None:
        """At once."""
        os.link(file_id, target)


def bare_database(folder: Path) -> sqlite3.Connection:
    """A table of answers and nothing else, as safe as the journal."""
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE answer (key TEXT PRIMARY KEY, id TEXT, line BLOB) STRICT")
    return database


def barely(database: sqlite3.Connection, path: Path) -> None:
    """Decode each line with the same decoder and store it, in one transaction."""

    def rows() -> Iterator[tuple[str, object, bytes]]:
        with path.open("rb") as stream:
            for _, line, _ in split_lines(iter(lambda: stream.read(2**20), b"")):
                decoded = decode_line(line)
                yield decoded.custom_id, getattr(decoded, "id", ""), line

    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT INTO answer VALUES (?, ?, ?)", rows())
    database.execute("COMMIT")


def write_results(path: Path, keys: list[str]) -> Path:
    """An output file of lines of about 1,000 bytes, in the API's shape."""
    usage = {"prompt_tokens": 120, "completion_tokens": 130, "total_tokens": 250}
    with path.open("w", encoding="utf-8") as stream:
        for number, key in enumerate(keys):
            message = {"role": "assistant", "content": f"{number}: " + ANSWER * 6, "refusal": None}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            body = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_800_000_000}
            body |= {"model": "gpt-6-luna-2026-09-22", "choices": [choice], "usage": usage}
            response = {"status_code": 200, "request_id": f"req_{number}", "body": body}
            line = {"id": f"batch_req_{number}", "custom_id": key, "response": response, "error": None}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return path


# -- a live run ---------------------------------------------------------------------------------------------------


def living(count: int, folder: Path, profile: cProfile.Profile | None) -> None:
    """275 requests to a simulator in another process: what this one computes, once everything is imported."""
    from pytest_batcheval.backends.clocks import SimulatorClock
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.engine.send import send

    command = [sys.executable, "-c", "from pytest_batcheval.cli import main; raise SystemExit(main())", "serve"]
    with subprocess.Popen([*command, "--clock", "jump"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().partition("=")[2]
        OpenAIBatch(url, "key").close()  # imports the rest
        with (
            Measured(profile) as seen,
            OpenAIBatch(url, "key") as backend,
            SimulatorClock(backend.clock_address or "") as clock,
            Journal.open(folder / "journal.sqlite") as journal,
        ):
            sent = send(list(make_requests(275)), backend=backend, journal=journal, clock=clock)
        process.terminate()
    assert sent.answered == 275, sent
    show("live run of 275 requests: processor time outside imports", seen.cpu, 1, "s")
    print(f"  {seen.seconds:.2f} s on the wall", flush=True)


# -- measuring ----------------------------------------------------------------------------------------------------


class Measured:
    """Seconds of a block, on the wall and of the processor, and the peak of memory in MB above what was there before."""

    def __init__(self, profile: cProfile.Profile | None = None) -> None:
        self.seconds = self.cpu = self.memory = self.before = 0.0
        self._profile = profile

    def __enter__(self) -> Measured:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is counted from here
        self.before = _memory("VmRSS")
        if self._profile is not None:
            self._profile.enable()
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        if self._profile is not None:
            self._profile.disable()
        self.memory = _memory("VmHWM") - self.before


def _memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1000
    raise OSError("this system does not tell the memory of a process")


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def show(what: str, figure: float, goal: float, unit: str) -> None:
    """One line: figure, goal, ratio."""
    print(f"{what}: {figure:.3g} {unit} (goal {goal:g} {unit}, ratio {figure / goal:.2f})", flush=True)


PARTS: dict[str, Callable[[int, Path, cProfile.Profile | None], None]] = {
    "ingest": ingesting,
    "plan": planning,
    "plan-held": planning_what_is_held,
    "live": living,
}

if __name__ == "__main__":
    main()
