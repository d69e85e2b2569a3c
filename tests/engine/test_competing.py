"""Two machines that know nothing of each other ask the same: the younger batch gives way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_batcheval.backends.errors import Refused, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.competing import older_batch
from pytest_batcheval.engine.effects import Cancel, Commit, ListBatches, Retrieve
from pytest_batcheval.engine.metadata import metadata, overlap
from pytest_batcheval.engine.scheduler import Scheduler
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal

KEYS = [f"{n}" * 40 for n in (1, 2, 3)]
OTHERS = [f"{n}" * 40 for n in (4, 5, 6)]


def row(keys=KEYS, generation=1, name="mine"):
    return BatchRow("o", "s", "/v1", name, 1, generation, len(keys), "f", 1, "", "created", "file-batch_5", "batch_5")


def batch(batch_id="batch_5", at=1000.0, keys=KEYS, status="in_progress", generation=1, name="mine", **more):
    pairs = metadata(row(keys, generation, name), keys)
    return RemoteBatch(batch_id, status, f"file-{batch_id}", metadata=pairs, created_at=at, **more)


MINE = batch()


@pytest.mark.parametrize(
    ("other", "is_rival"),
    [
        (batch("batch_4", 999.0), True),
        (batch("batch_4", 1000.0), True),  # of two made in the same second the id decides
        (batch("batch_6", 1000.0), False),
        (batch("batch_4", 1001.0), False),
        (batch("batch_4", 999.0, KEYS[:1] + OTHERS), True),
        (batch("batch_4", 999.0, OTHERS), False),
        (batch("batch_4", 999.0, generation=2), False),
        (batch("batch_4", 1.0), True),  # ours slept for long between looking and creating
        (batch("batch_4", 999.0, status="completed", output_file_id="file-out"), True),
        (batch("batch_4", 999.0, status="expired", error_file_id="file-errors"), True),
        (batch("batch_4", 999.0, status="expired"), False),
        (batch("batch_4", 999.0, status="cancelled"), False),
        (batch("batch_4", 999.0, status="failed", errors=(BatchError("invalid", "no"),)), False),
        (RemoteBatch("batch_4", "in_progress", created_at=999.0), False),
    ],
)
def test_a_rival_is_older_alive_and_asks_the_same(other, is_rival):
    assert (older_batch(MINE, [other]) is not None) == is_rival


def test_of_two_batches_only_one_gives_way():
    one, other = batch("batch_1", 7.0), batch("batch_2", 7.0)
    assert (older_batch(one, [other]), older_batch(other, [one])) == (None, one)


def test_batches_too_large_to_tell_their_keys_overlap_when_they_are_of_the_same_requests():
    many = [f"{n:040x}" for n in range(1000)]
    large = metadata(row(many, name="large"), many)
    assert overlap(large, dict(large))
    assert not overlap(large, metadata(row(many, name="others"), many))


def scheduler_of(found):
    """A scheduler whose batch was just created, with a list that holds it and these."""
    scheduler = Scheduler([BatchMachine(row(), 0.0)])
    assert scheduler.due(0.0) == [ListBatches()]
    scheduler.take(ListBatches(), [MINE, *found], 0.0)
    return scheduler


def test_the_younger_is_cancelled_and_its_row_says_for_whose_sake():
    scheduler = scheduler_of([batch("batch_4", 999.0)])
    (cancel,) = scheduler.due(0.0)
    assert isinstance(cancel, Cancel)
    assert cancel.row.batch_id == "batch_5"
    scheduler.take(cancel, replace(MINE, status="cancelled", times={"cancelled_at": 1.0}), 1.0)
    (commit,) = scheduler.due(1.0)
    assert isinstance(commit, Commit)
    assert "batch_4" in commit.row.note
    assert scheduler.machines[0].competing.older == batch("batch_4", 999.0)


@pytest.mark.parametrize("fault", [Refused("conflict", "it has ended", 409), Refused("gone", "no such batch", 404)])
def test_a_cancellation_that_is_refused_leaves_the_batch_to_its_end(fault):
    scheduler = scheduler_of([batch("batch_4", 999.0)])
    (cancel,) = scheduler.due(0.0)
    scheduler.take(cancel, fault, 1.0)
    (look,) = scheduler.due(1.0)
    assert isinstance(look, Retrieve)
    assert scheduler.stopped is None


def test_a_cancellation_that_fails_in_passing_is_repeated():
    scheduler = scheduler_of([batch("batch_4", 999.0)])
    (cancel,) = scheduler.due(0.0)
    scheduler.take(cancel, TransientFailure("503", "busy", 503), 1.0)
    assert scheduler.due(scheduler.wake()) == [cancel]


@pytest.mark.parametrize(
    ("other", "stopped"),
    [
        (batch("batch_6", 1000.0), True),
        (batch("batch_6", 1001.0, status="completed"), False),
        (batch("batch_6", 1001.0, status="cancelling"), False),
        (RemoteBatch("batch_6", "in_progress", created_at=1001.0), False),
    ],
)
def test_a_second_batch_of_the_same_input_file_is_stopped_if_it_runs(other, stopped):
    scheduler = scheduler_of([replace(other, input_file_id=other.input_file_id and MINE.input_file_id)])
    effects = scheduler.due(scheduler.wake())
    assert [effect.twin for effect in effects if isinstance(effect, Cancel)] == ["batch_6"] * stopped


@pytest.mark.parametrize("outcome", [batch("batch_6", status="cancelling"), Refused("conflict", "it has ended", 409)])
def test_what_becomes_of_the_second_batch_is_not_taken_for_the_first(outcome):
    scheduler = scheduler_of([replace(batch("batch_6", 1001.0), input_file_id=MINE.input_file_id)])
    (cancel,) = scheduler.due(scheduler.wake())
    scheduler.take(cancel, outcome, 1.0)
    (look,) = scheduler.due(1.0)
    assert (type(look), look.row.batch_id, scheduler.machines[0].status) == (Retrieve, "batch_5", "created")


def test_a_list_that_lags_behind_ours_shows_a_rival_all_the_same():
    scheduler = Scheduler([BatchMachine(replace(row(), state="creating", batch_id="", file_id="file-batch_5"), 0.0)])
    (create,) = scheduler.due(0.0)
    scheduler.take(create, MINE, 0.0)
    (commit,) = scheduler.due(0.0)
    scheduler.take(commit, None, 0.0)
    (listing,) = scheduler.due(0.0)
    scheduler.take(listing, [batch("batch_4", 999.0)], 0.0)
    assert isinstance(scheduler.due(0.0)[0], Cancel)


def test_a_rival_that_a_list_shows_only_later_is_found_too():
    scheduler = scheduler_of([])
    for now in range(1, 300):
        for effect in scheduler.due(float(now)):
            if isinstance(effect, Cancel):
                assert now >= 180
                return
            late = [batch("batch_4", 999.0)] if now >= 179 else []
            scheduler.take(effect, [MINE, *late] if effect == ListBatches() else MINE, float(now))
    pytest.fail("the younger batch was never cancelled")


def test_a_send_takes_the_answers_of_the_older_batch_and_pays_nothing_twice(provider, clock, journal, ask):
    requests = ask(9)
    provider.rivalled = lambda number: number == 2
    sent = send(
        requests,
        backend=provider,
        journal=journal,
        clock=clock,
        policy=SendPolicy(limits=Limits(requests=4), attempts=1),
    )
    assert (sent.answered, sent.older, sent.twice) == (9, ("batch_1",), frozenset())
    provider.settle_down()
    assert provider.paid == dict.fromkeys((request.custom_id for request in requests), 1)


def test_answers_that_both_batches_paid_are_counted(provider, clock, journal, ask):
    """The cancellation comes too late: the younger batch has run already."""
    requests = ask(3)
    provider.rivalled = lambda number: number == 1

    def cancel(batch_id):
        provider._end(provider.batches[batch_id])
        return provider._look(batch_id)

    provider.cancel = cancel
    sent = send(requests, backend=provider, journal=journal, clock=clock)
    assert (sent.answered, sent.older) == (3, ("batch_0",))
    assert sent.twice == {request.custom_id for request in requests}
    assert sent.notes[-1].startswith("3 answers were paid twice")
    provider.settle_down()
    assert set(provider.paid.values()) == {2}


def test_rivals_that_cannot_be_taken_over_do_not_keep_a_send_going_for_ever(provider, clock, journal, ask):
    """Their metadata say that they hold our requests, and their files do not."""
    provider.rivalled = lambda number: True

    def forged(file_id, endpoint, metadata):
        other = provider.files[file_id].replace(b"gpt-6-luna", b"another")
        provider._apply(provider._store(other, "forged.jsonl").id, endpoint, metadata, clock.time - 1)

    provider.rival = forged
    with pytest.raises(ProviderError, match="hold some of these 3 requests and cannot be adopted; check them"):
        send(ask(3), backend=provider, journal=journal, clock=clock)


def test_two_batches_of_lost_journals_are_not_both_left_running(provider, clock, folder, ask):
    """Whoever finds both, adopts the older and stops the younger."""
    requests = ask(4)
    provider.rivalled = lambda number: True
    with Journal.open(folder / "first" / "j") as first, pytest.raises(KeyboardInterrupt):
        send(requests, backend=provider, journal=first, clock=clock, progress=interrupt_when_created)
    with Journal.open(folder / "second" / "j") as second:
        sent = send(requests, backend=provider, journal=second, clock=clock)
    provider.settle_down()
    assert (sent.answered, sent.sent, len(sent.older)) == (4, 0, 1)
    assert set(provider.paid.values()) == {1}


def interrupt_when_created(seen):
    if seen.batch_id:
        raise KeyboardInterrupt


@pytest.mark.parametrize("reported", ["the older one", "the younger one", "neither"])
@pytest.mark.parametrize("later", [0.0, 5.0])
def test_a_create_that_a_proxy_repeats_is_paid_once(provider, clock, journal, ask, reported, later):
    usual = provider._apply

    def twice(file_id, endpoint, metadata, at):
        older, younger = usual(file_id, endpoint, metadata, at), usual(file_id, endpoint, metadata, at + later)
        return older if reported == "the older one" else younger

    provider._apply = twice
    faults = [UnknownOutcome("applied", "reset")] if reported == "neither" else []
    provider.fault = lambda call: faults.pop() if call == "create" and faults else None
    sent = send(ask(6), backend=provider, journal=journal, clock=clock)
    provider.settle_down()
    assert (sent.answered, provider.calls["create"]) == (6, 1)
    assert set(provider.paid.values()) == {1}
    assert (sent.twins, sent.older) == (((), ("batch_0",)) if reported == "the younger one" else (("batch_1",), ()))
    assert any("applied twice" in note or "batch_0" in note for note in sent.notes)


@pytest.mark.parametrize("killed", ["before the reply", "after the reply"])
@pytest.mark.parametrize("again", [86400.0, 10 * 86400.0])
def test_a_create_that_a_proxy_repeats_is_told_by_the_next_run_when_both_have_ended(
    provider, clock, journal, ask, killed, again
):
    usual = provider._apply

    def twice(file_id, endpoint, metadata, at):
        older, _ = usual(file_id, endpoint, metadata, at), usual(file_id, endpoint, metadata, at + 1)
        if killed == "before the reply":
            raise KeyboardInterrupt
        return older

    provider._apply = twice
    with pytest.raises(KeyboardInterrupt):
        send(ask(6), backend=provider, journal=journal, clock=clock, progress=interrupt_when_created)
    provider._apply = usual
    clock.time += again
    provider.settle_down()
    sent = send(ask(6), backend=provider, journal=journal, clock=clock)
    assert (sent.answered, sent.sent, set(provider.paid.values())) == (6, 0, {2})
    assert list(sent.ended.values()) == [6]
    assert any("applied twice" in note and "6 finished lines were paid twice" in note for note in sent.notes)
