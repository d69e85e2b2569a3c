"""A send that dies anywhere, and the next one: every request is answered, and paid for once.

The process dies by an exception no code of ours catches, before or after the n-th thing it does, for
n = 1, 2, 3 … until a run comes to its end; what it has committed is on disk, all else is gone.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from typing import get_args

import pytest
from send_with import send_with

from pytest_batcheval.backends.errors import Refused, TransientFailure, UnknownOutcome
from pytest_batcheval.engine import batch_sender
from pytest_batcheval.engine.effect_driver import Driver
from pytest_batcheval.engine.effects import Effect
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.journal.store import Journal

LIMITS = Limits(requests=4)


class Killed(BaseException):
    """The process is gone; like SIGKILL, nothing of ours may handle it."""


class Reaper:
    """Lets a process die at the n-th point; `seen` holds the kinds of the points passed."""

    def __init__(self):
        self.at = 0
        self.passed = 0
        self.seen = set()
        self.dice = None
        self.life = 0
        self.flying = 0
        self.landed = threading.Condition()

    def point(self, kind):
        self.seen.add(kind)
        self.passed += 1
        if self.passed == self.at or (self.dice is not None and self.dice.random() < 0.02):
            raise Killed(f"{kind} at point {self.passed}")

    def around(self, kind, action, life=None):
        with self.landed:
            if life not in (None, self.life):
                raise Killed(f"{kind} of a process that is dead")
            self.flying += 1
        try:
            self.point(f"before {kind}")
            outcome = action()
            self.point(f"after {kind}")
            return outcome
        finally:
            with self.landed:
                self.flying -= 1
                self.landed.notify_all()

    def bury(self):
        """What other threads of the dead process were at is over before the next process begins."""
        with self.landed:
            self.life += 1
            assert self.landed.wait_for(lambda: self.flying == 0, timeout=30)


@pytest.fixture
def reaper(monkeypatch):
    """Every effect of a driver and every other transaction of a send become points where it may die."""
    reaper = Reaper()

    class Mortal(Driver):
        def _store(self, effect):
            return reaper.around(type(effect).__name__, lambda: super(Mortal, self)._store(effect))

        def _call(self, effect):
            call, life = super()._call(effect), reaper.life
            return lambda: reaper.around(type(effect).__name__, call, life)

    monkeypatch.setattr(batch_sender, "Driver", Mortal)
    return reaper


class MortalJournal(Journal):
    """A journal whose transactions beside the effects are points too."""

    reaper: Reaper

    def add_run(self, *args):
        return self.reaper.around("add_run", lambda: super(MortalJournal, self).add_run(*args))

    def plan(self, *args):
        return self.reaper.around("plan", lambda: super(MortalJournal, self).plan(*args))

    def adopt(self, *args):
        return self.reaper.around("adopt", lambda: super(MortalJournal, self).adopt(*args))

    def begin_refresh(self, *args):
        return self.reaper.around("begin_refresh", lambda: super(MortalJournal, self).begin_refresh(*args))

    def end_refresh(self, *args):
        return self.reaper.around("end_refresh", lambda: super(MortalJournal, self).end_refresh(*args))


def live(provider, path, reaper, requests, **more):
    """One process: opens the journal, sends, and is killed or comes to its end."""
    MortalJournal.reaper = reaper
    more.setdefault("attempts", 4)
    try:
        with MortalJournal.open(path) as journal:
            return send_with(requests, backend=provider, journal=journal, clock=provider.clock, limits=LIMITS, **more)
    finally:
        reaper.bury()


def troubled(provider, requests):
    """One of everything that makes a send do all it can: an upload and a create without a clear answer (one
    applied, one not), a file that the provider works on, a full queue, an expired batch, a line that fails in passing, another machine that was faster."""
    calls = {"upload": 0, "create": 0}
    provider.slow_files = 1
    bad = {request.custom_id for request in requests[:1]}
    unclear = {
        1: UnknownOutcome("never", "reset"),
        3: UnknownOutcome("applied", "reset"),
        4: TransientFailure("429", "", 429),
    }

    def fault(call):
        if call not in calls:
            return None
        calls[call] += 1
        if call == "upload":
            return TransientFailure("ReadTimeout", "no reply") if calls[call] == 1 else None
        return unclear.get(calls[call])

    provider.fault, provider.takes = fault, 10.0
    provider.rivalled = lambda number: number == 5
    provider.status_of = lambda number: "expired" if number == 2 else "completed"
    provider.line_of = lambda key, run: (
        (503, {}) if key in bad and run == 1 else (200, {"choices": [{"message": {"content": "fine"}}]})
    )


def check(provider, requests):
    """By the provider's own books: every request was paid once."""
    provider.settle_down()
    assert provider.paid == dict.fromkeys((request.custom_id for request in requests), 1)


def points_of(world, path, reaper, requests):
    """How many points a run has that nobody disturbs, and all kinds of them."""
    provider = world()
    troubled(provider, requests)
    live(provider, path, reaper, requests)
    check(provider, requests)
    return reaper.passed


STEPS = {"quick": 7, "ci": 3, "full": 1}
"""Every so many points; those of CI begin elsewhere for each way to go on, so that together they are all."""

REFRESH_STEPS = {"quick": 7, "ci": 2, "full": 1}


