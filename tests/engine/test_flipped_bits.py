"""One changed bit anywhere in a journal: no traceback, and nothing that was answered is paid for again."""

from __future__ import annotations

import copy
import random
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.engine.worklist import Worklist
from pytest_batcheval.errors import BatchEvalError, UnfinishedError
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.journal.salvage import damage_of, mend
from pytest_batcheval.journal.store import Journal

NUMBER = {"quick": 4, "ci": 100, "full": 6_000}
POLICY = SendPolicy(limits=Limits(requests=4))


@dataclass
class Before:
    """A sound journal, with its provider."""

    path: Path
    requests: list
    provider: object

    def copied(self, folder):
        """The journal and the provider as they were."""
        target = folder / "journal.sqlite"
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(f"{self.path}{suffix}", f"{target}{suffix}")
        return target, twin_of(self.provider)


def twin_of(provider):
    twin = copy.copy(provider)
    twin.guard = threading.RLock()
    for name in ("clock", "ledger", "paid", "calls", "files", "names", "batches", "late"):
        setattr(twin, name, copy.deepcopy(getattr(provider, name)))
    return twin


@pytest.fixture
def settled(folder, provider, clock, ask):
    path, requests = folder / "before" / "journal.sqlite", ask(10)
    with Journal.open(path) as journal:
        send(requests, backend=provider, journal=journal, clock=clock, policy=POLICY)
    return Before(path, requests, provider)


@pytest.fixture
def open_batches(folder, provider, clock, ask):
    path, requests = folder / "before" / "journal.sqlite", ask(10)
    with Journal.open(path) as journal, suppress(UnfinishedError):
        send(requests[:4], backend=provider, journal=journal, clock=clock, policy=POLICY)
        send(requests, backend=provider, journal=journal, clock=clock, policy=replace(POLICY, patience=0))
    return Before(path, requests, provider)


def flips(whole, number):
    """Positions and bits, where the file has something: most of a small journal is zeros."""
    dice = random.Random(number)
    used = [at for at, byte in enumerate(whole) if byte]
    for _ in range(number):
        yield dice.choice(used), 1 << dice.randrange(8)


def go(path, provider, requests):
    with Journal.open(path) as journal:
        return send(requests, backend=provider, journal=journal, clock=provider.clock, policy=POLICY)


def recover(path, provider):
    mend(path)
    with Journal.open(path) as journal:
        return collect(backend=provider, journal=journal, clock=provider.clock, adopt=True)


def use(path, provider, requests):
    """A run; where the journal is refused, a repair and a run; whether the repair was needed."""
    try:
        go(path, provider, requests)
    except BatchEvalError:
        recover(path, provider)
        go(path, provider, requests)
        return True
    return False


def places_of(whole, key):
    """The sixth character of a key, wherever the file has it: in rows and in each index."""
    at = -1
    while (at := whole.find(key.encode(), at + 1)) >= 0:
        yield at + 5, 1


@pytest.mark.parametrize("state", ["settled", pytest.param("open_batches", marks=pytest.mark.sampled)])
def test_batches(state, folder, request, proof):
    before = request.getfixturevalue(state)
    whole = before.path.read_bytes()
    bad = []
    keys = [request.custom_id for request in before.requests[:: 10 if proof == "quick" else 1]]
    places = [place for key in keys for place in places_of(whole, key)]
    assert len(places) >= 5 * len(keys)
    for number, (at, bit) in enumerate([*places, *flips(whole, NUMBER[proof])]):
        work = folder / str(number)
        work.mkdir()
        path, provider = before.copied(work)
        flipped = bytearray(whole)
        flipped[at] ^= bit
        path.write_bytes(flipped)
        try:
            use(path, provider, before.requests)
            provider.settle_down()
            twice = [key for key, times in provider.paid.items() if times > 1]
            if twice or len(provider.paid) != len(before.requests):
                bad.append((at, bit, "twice", len(twice)))
        except Exception as error:
            bad.append((at, bit, type(error).__name__, str(error)[:200]))
        shutil.rmtree(work)
    assert not bad, "\n".join(map(str, bad))


@pytest.fixture
def individual(folder, ask):
    """Answered individual calls, which no provider can be asked for again."""
    path, requests = folder / "before" / "journal.sqlite", ask(10)
    row = BatchRow("o", "scope", "/v1/chat/completions", "identity", 1, 1, 10, "calls-x", run="run", calls="individual")
    keys = [request.custom_id for request in requests]
    with Journal.open(path) as journal:
        journal.add_run("run", "o")
        row = journal.plan(row, requests)
        journal.commit(replace(row, state="creating"))
        row = journal.record(replace(row, state="creating"), (), keys)
        journal.record(replace(row, state="settled"), [AnswerRow(key, "line", b'{"body": {}}') for key in keys])
    return Before(path, requests, None)


def left(path, requests):
    """The requests that a run would send."""
    with Journal.open(path) as journal:
        worklist = Worklist(journal, "o", Wanted.of(requests, path.parent))
        worklist.stored()
        return worklist.left(3)


def test_individual_calls(individual, folder, proof):
    """At most the answer that the bit is in is lost, and the repair says so."""
    whole = individual.path.read_bytes()
    bad = []
    for at, bit in flips(whole, NUMBER[proof]):
        work = folder / "work"
        work.mkdir()
        path = work / "journal.sqlite"
        flipped = bytearray(whole)
        flipped[at] ^= bit
        path.write_bytes(flipped)
        try:
            try:
                lost, dropped = left(path, individual.requests), 0
            except BatchEvalError:
                found = mend(path)
                assert found is not None
                lost, dropped = left(path, individual.requests), found.dropped
            if len(lost) > dropped:
                bad.append((at, bit, "lost", len(lost), dropped))
            assert damage_of(path) is None or not lost
        except Exception as error:
            bad.append((at, bit, type(error).__name__, str(error)[:200]))
        shutil.rmtree(work)
    assert not bad, "\n".join(map(str, bad))
