"""Where a run's time goes: stages that add up to it, and what they used."""

import pytest

from pytest_batcheval.backends.traffic import Traffic
from pytest_batcheval.engine.snapshot import BatchSnapshot, WaitSnapshot
from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.rows import STAGES
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report import resources
from pytest_batcheval.report.resources import ResourceMeter


class Clock:
    time = 100.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.add_run("r", "o")
        yield journal


def seen(stage, ordinal=1, of=1, ended=False):
    return BatchSnapshot(ordinal, of, "batch_1", "", 0, 0, 1, 0.0, ended=ended, stage=stage)


def measure(journal, clock, steps, traffic=()):
    """Run a meter over steps: seconds that pass, or snapshots that are shown; the rows by stage and wave."""
    with ResourceMeter("r", journal, clock, traffic) as measured:
        watch = measured.watching(lambda seen: None)
        for step in steps:
            if isinstance(step, BatchSnapshot):
                watch(step)
            elif step == "wave":
                measured.end_wave()
            else:
                clock.time += step
    return {(row.wave, row.name): row for row in journal.reader.stages()}


def test_each_second_belongs_to_the_stage_it_passed_in(journal, clock):
    steps = [
        1,
        seen("upload"),
        2,
        seen("queue"),
        4,
        seen("run"),
        8,
        seen("download"),
        16,
        seen("settle", ended=True),
        32,
    ]
    rows = measure(journal, clock, steps)
    passed = [name for name in STAGES if name != "wait"]
    assert {name: rows[1, name].wall for name in passed} == dict(zip(passed, (1, 2, 4, 8, 16, 32), strict=True))


def test_a_wave_is_in_the_stage_of_its_batch_that_is_furthest_behind(journal, clock):
    steps = [seen("queue", 1, 2), seen("queue", 2, 2), 1, seen("run", 1, 2), 2, seen("settle", 1, 2, ended=True), 4,
             seen("run", 2, 2), 8, seen("settle", 2, 2, ended=True)]  # fmt: skip
    rows = measure(journal, clock, steps)
    assert {name: row.wall for (_, name), row in rows.items() if row.wall} == {"queue": 7, "run": 8}


def test_a_pause_before_another_attempt_is_a_stage_of_its_own(journal, clock):
    pause = (600.0, 3, "attempt 3 of 3")
    steps = [
        seen("run"), 5, seen("settle", ended=True), 1,
        WaitSnapshot.of_pause(*pause), 600, WaitSnapshot.of_pause(*pause, ended=True), 2,
        seen("upload"), 3, seen("settle", ended=True),
    ]  # fmt: skip
    rows = measure(journal, clock, steps)
    assert {name: row.wall for (_, name), row in rows.items()} == {
        "plan": 2, "run": 5, "settle": 1, "wait": 600, "upload": 3,
    }  # fmt: skip


def test_waves_are_counted_and_one_that_sent_nothing_is_not_stored(journal, clock):
    ended = seen("settle", ended=True)
    rows = measure(journal, clock, [1, seen("run"), 2, ended, "wave", 4, seen("run"), 8, ended, "wave", 16])
    assert {place: row.wall for place, row in rows.items() if row.wall} == {
        (1, "plan"): 1,
        (1, "run"): 2,
        (2, "plan"): 4,
        (2, "run"): 8,
    }


def test_bytes_belong_to_the_stage_they_went_in(journal, clock):
    traffic = Traffic()

    with ResourceMeter("r", journal, clock, [traffic]) as measured:
        watch = measured.watching(lambda seen: None)
        watch(seen("upload"))
        traffic.sent += 1000
        watch(seen("run"))
        traffic.came(30)
        watch(seen("settle", ended=True))
    rows = {row.name: (row.sent, row.received) for row in journal.reader.stages()}
    assert rows == {"plan": (0, 0), "upload": (1000, 0), "run": (0, 30), "settle": (0, 0)}


def test_a_peak_of_memory_within_a_stage_is_seen(journal, clock, monkeypatch):
    monkeypatch.setattr(resources, "SAMPLE_EVERY", 0.001)
    peak, looks = 10**15, []

    def resident():
        looks.append(None)
        return peak if len(looks) == 5 else 1

    monkeypatch.setattr(resources, "_resident", resident)
    with ResourceMeter("r", journal, clock, []) as measured:
        measured.watching(lambda seen: None)(seen("run"))
        while len(looks) < 9:
            measured._stop.wait(0.001)
    assert max(row.memory for row in journal.reader.stages()) == peak


def test_a_journal_that_cannot_be_written_ends_no_run(journal, clock, monkeypatch):
    def full(rows):
        raise JournalError("the disk is full")

    monkeypatch.setattr(journal, "add_stages", full)
    assert measure(journal, clock, [seen("run"), 1]) == {}


def test_what_interrupts_a_run_is_not_kept_from_it(journal, clock):
    def interrupted(_):
        clock.time += 5
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ResourceMeter("r", journal, clock, []) as measured:
        measured.watching(interrupted)(seen("run"))
    assert {row.name: row.wall for row in journal.reader.stages()} == {"plan": 0, "run": 5}
