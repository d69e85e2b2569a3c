"""What a journal of many answers costs its readers: `python tests/benchmarks/journal_size.py [answers ...] [--folder DIR]`.

Records 275 answers from the simulator, puts so many others beside them through the journal's own schema, and prints
a table of each command's time with the small journal and with the large one. Each time is the least of several runs of
a whole process, taken in turn, on a file that the system has in memory. A million answers need 4 GB in the folder.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from plugin_cost import EVALUATION, INI, PLUGIN

from pytest_batcheval.journal.queries import ADD_ANSWER, ADD_FAILURE, ADD_REQUEST
from pytest_batcheval.journal.rows import checksum
from pytest_batcheval.wire.objects import Request

A_BATCH = 10_000
BATCHES_OF_A_RUN = 4
ORIGIN = "https://api.openai.com/v1"
PERSONAS, QUESTIONS = 25_000, 40
PROFILE = (
    "당신은 {}번 환자입니다. 최근 잠을 이루지 못하고, 일에 집중하기 어려우며, 사람을 만나는 일을 피하고 있습니다. "
)
QUESTION = "{}번째 질문입니다. 요즘 잠은 어떻게 주무시는지 편하게 말씀해 주세요."
ANSWER = "I have been asked how things went since we last met, and I will say it in my own words. "
RUNS = 5

BATCHEVAL = (sys.executable, "-m", "pytest_batcheval.cli")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGIN)
COMMANDS: dict[str, tuple[str, ...]] = {
    "batcheval --help": (*BATCHEVAL, "--help"),
    "batcheval status": (*BATCHEVAL, "status"),
    "batcheval runs": (*BATCHEVAL, "runs"),
    "open for reading": (sys.executable, "-c", "from pytest_batcheval.journal.store import Journal; from pathlib import Path; "
                         "print(len(Journal.read(Path('.batcheval/journal.sqlite')).batches()))"),
    "open for writing": (sys.executable, "-c", "from pytest_batcheval.journal.store import Journal; from pathlib import Path; "
                         "Journal.open(Path('.batcheval/journal.sqlite')).close()"),
    "batcheval verify": (*BATCHEVAL, "verify"),
    "batcheval verify --quick": (*BATCHEVAL, "verify", "--quick"),
    "batcheval prune, dry run": (*BATCHEVAL, "prune", "--journal", "--older-than=30", "--dry-run"),
    "replay of 275": (*PYTEST, "test_evaluation.py"),
}  # fmt: skip


def main() -> None:
    """Make each journal and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=int, nargs="*", default=[100_000])
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    with TemporaryDirectory(dir=given.folder) as name:
        small = evaluation(Path(name) / "small")
        for answers in given.answers:
            large = shutil.copytree(small, Path(name) / "large")
            journal = large / ".batcheval" / "journal.sqlite"
            began = time.perf_counter()
            fill(journal, answers)
            print(
                f"\n{answers:,} answers, {journal.stat().st_size / 1e6:,.0f} MB, made in {time.perf_counter() - began:.0f} s\n"
            )
            print("| command | small, ms | large, ms | ratio | CPU ms | CPU ms |")
            print("|---|---|---|---|---|---|")
            for title, command in COMMANDS.items():
                show(title, command, small, large, given.runs)
            bodies(journal)
            shutil.rmtree(large)


def evaluation(folder: Path) -> Path:
    """A folder with 275 tests, whose answers only its journal has."""
    folder.mkdir()
    (folder / "pytest.ini").write_text(INI)
    (folder / "test_evaluation.py").write_text(EVALUATION)
    run((*PYTEST, "test_evaluation.py", "--batch=send", "--batch-backend=simulator"), folder)
    return folder


# -- many answers ---------------------------------------------------------------------------------------------------


