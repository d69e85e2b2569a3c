"""The pure engine under seeded schedules: every fault, any order, crashes between any two effects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_batcheval.backends.errors import ProviderFailure, Refused, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.effects import (
    Commit,
    Create,
    DeleteFile,
    DownloadResults,
    FindFile,
    ListBatches,
    Retrieve,
    Settle,
    Upload,
)
from pytest_batcheval.engine.metadata import metadata
from pytest_batcheval.engine.results import download_results, read_results
from pytest_batcheval.engine.scheduler import Scheduler
from pytest_batcheval.journal.rows import OPEN, AnswerRow, BatchRow


class Crash(Exception):
    """The process dies here."""


class World:
    """A client whose journal is a dict, and which dies at some effects."""

    def __init__(self, provider, clock, dice, requests, folder, crashes):
        self.provider, self.clock, self.dice, self.folder = provider, clock, dice, folder
        self.lines = {r.custom_id: r.line() for r in requests}
        self.rows: dict[int, BatchRow] = {}
        self.keys: dict[int, list[str]] = {}
        self.answers: set[str] = set()
        self.crashes = crashes

    def live(self):
        """Plan, send, crash, come back, until everything is answered."""
        for _ in range(200):
            try:
                if self.run(
                    [BatchMachine(r, self.clock.now(), resumed=True) for r in self.rows.values() if r.state in OPEN]
                ):
                    return
            except Crash:
                self.clock.sleep(self.dice.choice([0.1, 100, 5000]))
        raise AssertionError("the run does not end")

    def run(self, jobs):
        left = sorted(self.lines.keys() - self.answers - {k for job in jobs for k in self.keys[job.row.id]})
        while left:
            size = self.dice.randint(1, len(left))
            jobs.append(BatchMachine(self.plan(left[:size]), self.clock.now()))
            left = left[size:]
        engine = Scheduler(jobs)
        while not engine.done:
            effects = engine.due(self.clock.now())
            self.dice.shuffle(effects)
            for effect in effects:
                engine.take(effect, self.do(effect), self.clock.now())
            if not effects and engine.wake() > self.clock.now():
                self.clock.sleep(engine.wake() - self.clock.now())
        assert engine.stopped is None
        return self.answers == self.lines.keys()

    def plan(self, keys):
        number = len(self.rows) + 1
        self.keys[number] = keys
        row = BatchRow("o", "s", "/v1/chat/completions", f"i{number}", 1, 1, len(keys), f"f{number}.jsonl", id=number)
        self.rows[number] = row
        return row

    def do(self, effect):
        self.maybe_die()
        try:
            outcome = self.perform(effect)
        except ProviderFailure as fault:
            outcome = fault
        self.maybe_die()
        return outcome

    def maybe_die(self):
        if self.crashes and self.dice.random() < 0.06:
            self.crashes -= 1
            raise Crash

    def perform(self, effect):
        row = getattr(effect, "row", None)
        if isinstance(effect, Commit):
            self.rows[row.id] = row
        elif isinstance(effect, Settle):
            self.answers |= {r.key for r in read_results(effect, self.keys[row.id]) if isinstance(r, AnswerRow)}
            self.rows[row.id] = row
        elif isinstance(effect, FindFile):
            return self.provider.find_file(row.file_name)
        elif isinstance(effect, Upload):
            path = self.folder / row.file_name
            path.write_bytes(b"\n".join(self.lines[key] for key in self.keys[row.id]))
            return self.provider.upload(path, row.file_name)
        elif isinstance(effect, Create):
            assert self.rows[row.id].state == "creating", "the intent was not committed before the create"
            return self.provider.create(row.file_id, row.endpoint, metadata(row, self.keys[row.id]), row.file_name)
        elif isinstance(effect, ListBatches):
            return self.provider.list_batches()
        elif isinstance(effect, DownloadResults):
            return download_results(self.provider, row, self.keys[row.id], self.folder / str(row.id))
        elif isinstance(effect, DeleteFile):
            self.provider.delete_file(row.file_id)
        else:
            return self.provider.retrieve(row.batch_id)
        return None


def faults_of(dice):
    """Creates that are lost, refused, late by up to hours; other calls that fail now and then."""

    def fault(call):
        if call == "create":
            late = str(dice.uniform(1, 20_000))
            kinds = [
                None,
                None,
                UnknownOutcome("applied", ""),
                UnknownOutcome("never", ""),
                UnknownOutcome("late", late),
                TransientFailure("429", ""),
            ]
            return dice.choice(kinds)
        return TransientFailure("503", "", 503) if dice.random() < 0.1 else None

    return fault


SEEDS = {"quick": 60, "ci": 300, "full": 3_000}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("block", range(6))
def test_every_schedule_pays_once_and_ends(block, rng, ask, tmp_path, provider, clock, proof):
    for seed in range(block, SEEDS[proof], 6):
        dice = rng(seed)
        fresh = type(clock)()
        remote = type(provider)(fresh)
        remote.fault, remote.list_lag = faults_of(dice), dice.choice([0, 20, 120])
        remote.takes = dice.choice([0, 60, 3600, 80_000])
        remote.status_of = lambda number, dice=dice: dice.choice(["completed", "completed", "expired", "cancelled"])
        folder = tmp_path / str(seed)
        folder.mkdir()
        requests = ask(dice.randint(1, 12))
        world = World(remote, fresh, dice, requests, folder, crashes=dice.randint(0, 4))
        world.live()
        fresh.sleep(50_000)
        remote.fault = lambda call: None
        remote.list_batches()  # whatever is still late arrives now
        fresh.sleep(100_000)
        remote.list_batches()
        assert set(remote.ledger.values()) == {1}, f"seed {seed} paid {remote.ledger}"
        assert len(remote.ledger) == len(requests)


def test_one_listing_serves_many_batches(provider, clock, ask):
    row = BatchRow("o", "s", "e", "i", 1, 1, 1, "f", state="created")
    jobs = [BatchMachine(replace(row, id=n, batch_id=f"batch_{n}"), 0.0, resumed=True) for n in range(1, 65)]
    engine = Scheduler(jobs)
    assert engine.due(0.0) == [ListBatches()]
    assert engine.due(0.0) == []
    engine.take(ListBatches(), [], 0.0)
    assert len(engine.due(0.0)) == 64


def running(number, at):
    """A job whose batch was created `at` that time by another process."""
    row = BatchRow("o", "s", "e", "i", 1, 1, 1, "f", id=number, batch_id=f"batch_{number}", state="created")
    return BatchMachine(row, at, resumed=True)


def over_a_day(engine):
    """Look for 24 hours at batches that never end; returns the effects asked for."""
    now, asked = engine.wake(), []
    while now < 86_400:
        for effect in engine.due(now):
            seen = RemoteBatch(getattr(getattr(effect, "row", None), "batch_id", ""), "in_progress")
            listed = [RemoteBatch(job.row.batch_id, "in_progress") for job in engine.machines]
            engine.take(effect, listed if isinstance(effect, ListBatches) else seen, now)
            asked.append(effect)
        now = engine.wake()
    return asked


def test_a_day_takes_no_more_than_180_requests():
    assert len(over_a_day(Scheduler([running(1, 0.0)]))) <= 180


@pytest.mark.sampled
def test_a_hundred_batches_take_no_more_requests_than_one():
    engine = Scheduler([running(number, number * 0.7) for number in range(1, 101)])
    asked = over_a_day(engine)
    assert len(asked) <= 100 + 200  # one after each create, and the looks
    assert all(isinstance(effect, ListBatches) for effect in asked)
    mere_looks = [effect for effect in asked if effect.enough]
    assert len(mere_looks) > 150
    assert mere_looks[-1].enough == {f"batch_{number}" for number in range(1, 101)}


def test_a_batch_that_has_trouble_waits_for_its_own_time():
    """Neither `Retry-After` nor the pause after a miss is cut short because another batch is looked at."""
    engine = Scheduler([running(1, 0.0), running(2, 0.0)])
    (listing,) = engine.due(0.0)
    engine.take(listing, [RemoteBatch("batch_1", "in_progress")], 0.0)  # batch_2 is missing
    (look,) = [effect for effect in engine.due(0.0) if isinstance(effect, Retrieve)]
    engine.take(look, Refused("gone", "no such batch", 404), 0.0)
    for now in (2.0, 4.0, 6.0):
        (other,) = engine.due(now)
        assert other.row.batch_id == "batch_1"
        engine.take(other, RemoteBatch("batch_1", "in_progress"), now)
