"""A journal damaged in any way, mended, completed from the provider: no answer is lost, none is paid twice."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing, suppress

import pytest

from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import JournalError, ProviderError, UnfinishedError
from pytest_batcheval.journal.lock import JournalLock
from pytest_batcheval.journal.salvage import damage_of, mend
from pytest_batcheval.journal.store import Journal

LIMITS = Limits(requests=40)


@pytest.fixture
def path(folder):
    return folder / "batcheval" / "journal.sqlite"


@pytest.fixture
def filled(path, provider, clock, ask):
    """A journal with settled batches, one that is void, one that still runs, and failures of both kinds."""
    requests = ask(160)
    final, passing = requests[3].custom_id, requests[50].custom_id
    answer = {"choices": [{"message": {"content": "안녕하세요 " * 20}}]}
    provider.line_of = lambda key, run: {final: (400, {}), passing: (503, {})}.get(key, (200, answer))
    with Journal.open(path) as journal:
        send(
            requests[:80], backend=provider, journal=journal, clock=clock, policy=SendPolicy(limits=LIMITS, attempts=1)
        )
        with pytest.raises(UnfinishedError):
            send(
                requests[80:120],
                backend=provider,
                journal=journal,
                clock=clock,
                policy=SendPolicy(limits=LIMITS, patience=0),
            )
    provider.line_of = lambda key, run: (400, {}) if key == final else (200, answer)
    return requests


def recover(path, provider, clock):
    found = mend(path)
    with Journal.open(path) as journal:
        collect(backend=provider, journal=journal, clock=clock, adopt=True)
    return found


def check(path, provider, clock, requests):
    """Another run asks for everything: only what was never answered is sent, and every answer is paid once."""
    assert damage_of(path) is None
    with Journal.open(path) as journal:
        sent = send(
            requests, backend=provider, journal=journal, clock=clock, policy=SendPolicy(limits=LIMITS, attempts=3)
        )
        assert (sent.answered, sent.failed) == (159, 1)
    provider.settle_down()
    assert set(provider.paid.values()) <= {0, 1}
    assert sum(provider.paid.values()) == 159


def overwrite(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def edit(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


DAMAGES = {
    "an answer that is another": lambda p: edit(
        p, "UPDATE answer SET response = X'7B7D' WHERE rowid = 7", "UPDATE answer SET response = X'00' WHERE rowid = 9"
    ),
    "a request that is another": lambda p: edit(p, "UPDATE request SET line = X'00' WHERE key = (SELECT min(key) FROM request)"),
    "an answer that is gone": lambda p: edit(p, "DELETE FROM answer WHERE rowid IN (7, 50)"),
    "a key that is another": lambda p: edit(p, "UPDATE claim SET key = 'x' || substr(key, 2) WHERE batch = 3"),
    "no header": lambda p: overwrite(p, 0, b"x" * 100),
    "nothing but zeros": lambda p: overwrite(p, 0, bytes(p.stat().st_size)),
    "half of it": lambda p: os.truncate(p, p.stat().st_size // 2),
    "a tenth of it": lambda p: os.truncate(p, p.stat().st_size // 10),
    "a page in the middle": lambda p: overwrite(p, p.stat().st_size // 8192 * 4096, os.urandom(4096)),
}  # fmt: skip


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_mended_and_nothing_is_paid_twice(name, path, filled, provider, clock):
    DAMAGES[name](path)
    assert damage_of(path) is not None
    found = recover(path, provider, clock)
    assert found is not None
    assert found.copy.exists()
    assert found.copy.name.startswith("journal.sqlite.corrupt-")
    check(path, provider, clock, filled)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("part", range(4))
def test_damage_anywhere_is_mended(part, folder, path, filled, provider, clock, proof):
    """Pages overwritten, zeroed or cut off by the dice; the provider has everything still."""
    whole = path.read_bytes()
    for seed in range(part, {"quick": 12, "ci": 60, "full": 2_000}[proof], 4):
        dice = random.Random(seed)
        path.write_bytes(whole)
        for _ in range(dice.randrange(1, 4)):
            page = dice.randrange(len(whole) // 4096)
            overwrite(path, page * 4096, dice.choice((bytes(4096), dice.randbytes(4096), dice.randbytes(9))))
        if damage_of(path) is None:
            continue
        recover(path, provider, clock)
        with Journal.open(path) as journal:
            keys = [request.custom_id for request in filled[:120]]
            answered = journal.reader.answered(keys, provider.origin)
            final = journal.reader.final(keys, provider.origin)
            # all but the one that failed in passing is known, so none of it would be sent
            assert len(answered | final.keys()) == 119, f"seed {seed}"
            assert journal.reader.open_batches() == [], f"seed {seed}"
    path.write_bytes(whole)


def test_answers_the_provider_has_no_more_are_saved(path, filled, provider, clock):
    with Journal.open(path) as journal:
        answered = journal.reader.answered([r.custom_id for r in filled], provider.origin)
    os.truncate(path, path.stat().st_size - 8192)
    provider.batches.clear()
    provider.files.clear()
    mend(path)
    with Journal.open(path) as journal:
        saved = journal.reader.answered([r.custom_id for r in filled], provider.origin)
    assert saved <= answered
    assert len(saved) > len(answered) / 2


def test_a_paid_answer_that_is_gone_everywhere_is_not_sent_again_by_itself(path, filled, provider, clock):
    edit(path, "UPDATE answer SET response = X'00' WHERE rowid = 1")
    provider.files.clear()
    for batch in list(provider.batches):
        if provider.batches[batch]["status"] == "completed":
            del provider.batches[batch]
    before = dict(provider.paid)
    found = recover(path, provider, clock)
    assert found is not None
    assert found.dropped == 1
    with Journal.open(path) as journal:
        again = send(filled[:40], backend=provider, journal=journal, clock=clock)
    assert again.sent == 0
    assert again.lost
    assert all(provider.paid[key] == times for key, times in before.items())


def test_a_sound_journal_is_left_alone(path, filled):
    before = path.read_bytes()
    assert mend(path) is None
    assert path.read_bytes() == before
    assert mend(path.with_name("missing")) is None
    assert not path.with_name("missing").exists()


def test_nothing_is_sent_with_a_damaged_journal(path, filled, provider, clock):
    overwrite(path, 0, b"x" * 100)
    with pytest.raises(JournalError, match="batcheval recover"):
        Journal.open(path)


def test_an_answer_that_is_gone_stops_a_send_before_anything_goes_out(path, filled, provider, clock):
    edit(path, "DELETE FROM answer WHERE rowid = 1")
    calls = sum(provider.calls.values())
    with (
        Journal.open(path) as journal,
        pytest.raises(JournalError, match=r"settled without answer .*batcheval recover"),
    ):
        send(filled, backend=provider, journal=journal, clock=clock)
    assert sum(provider.calls.values()) == calls


def test_what_was_pruned_is_not_missed(path, filled, provider, clock):
    with Journal.open(path) as journal:
        collect(backend=provider, journal=journal, clock=clock)
        journal.prune(before=2**40)
        assert journal.reader.verify() == []
        assert journal.reader.gone([request.custom_id for request in filled], provider.origin) == set()


def test_what_may_be_paid_again_is_not_missed_if_that_run_is_killed(journal, provider, clock, ask):
    provider.line_of = lambda key, run: None
    requests = ask(2)
    keys = [request.custom_id for request in requests]
    assert send(requests, backend=provider, journal=journal, clock=clock).failed == 2
    journal.forgive(provider.origin, keys)
    assert journal.reader.gone(keys, provider.origin) == set()
    assert journal.reader.final(keys, provider.origin) == {}


def test_a_damaged_answer_stops_a_send_before_anything_goes_out(path, filled, provider, clock):
    edit(path, "UPDATE answer SET response = X'00' WHERE rowid = 1")
    calls = sum(provider.calls.values())
    with (
        Journal.open(path) as journal,
        pytest.raises(JournalError, match=r"has 1 answer with a wrong checksum .*batcheval recover"),
    ):
        send(filled, backend=provider, journal=journal, clock=clock)
    assert sum(provider.calls.values()) == calls


def test_a_journal_in_use_is_not_mended(path, filled):
    overwrite(path, 0, b"x" * 100)
    lock = JournalLock(path.with_name(path.name + ".lock"))
    with lock.held(None), pytest.raises(JournalError, match="is in use"):
        mend(path)


def test_mending_killed_at_any_moment_is_done_again(path, filled, provider, clock, monkeypatch):
    overwrite(path, 3 * 4096, os.urandom(4096))

    class Killed(BaseException):
        pass

    def killed(*arguments):
        raise Killed

    for name in ("_copy", "_fill", "_finish", "sync_folder"):
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(f"pytest_batcheval.journal.salvage.{name}", killed)
            mend(path)
    with suppress(ProviderError):
        recover(path, provider, clock)
    check(path, provider, clock, filled)
