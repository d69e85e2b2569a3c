"""Rounds: the same round collects on any machine, a new round asks anew, each answer keeps its round."""

from __future__ import annotations

import pytest

from pytest_batcheval.engine.metadata import METADATA_NAME, our_metadata
from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.rounds import checked_round


def go(provider, journal, clock, requests, round_name="", **choices):
    policy = SendPolicy(round=round_name, **choices)
    return send(requests, backend=provider, journal=journal, clock=clock, policy=policy)


def rounds_of(journal, requests, origin, round_name=""):
    return {answer.round for answer in journal.reader.answers(requests, origin, round_name).values()}


@pytest.fixture
def fresh(folder):
    """`fresh()`: a new checkout, without a journal."""
    opened = []

    def build():
        opened.append(Journal.open(folder / f"checkout{len(opened)}" / "journal.sqlite"))
        return opened[-1]

    yield build
    for journal in opened:
        journal.close()


def test_three_weeks_on_fresh_checkouts_ask_three_times_and_pay_each_once(provider, clock, ask, fresh):
    requests = ask(4)
    for week in ("2026-W47", "2026-W48", "2026-W49"):
        first, again = fresh(), fresh()
        assert go(provider, first, clock, requests, week).sent == 4
        assert go(provider, again, clock, requests, week).sent == 0
        assert rounds_of(again, requests, provider.origin, week) == {week}
        clock.sleep(7 * 86_400)
    assert len(provider.batches) == 3
    assert set(provider.paid.values()) == {3}


def test_one_journal_keeps_the_answers_of_every_round(provider, journal, clock, ask):
    requests = ask(3)
    for week in ("a", "b", "a", "c", "b"):
        go(provider, journal, clock, requests, week)
    assert set(provider.paid.values()) == {3}
    assert [rounds_of(journal, requests, provider.origin, week) for week in "abc"] == [{"a"}, {"b"}, {"c"}]
    assert rounds_of(journal, requests, provider.origin) == {"c"}
    assert go(provider, journal, clock, requests).sent == 0  # outside any round, any answer does


def test_a_round_of_another_machine_is_taken_beside_our_own_earlier_ones(provider, journal, clock, ask, fresh):
    requests = ask(3)
    go(provider, journal, clock, requests, "a")
    go(provider, fresh(), clock, requests, "b")
    assert go(provider, journal, clock, requests, "b").sent == 0
    assert rounds_of(journal, requests, provider.origin, "b") == {"b"}
    assert rounds_of(journal, requests, provider.origin, "a") == {"a"}
    assert set(provider.paid.values()) == {2}


def test_a_lost_journal_is_rebuilt_with_its_rounds(provider, clock, ask, fresh):
    requests = ask(3)
    lost = fresh()
    for week in ("a", "b"):
        go(provider, lost, clock, requests, week)
    recovered = fresh()
    collect(backend=provider, journal=recovered, clock=clock, adopt=True)
    assert [rounds_of(recovered, requests, provider.origin, week) for week in "ab"] == [{"a"}, {"b"}]
    assert go(provider, recovered, clock, requests, "b").sent == 0


def test_a_failure_is_of_its_round(provider, journal, clock, ask):
    requests = ask(3)
    bad = requests[0].custom_id
    provider.line_of = lambda key, run: (
        (400, {"error": {"code": "invalid", "message": "no"}})
        if key == bad and run == 1
        else (200, {"choices": [{"message": {"content": "x"}}]})
    )
    assert (go(provider, journal, clock, requests, "a").failed, go(provider, journal, clock, requests, "a").sent) == (
        1,
        0,
    )
    assert journal.reader.failures(requests, provider.origin, "a").keys() == {bad}
    assert go(provider, journal, clock, requests, "b").answered == 3
    assert journal.reader.failures(requests, provider.origin, "b") == {}


@pytest.mark.parametrize(("first", "then"), [("a", ""), ("", "a"), ("a", "b")])
def test_what_failed_in_one_is_answered_in_each_whichever_comes_first(provider, journal, clock, ask, first, then):
    """Of each generation the journal keeps one answer, so none is of two rounds."""
    requests, served = ask(2), provider.line_of
    provider.line_of = lambda key, run: (500, {"error": {"code": "server_error", "message": "no"}})
    assert go(provider, journal, clock, requests, first, attempts=1).answered == 0
    provider.line_of = served
    assert go(provider, journal, clock, requests, then).answered == 2
    assert go(provider, journal, clock, requests, first).answered == 2
    for asked in (first, then):
        assert go(provider, journal, clock, requests, asked).sent == 0
        assert rounds_of(journal, requests, provider.origin, asked) <= {asked or first or then}
    assert max(provider.paid.values()) <= 2


def test_a_request_lost_in_one_round_is_asked_in_the_next(provider, journal, clock, ask):
    requests = ask(2)
    real, provider.download = provider.download, lambda file_id, target: provider.files.clear() or real(file_id, target)
    assert go(provider, journal, clock, requests, "a").answered == 0
    provider.download = real
    assert go(provider, journal, clock, requests, "a").sent == 0
    assert go(provider, journal, clock, requests, "b").answered == 2


def test_a_refresh_within_a_round_asks_that_round_again(provider, journal, clock, ask):
    requests = ask(2)
    go(provider, journal, clock, requests, "a")
    assert go(provider, journal, clock, requests, "a", refresh=True).sent == 2
    assert rounds_of(journal, requests, provider.origin, "a") == {"a"}
    assert set(provider.paid.values()) == {2}


def test_two_machines_of_one_round_pay_once_whatever_they_asked_before(provider, journal, clock, ask, fresh):
    requests = ask(3)
    go(provider, journal, clock, requests, "a")
    provider.rivalled = lambda number: number == 2
    sent = go(provider, journal, clock, requests, "b")
    assert len(sent.older) == 1
    assert set(provider.paid.values()) == {2}


def test_the_round_is_in_the_metadata(provider, journal, clock, ask):
    go(provider, journal, clock, ask(2), "2026-W48")
    (batch,) = provider.batches.values()
    assert len(batch["metadata"][METADATA_NAME]) < 512
    assert our_metadata(batch["metadata"]).round == "2026-W48"


@pytest.mark.parametrize("name", ["2026 W48", "a;b", "-x", "x" * 65, "주", "a\n", "../x"])
def test_a_name_that_is_none(name):
    with pytest.raises(UsageError, match="a round is named by"):
        checked_round(name)