def fill(path: Path, answers: int) -> None:
    """Put answers into a journal: runs of some batches, of which one in 100 requests failed and one run is a refresh."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            database.execute(f"PRAGMA {pragma}").fetchall()
        database.execute("BEGIN")
        (number,) = database.execute("SELECT max(id) FROM batch").fetchone()
        for batch, first in enumerate(range(0, answers, A_BATCH)):
            name, began = f"{batch // BATCHES_OF_A_RUN:032x}", 1_700_000_000 + batch // BATCHES_OF_A_RUN * 86_400
            if not batch % BATCHES_OF_A_RUN:
                add_run(database, name, began)
            add_batch(database, number + batch + 1, name, began, range(first, min(first + A_BATCH, answers)))
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode = WAL")


def add_run(database: sqlite3.Connection, name: str, began: float) -> None:
    """A run with its stages."""
    database.execute("INSERT INTO run VALUES (?, ?, ?, ?, '[\"pytest\"]')", (name, began, ORIGIN, ORIGIN))
    stages = ((name, 1, stage, 10.0, 1.0, 10**8, 10**7, 10**7) for stage in ("plan", "upload", "run", "download"))
    database.executemany("INSERT INTO stage VALUES (?, ?, ?, ?, ?, ?, ?, ?)", stages)


def add_batch(database: sqlite3.Connection, number: int, run_name: str, began: float, asked: Iterable[int]) -> None:
    """A settled batch with its requests, answers and failures, in the order in which the journal stores them."""
    lines = sorted((request.custom_id, request.line()) for request in requests(asked))
    tokens = len(lines) * 130
    database.execute(
        "INSERT INTO batch (id, run, origin, scope, endpoint, identity, attempt, generation, requests, model, file_name, "
        "state, batch_id, status, times, answers, input_tokens, output_tokens) "
        "VALUES (?, ?, ?, 's', '/v1/chat/completions', ?, 1, 1, ?, 'gpt-6-luna', 'x', 'settled', ?, 'completed', ?, ?, ?, ?)",
        (number, run_name, ORIGIN, str(number), len(lines), f"batch_{number}", f'{{"created_at": {began}}}', len(lines), tokens, tokens),
    )  # fmt: skip
    database.executemany(ADD_REQUEST, ((key, line, checksum(key, line)) for key, line in lines))
    claims = ((key, ORIGIN, number) for key, _ in lines)
    database.executemany("INSERT INTO claim (key, origin, batch, open) VALUES (?, ?, ?, 0)", claims)
    answered = [key for place, (key, _) in enumerate(lines) if place % 100]
    database.executemany(ADD_ANSWER, answer_rows(number, answered))
    failed = ((key, ORIGIN, 1, number, 1, "server_error", "busy", 503, 1) for key, _ in lines[::100])
    database.executemany(ADD_FAILURE, failed)


def requests(numbers: Iterable[int]) -> Iterator[Request]:
    """One of each persona and question: the persona's profile stands in the bodies of all questions."""
    for number in numbers:
        persona, question = number // QUESTIONS, number % QUESTIONS
        messages = [
            {"role": "system", "content": PROFILE.format(persona) * 4},
            {"role": "user", "content": QUESTION.format(question)},
        ]
        yield Request({"model": "gpt-6-luna", "messages": messages})


def answer_rows(batch: int, keys: Iterable[str]) -> Iterator[tuple[object, ...]]:
    """Answers of some 900 bytes in the API's shape."""
    for key in keys:
        text = (
            f'{{"status_code":200,"request_id":"req_{key}","body":{{"id":"chatcmpl-{key}","object":"chat.completion",'
            f'"created":1800000000,"model":"gpt-6-luna-2026-09-22","choices":[{{"index":0,"message":{{"role":"assistant",'
            f'"content":"{key[:6]}: {ANSWER * 5}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],'
            '"usage":{"prompt_tokens":120,"completion_tokens":130,"total_tokens":250}}}'
        ).encode()
        yield key, ORIGIN, 1, batch, 1, f"batch_req_{key}", text, checksum(key, text)


# -- measuring ------------------------------------------------------------------------------------------------------


def show(title: str, command: tuple[str, ...], small: Path, large: Path, runs: int) -> None:
    """One row: the least time of a command in either folder."""
    times = [(run(command, small), run(command, large)) for _ in range(runs)]
    (wall, cpu), (large_wall, large_cpu) = (
        [min(each[part] for each in column) * 1000 for part in (0, 1)] for column in zip(*times, strict=True)
    )
    print(
        f"| {title} | {wall:,.0f} | {large_wall:,.0f} | {large_wall / wall:.2f} | {cpu:,.0f} | {large_cpu:,.0f} |",
        flush=True,
    )


def run(command: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Seconds of one process, on the wall and of the processor."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bodies(path: Path) -> None:
    """What the bodies take, and what they would take compressed or with each persona's prompt stored once."""
    with closing(sqlite3.connect(path)) as database:
        (pages,) = database.execute("SELECT sum(pgsize) FROM dbstat").fetchone()
        print()
        for name, size in database.execute(
            "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8"
        ):
            print(f"  {name}: {size / 1e6:,.0f} MB, {size / pages:.0%}")
        for table, column in (("request", "line"), ("answer", "response")):
            (total,) = database.execute(f"SELECT sum(length({column})) FROM {table}").fetchone()
            some = [row[0] for row in database.execute(f"SELECT {column} FROM {table} LIMIT 20000")]
            began = time.perf_counter()
            packed = sum(len(zlib.compress(each, 6)) for each in some) / sum(map(len, some))
            each = (time.perf_counter() - began) / len(some) * 1e6
            print(
                f"  {table}.{column}: {total / 1e6:,.0f} MB, {total / pages:.0%} of the file; zlib leaves {packed:.0%} ({each:.0f} µs a row)"
            )


if __name__ == "__main__":
    main()