@pytest.mark.sampled
@pytest.mark.parametrize(("then", "first"), [("all", 0), ("half", 1), ("without a journal", 2)])
def test_a_process_killed_at_any_point_is_gone_on_from_and_pays_once(then, first, world, folder, reaper, ask, proof):
    requests = ask(11)
    points = points_of(world, folder / "undisturbed" / "j", reaper, requests)
    assert points > 60
    for number in range(1 + first % STEPS[proof], points + 10, STEPS[proof]):
        provider, path = world(), folder / str(number) / "journal.sqlite"
        troubled(provider, requests)
        reaper.passed, reaper.at = 0, number
        with suppress(Killed):
            live(provider, path, reaper, requests)
        reaper.at = 0
        if then == "half":
            live(provider, path, reaper, requests[::2])
        if then == "without a journal":
            shutil.rmtree(path.parent)
        sent = live(provider, path, reaper, requests)
        assert (sent.answered, sent.failed) == (11, 0), f"killed at {number}"
        check(provider, requests)
        with Journal.open(path) as journal:
            assert journal.reader.open_batches() == []
            assert not list(path.parent.glob("*.files"))


def test_every_kind_of_effect_is_a_point_where_a_process_was_killed(world, folder, reaper, ask):
    """A new kind of effect must be in what the test above goes through."""
    points_of(world, folder / "j", reaper, ask(11))
    kinds = {kind.__name__ for kind in get_args(Effect)} | {"plan", "add_run"}
    assert reaper.seen >= {f"{when} {kind}" for kind in kinds for when in ("before", "after")}


@pytest.mark.sampled
@pytest.mark.parametrize("again", [True, False], ids=["the same command", "without refresh"])
def test_a_refresh_killed_at_any_point_never_pays_a_third_time(again, world, folder, reaper, ask, proof):
    requests, step = ask(9), REFRESH_STEPS[proof]
    number = 1 + again - step
    while True:
        number += step
        provider, path = world(), folder / str(number) / "journal.sqlite"
        provider.takes = 10.0
        reaper.passed = reaper.at = 0
        live(provider, path, reaper, requests)
        reaper.passed, reaper.at = 0, number
        killed = ""
        try:
            live(provider, path, reaper, requests, refresh=True)
        except Killed as error:
            killed = str(error)
        reaper.at = 0
        if not killed or "after end_refresh" in killed:  # it was whole, so the same command begins another
            break
        refreshed = dict(provider.paid)
        for _ in range(2 if not again else 1):
            assert live(provider, path, reaper, requests, refresh=again).answered == 9
        provider.settle_down()
        wanted = {2} if again else {1, 2}
        assert set(provider.paid.values()) <= wanted, f"killed at {number}: {provider.paid}"
        assert all(provider.paid[key] >= times for key, times in refreshed.items())
    assert number > 60


def test_a_refresh_after_a_finished_one_pays_again(world, folder, reaper, ask):
    """What guards an interrupted refresh does not keep the user from the next."""
    provider, path, requests = world(), folder / "journal.sqlite", ask(5)
    for times in range(1, 4):
        live(provider, path, reaper, requests, refresh=times > 1)
        assert set(provider.paid.values()) == {times}


def disturbed(dice):
    """One call in ten goes wrong, in any way that kind of call can."""

    def fault(call):
        if dice.random() >= 0.1:
            return None
        if call != "create":
            return (
                TransientFailure("503", "busy", 503)
                if dice.random() < 0.7
                else TransientFailure("ReadTimeout", "no reply")
            )
        return dice.choice(
            [
                UnknownOutcome("applied", "reset"),
                UnknownOutcome("never", "reset"),
                UnknownOutcome("late", str(dice.uniform(1, 20_000))),
                TransientFailure("429", "slow down", 429),
                Refused("gone", "no such file", 404),
            ]
        )

    return fault


SEEDS = {"quick": 24, "ci": 80, "full": 50_000}


@pytest.mark.sampled
@pytest.mark.parametrize("block", range(4))
def test_random_faults_and_kills_pay_once(block, world, folder, reaper, ask, rng, proof):
    for seed in range(block, SEEDS[proof], 4):
        dice = rng(seed)
        provider, path = world(), folder / str(seed) / "journal.sqlite"
        requests = ask(dice.randint(1, 14))
        flaky = {request.custom_id for request in requests if dice.random() < 0.2}
        provider.fault = disturbed(dice)
        provider.list_lag = dice.choice([0.0, 30.0, 170.0])
        provider.takes = dice.choice([0.0, 60.0, 80_000.0])
        statuses = [dice.choice(["completed", "completed", "expired", "cancelled"]) for _ in range(200)]
        provider.status_of = lambda number, statuses=statuses: statuses[number % 200]
        provider.line_of = lambda key, run, flaky=flaky: (
            (503, {}) if key in flaky and run == 1 else (200, {"choices": [{"message": {"content": "fine"}}]})
        )
        reaper.dice = dice
        for _ in range(20):
            selected = requests if dice.random() < 0.6 else dice.sample(requests, dice.randint(1, len(requests)))
            with suppress(Killed):
                live(provider, path, reaper, selected)
            provider.clock.sleep(dice.choice([0.1, 100.0, 5000.0]))
        reaper.dice = None
        provider.fault = lambda call: None
        provider.status_of = lambda number: "completed"
        sent = live(provider, path, reaper, requests)
        assert (sent.answered, sent.failed) == (len(requests), 0), f"seed {seed}"
        check(provider, requests)
