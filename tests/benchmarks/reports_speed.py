"""What looking at a large journal costs: `python tests/benchmarks/reports_speed.py [answers] [runs] [--folder DIR]`.

Prints the CPU of each command, its start included, and of each page of the dashboard, beside the goal of 300 ms. Prices
are found once before, as on any machine that has asked for them. A million answers need 3 GB in the folder; filling it
takes some minutes. `--journal` measures one that is there, and fills none.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from figures_speed import RESPONSE
from journal_load import make_requests

from pytest_batcheval.journal.outcome_writer import add_outcomes
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

GOAL_MS = 300
REPEATS = 3
BATCHEVAL = [sys.executable, "-m", "pytest_batcheval.cli"]
COMMANDS = {
    "runs": ["runs"],
    "status": ["status"],
    "status --run": ["status", "--run", "run-0007"],
    "answers --where": ["answers", "--where", "persona=p3", "--where", "question=q7"],
    "answers --where persona": ["answers", "--where", "persona=p3"],
    "answers --test": ["answers", "--test", "test_it.py::test_one[p3-q7]"],
    "show": ["show", "persona=p3", "question=q7", "--json"],
    "report": ["report", "run-0007", "--output", "report.html"],
}
PAGES = ("", "runs", "runs?page=20", "trend", "report?run=run-0007", "report?run=run-0007&against=run-0006")
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Fill a journal, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=int, nargs="?", default=1_000_000)
    parser.add_argument("runs", type=int, nargs="?", default=1_000)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--journal", type=Path, help="the folder of a journal that is filled already")
    given = parser.parse_args()
    with TemporaryDirectory(dir=given.folder) as folder:
        work = given.journal or Path(folder)
        if given.journal is None:
            fill(work / "journal.sqlite", given.answers, given.runs)
        os.environ["XDG_CACHE_HOME"] = folder
        for name, words in COMMANDS.items():
            say(name, cpu([*words, "--journal", "journal.sqlite"], work))
        for page, spent in pages(work):
            say(f"/{page}", spent)


def say(name: str, spent: float) -> None:
    """One line."""
    print(f"{name}: {spent:.0f} ms of CPU (goal {GOAL_MS} ms)", flush=True)


def fill(path: Path, count: int, runs: int) -> None:
    """A journal of runs of as many answers each, all different, and the outcomes of as many tests."""
    size = count // runs
    with Journal.open(path) as journal:
        for number in range(runs):
            name = f"run-{number:04}"
            requests = list(make_requests(size, number * size))
            journal.add_run(name, "https://api.test/v1")
            row = BatchRow("https://api.test/v1", "s", requests[0].url, name, 1, 1, size, "f", run=name, model="m")
            planned = journal.plan(row, requests)
            settled = BatchRow(**vars(planned) | {"state": "settled", "batch_id": f"batch_{number}"})
            journal.settle(settled, [AnswerRow(r.custom_id, "line", RESPONSE, 120, 130) for r in requests])
            outcomes = [outcome(place, request) for place, request in enumerate(requests)]
            add_outcomes(path.parent / "outcomes.sqlite", name, number, "record", ["pytest"], outcomes)


def outcome(place: int, request: Request) -> Outcome:
    """A test of one cell in a matrix of 25 personas."""
    cell = {"persona": f"p{place % 25}", "question": f"q{place // 25}"}
    test = f"test_it.py::test_one[{cell['persona']}-{cell['question']}]"
    return Outcome(test, "test_it.py", "passed", "", 0.01, {request.custom_id: cell})


def cpu(words: Sequence[str], folder: Path) -> float:
    """The least CPU of a command, in milliseconds."""
    taken = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*BATCHEVAL, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken) * 1000


def pages(folder: Path) -> Iterator[tuple[str, float]]:
    """(path, milliseconds of the server's CPU) of each page, the least of several times."""
    command = [*BATCHEVAL, "dashboard", "--port", "0", "--journal", "journal.sqlite"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        address = process.stdout.readline().partition(" ")[0]
        for page in PAGES:
            taken = []
            for _ in range(REPEATS):
                before = ticks(process.pid)
                urllib.request.urlopen(f"{address}{page}").read()
                taken.append(ticks(process.pid) - before)
            yield page, min(taken) * 1000 / TICK
        process.terminate()


def ticks(pid: int) -> int:
    """The CPU of a process so far, in ticks of Linux."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


if __name__ == "__main__":
    main()
