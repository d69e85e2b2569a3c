"""One seeded schedule: runs of overlapping selections that crash, under trouble, until everything is answered."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from trouble import Trouble
from world import BEHAVIOUR, Crash, DirectBackend, World, crashing_journal

from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Answer, Request

ATTEMPTS = 4
GAPS = "a list had gaps"
LAST_RUNS = 12
"""Runs without crash or new trouble after which everything has to be answered."""


@dataclass
class Outcome:
    """What a schedule came to.

    Attributes:
        paid: how often each key was billed.
        problems: rules that were broken, empty when all held.
        runs: how many runs it took, `crashed` of them were killed.
        twice: keys that a run has reported as paid twice, because another machine asked them at the same time.
        excuse: why another machine's payment may have gone unnoticed; empty when it may not.
    """

    seed: int
    paid: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    runs: int = 0
    crashed: int = 0
    twice: set[str] = field(default_factory=set)
    excuse: str = ""


def play(world: World, seed: int, folder: Path, backups: bool = True) -> Outcome:
    """Play the schedule of a seed in an empty folder, and check what it came to; journals may come from backups."""
    world.reset(seed)
    rng = world.rng
    outcome = Outcome(seed)
    requests = _requests(rng)
    _plant_faults(world, rng, requests)
    world.state.behaviour = replace(BEHAVIOUR, list_lag=rng.choice((0, 0, 5, 170)), file_lag=rng.choice((0, 0, 2)))
    odds = rng.choice((0.0, 0.1, 0.3))
    world.state.interceptor = Trouble(world, odds)
    machines = 1 + (rng.random() < 0.2)
    if machines > 1:
        _excuse_gaps(world, outcome)
    if machines > 1 and (odds or world.state.behaviour.list_lag) and outcome.excuse != GAPS:
        outcome.excuse = "a list failed or lagged behind"
    backup = Backup(folder, random.Random(seed), odds=0.6 * backups)
    for _ in range(rng.randrange(1, 5)):
        selection = rng.sample(requests, rng.randrange(1, len(requests) + 1))
        if rng.random() < 0.15:
            _lose_journal(world, folder)
            _excuse_gaps(world, outcome)
        if backup.maybe_restored(world):
            _excuse_gaps(world, outcome)
        world.crashes.intrude = partial(_intrude, world, outcome, folder, selection, machines, backup)
        _run(world, outcome, folder, selection, crash=_boundary(rng), intrusion=_boundary(rng))
    if machines > 1 and outcome.crashed and outcome.excuse != GAPS:
        outcome.excuse = "a machine died before it could look"
    if backup.maybe_restored(world):
        _excuse_gaps(world, outcome)
    world.state.interceptor = None
    world.dialect.name = "plain" if world.dialect.name == "gaps" else world.dialect.name
    for _ in range(LAST_RUNS):
        if _run(world, outcome, folder, requests, crash=None):
            break
    world.forward(3 * 86_400)  # whatever is still on its way arrives
    _check(world, outcome, folder, requests)
    shutil.rmtree(folder)
    backup.remove()
    return outcome


def _excuse_gaps(world: World, outcome: Outcome) -> None:
    """What a list does not show, nobody but the journal that sent it can know; each run says that it may be so."""
    if world.dialect.name == "gaps":
        outcome.excuse = GAPS


class Backup:
    """A copy of a journal, made at any boundary of a run, which takes the journal's place later.

    It has dice of its own, so that a seed's schedule is the same but for this.
    """

    def __init__(self, folder: Path, rng: random.Random, odds: float) -> None:
        self._odds = odds
        self._folder = folder
        self._copy = folder.with_name(f"{folder.name} backup")
        self._rng = rng

    def maybe_made(self) -> None:
        if self._rng.random() < self._odds and not self._copy.exists():
            shutil.copytree(self._folder, self._copy)

    def maybe_restored(self, world: World) -> bool:
        restored = self._rng.random() < 0.5 and self._copy.exists()
        if restored:
            world.forward(6 * 3600)
            shutil.rmtree(self._folder)
            self._copy.rename(self._folder)
        return restored

    def remove(self) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)


def _boundary(rng: random.Random) -> int | None:
    """None, or the number of a boundary: early ones more often, late ones too."""
    return None if rng.random() < 0.3 else round(300 ** rng.random())


def _requests(rng: random.Random) -> list[Request]:
    models = ("model-a", "model-b")[: rng.randrange(1, 3)]
    return [
        Request({"model": rng.choice(models), "messages": [{"role": "user", "content": f"{n}"}]})
        for n in range(rng.randrange(2, 8))
    ]


def _plant_faults(world: World, rng: random.Random, requests: list[Request]) -> None:
    faults = world.state.faults
    for request in requests:
        if rng.random() < 0.15:
            body = dict(request.body)
            status = rng.choice((500, 429, 0))
            faults.fail_lines(lambda asked, body=body: asked == body, status_code=status, times=1)
    if rng.random() < 0.2:
        faults.expire_next_batch(after=rng.randrange(len(requests)))
    if rng.random() < 0.1:
        faults.fail_next_batch("token_limit_exceeded", "Enqueued token limit reached")


def _lose_journal(world: World, folder: Path) -> None:
    """The laptop is gone; hours later another one goes on, with nothing but the same account."""
    world.forward(6 * 3600)
    shutil.rmtree(folder)
    folder.mkdir()


def _intrude(
    world: World, outcome: Outcome, folder: Path, requests: list[Request], machines: int, backup: Backup
) -> None:
    """A backup is made, and a second process comes with the same journal, or a second machine with its own."""
    backup.maybe_made()
    if machines == 1:
        return _knock(world, folder, requests)
    other = folder / "another machine"
    other.mkdir(exist_ok=True)
    _run(world, outcome, other, requests, crash=None, rearm=False)
    return None


def _knock(world: World, folder: Path, requests: list[Request]) -> None:
    """A second process: it finds the lock taken, and waits for nobody."""

    def leave(holder: object) -> None:
        raise UnfinishedError("another process is sending")

    with suppress(ProviderError, UnfinishedError), Journal.open(folder / "journal.sqlite") as journal:
        send(
            requests,
            backend=DirectBackend(world),
            journal=journal,
            clock=world,
            wait=leave,
            policy=SendPolicy(attempts=ATTEMPTS),
        )


def _run(
    world: World,
    outcome: Outcome,
    folder: Path,
    requests: list[Request],
    crash: int | None,
    intrusion: int | None = None,
    rearm: bool = True,
) -> bool:
    """One run of the client; whether it came to its end. Without `rearm` it runs within another one."""
    outcome.runs += 1
    if rearm:
        world.crashes.arm(crash, intrusion)
    journal = crashing_journal(world).open(folder / "journal.sqlite")
    try:
        sent = send(
            requests,
            backend=DirectBackend(world),
            journal=journal,
            clock=world,
            policy=SendPolicy(attempts=ATTEMPTS, limits=Limits(requests=1 + world.rng.randrange(4))),
        )
        outcome.twice |= sent.twice
        return True
    except Crash:
        outcome.crashed += 1
        return False
    except (ProviderError, UnfinishedError):
        return False
    finally:
        if rearm:
            world.crashes.arm(None)
        journal.close()


def _stored(folder: Path, requests: list[Request]) -> Mapping[str, Answer]:
    with Journal.open(folder / "journal.sqlite") as journal:
        return journal.reader.answers(requests, DirectBackend.origin)


def _recover(world: World, folder: Path) -> None:
    """Delete the journal and rebuild it from the provider."""
    _lose_journal(world, folder)
    with Journal.open(folder / "journal.sqlite") as journal:
        collect(backend=DirectBackend(world), journal=journal, clock=world, adopt=True)


def _check(world: World, outcome: Outcome, folder: Path, requests: list[Request]) -> None:
    outcome.paid = world.state.ledger.billed()
    answers = _stored(folder, requests)
    if world.rng.random() < 0.3:
        _recover(world, folder)
        restored = _stored(folder, requests)
        for key in answers.keys() | restored.keys():
            if key not in restored or key not in answers or restored[key].response != answers[key].response:
                outcome.problems.append(f"{key} is another one after the journal was rebuilt")
    for request in requests:
        key = request.custom_id
        most = 2 if outcome.excuse != GAPS else outcome.runs
        if outcome.paid[key] > most or (outcome.paid[key] > 1 and key not in outcome.twice and not outcome.excuse):
            outcome.problems.append(f"{key} was paid {outcome.paid[key]} times")
        if outcome.paid[key] and key not in answers:
            outcome.problems.append(f"{key} was paid and its answer is not in the journal")
        if not outcome.paid[key]:
            outcome.problems.append(f"{key} was never answered in {outcome.runs} runs")
