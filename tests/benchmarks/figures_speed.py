"""What the figures of a journal cost: `python tests/benchmarks/figures_speed.py [answers] [repeats]`.

The ratio is that of all figures to a bare `COUNT(*)` of the answers, each the median of its repeats, taken in turn.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from journal_load import make_requests

from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.figures import Figures

A_BATCH = 10_000
GOAL_MS = 50


def main() -> None:
    """Fill a journal, measure, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.sqlite") as journal:
        fill(journal, count)
        reader, figures = journal.reader, Figures(journal.reader)
        assert sum(run.answers for run in figures.runs()) == count
        work: dict[str, Callable[[], object]] = {
            "bare": lambda: reader._rows("SELECT count(*) FROM answer", ()),
            "runs": figures.runs,
            "errors": figures.errors,
        }
        taken = {name: [] for name in work}
        for _ in range(repeats):
            for name, step in work.items():
                began = time.perf_counter()
                step()
                taken[name].append((time.perf_counter() - began) * 1000)
    median = {name: statistics.median(times) for name, times in taken.items()}
    for name in ("runs", "errors"):
        ratio = median[name] / median["bare"]
        print(
            f"{name}: {median[name]:.1f} ms (goal {GOAL_MS} ms), {ratio:.1f} times COUNT(*) ({median['bare']:.1f} ms)"
        )


def fill(journal: Journal, count: int) -> None:
    """Answers of 1,000 bytes in batches of ten runs, and one request in a hundred that failed beside them."""
    for start in range(0, count, A_BATCH):
        run, size = f"run-{start * 10 // count}", min(A_BATCH, count - start)
        journal.add_run(run, "https://api.test/v1")
        requests = list(make_requests(size + size // 100, start * 2))
        model = requests[0].model
        row = BatchRow(
            "https://api.test/v1", "s", requests[0].url, str(start), 1, 1, len(requests), "f", run=run, model=model
        )
        row = journal.plan(row, requests)
        settled = BatchRow(**vars(row) | {"state": "settled", "batch_id": f"batch_{start}"})
        answers = [AnswerRow(request.custom_id, "line", RESPONSE, 120, 130) for request in requests[:size]]
        failed = [FailureRow(r.custom_id, "server_error", "no answer", 500, True) for r in requests[size:]]
        journal.settle(settled, [*answers, *failed])


RESPONSE = json.dumps({"status_code": 200, "body": {"choices": [{"message": {"content": "x" * 900}}]}}).encode()

if __name__ == "__main__":
    main()
