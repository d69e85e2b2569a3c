"""What looking at a large journal costs: `python tests/benchmarks/reports_speed.py [answers] [runs] [--folder DIR]`.

Prints the CPU of each command and page, in a process of its own as a user has it, less that of `batcheval --version`,
beside the goal of 300 ms. A million answers need 3 GB in the folder; filling it takes some minutes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from figures_speed import RESPONSE
from journal_load import make_requests

from pytest_batcheval.journal.outcomes import Outcome, add_outcomes
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

GOAL_MS = 300
REPEATS = 3
COMMANDS = {
    "answers --where": ["answers", "--where", "persona=p3", "--where", "question=q7"],
    "answers --test": ["answers", "--test", "test_it.py::test_one[p3-q7]"],
    "show": ["show", "persona=p3", "question=q7", "--json"],
    "status": ["status"],
    "status --run": ["status", "--run", "run-0007"],
    "runs": ["runs"],
}


def main() -> None:
    """Fill a journal, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=int, nargs="?", default=1_000_000)
    parser.add_argument("runs", type=int, nargs="?", default=1_000)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    given = parser.parse_args()
    with TemporaryDirectory(dir=given.folder) as folder:
        fill(Path(folder) / "journal.sqlite", given.answers, given.runs)
        start = cpu(["--help"], folder)
        for name, words in COMMANDS.items():
            took = cpu(words, folder) - start
            print(f"{name}: {took:.0f} ms of CPU (goal {GOAL_MS} ms)", flush=True)


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


def cpu(words: Sequence[str], folder: str) -> float:
    """The least CPU of a command, in milliseconds."""
    command = [sys.executable, "-m", "pytest_batcheval.cli", *words]
    if words != ["--help"]:
        command += ["--journal", f"{folder}/journal.sqlite"]
    taken = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken) * 1000


if __name__ == "__main__":
    main()
