"""The state of a journal for the live page: the error rate over time, of a run that goes on and of one that ended."""

import json
import time
from dataclasses import replace

import pytest

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.journal.lock import JournalLock
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.dashboard import pictures
from pytest_batcheval.report.dashboard.live import LiveJournal, Look
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.progress_file import progress_file, read_progress
from pytest_batcheval.wire.objects import Request

ORIGIN = "https://api.test/v1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def settle(path, run, ended, answers, failed):
    """A batch of a run that ended at this time with so many answers and failures."""
    requests = [Request({"model": "m", "input": f"{run} {ended} {number}"}) for number in range(answers + failed)]
    with Journal.open(path) as journal:
        journal.add_run(run, ORIGIN)
        row = BatchRow(ORIGIN, "s", requests[0].url, f"{run} {ended}", 1, 1, len(requests), "f", run=run, model="m")
        times = json.dumps({"created_at": 1, "completed_at": ended}) if ended else ""
        row = replace(journal.plan(row, requests), state="settled", batch_id="b", status="completed", times=times)
        good = [AnswerRow(one.custom_id, "line", b"{}", 1, 1) for one in requests[:answers]]
        bad = [FailureRow(one.custom_id, "server_error", "none", 500, True) for one in requests[answers:]]
        journal.settle(row, [*good, *bad])


def test_the_error_rate_of_the_newest_run_is_that_at_the_end_of_each_batch(path):
    settle(path, "old", 50, 1, 9)
    settle(path, "new", 300, 4, 4)
    settle(path, "new", 200, 2, 0)
    settle(path, "new", 0, 5, 0)  # individual calls, which have no times
    state = LiveJournal(path).state()
    assert state.rates == [(200, 0.0), (300, 0.4)]
    picture = pictures.error_rate(state.rates)
    assert 'role="img" aria-label="error rate at the end of each batch: 40.0% now, 40.0% at most"' in picture
    assert 'points="0.0,64.0 420.0,24.0"' in picture
    assert pictures.error_rate(state.rates[:1]) == ""


@pytest.mark.sampled
def test_a_run_that_goes_on_has_the_error_rate_of_each_look(path):
    settle(path, "run", 50, 1, 0)
    live = LiveJournal(path)
    lock = JournalLock(path.with_name(f"{path.name}.lock"))
    with lock.held(None), progress_file(path, "run", 1.0, lambda seen: None) as watch:
        for done, failed in ((0, 0), (3, 1), (4, 4)):
            watch(BatchSnapshot(1, 1, "b", "in_progress", done, failed, 9, 60.0, stage="run"))
            end = time.monotonic() + 60
            while (found := read_progress(path, Eta)) is None or found.board.sums() != (done, failed, 9):
                assert time.monotonic() < end
                time.sleep(0.01)
            live.state()
    live.state()
    assert [one.errors for one in live.looks] == [None, 0.25, 0.5, None]


def test_a_line_is_broken_where_nothing_is_known_and_missing_where_nothing_ever_was():
    seen = [Look(float(at), errors) for at, errors in enumerate((None, 0.25, 0.5, None, 0.125, 0.125))]
    drawn = pictures.looks(seen)
    assert drawn.count("<svg") == 1, "without psutil the error rate alone"
    assert "error rate of the requests that have ended: 12.5% now, 50.0% at most" in drawn
    assert drawn.count("<polyline") == 2
    assert pictures.looks([Look(0.0), Look(1.0)]) == pictures.looks(seen[:1]) == ""
    assert "0.0% now, 0.0% at most" in pictures.looks([Look(0.0, 0.0), Look(1.0, 0.0)])
