"""Lines that fail, in passing or for good, and batches that end before all their lines ran."""

from __future__ import annotations

import pytest
from disturbing import KEYS, REQUESTS
from spoiling import Spoiling, by_plan

from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.simulator.faults import result_lines as spoilt

VICTIM = REQUESTS[0].custom_id
PASSING = {
    "429": ("rate_limit_exceeded", 429),
    "500": ("server_error", 500),
    "502": ("bad_gateway", 502),
    "503": ("overloaded", 503),
    "504": ("gateway_timeout", 504),
    "timeout": ("request_timeout", 408),
}
FINAL = {
    "400": ("invalid_request_error", 400),
    "too long": ("context_length_exceeded", 400),
    "filtered": ("content_filter", 400),
    "no such model": ("model_not_found", 404),
    "key": ("invalid_api_key", 401),
    "forbidden": ("forbidden", 403),
}
NO_MONEY = {"no quota": ("insufficient_quota", 429), "billing limit": ("billing_hard_limit_reached", 429)}


def fail(server, code, status_code, times):
    server.faults.fail_lines("질문 0", status_code=status_code, code=code, message="the line's words", times=times)


def executed(server):
    return {key: server.ledger.executed(key) for key in KEYS}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", PASSING)
def test_a_line_that_failed_in_passing_is_sent_again_at_once_and_only_it(kind, server, world):
    fail(server, *PASSING[kind], times=1)
    sent = world.go()
    assert (sent.answered, sent.failed, sent.resent) == (4, 0, 1)
    assert executed(server) == dict.fromkeys(KEYS, 1) | {VICTIM: 2}
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", PASSING)
def test_a_line_that_keeps_failing_has_its_third_attempt_after_ten_minutes_and_no_fourth(kind, server, world):
    fail(server, *PASSING[kind], times=9)
    sent = world.go()
    assert (sent.answered, sent.failed, sent.resent) == (3, 1, 2)
    assert executed(server) == dict.fromkeys(KEYS, 1) | {VICTIM: 3}
    begun = [begin for begin, _ in sorted(server.ledger.intervals.values())]
    ended = [end for _, end in sorted(server.ledger.intervals.values())]
    assert begun[1] - ended[0] < 600 <= begun[2] - ended[1]


@pytest.mark.parametrize("kind", FINAL)
def test_a_line_that_failed_for_good_is_told_and_never_sent_again(kind, server, world):
    code, status_code = FINAL[kind]
    fail(server, code, status_code, times=9)
    for _ in range(2):
        sent = world.go()
        assert (sent.answered, sent.failed, sent.resent) == (3, 1, 0)
    assert executed(server) == dict.fromkeys(KEYS, 1)
    failure = world.journal.reader.failures(REQUESTS, world.backend.origin)[VICTIM]
    assert (failure.code, failure.status_code, failure.message) == (code, status_code, "the line's words")


@pytest.mark.parametrize("kind", NO_MONEY)
def test_a_line_without_money_stops_the_send_and_uses_up_no_attempt(kind, server, world):
    fail(server, *NO_MONEY[kind], times=2)
    for tries in (1, 2):
        with pytest.raises(ProviderError, match="1 request failed: the account has no quota"):
            world.go(attempts=5)
        assert executed(server)[VICTIM] == tries
    assert world.go(attempts=1).answered == 4
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def test_lines_of_a_batch_that_expired_are_sent_again_and_only_they(server, world):
    server.faults.expire_next_batch(after=3)
    sent = world.go()
    assert (sent.answered, sent.resent) == (4, 1)
    assert executed(server) == dict.fromkeys(KEYS, 1)


def test_lines_of_a_batch_that_somebody_cancelled_are_sent_again_and_only_they(server, world):
    server.faults.hold_batches()
    with pytest.raises(UnfinishedError):
        world.go(patience=60)
    (row,) = world.journal.reader.open_batches()
    world.backend.cancel(row.batch_id)
    server.faults.release()
    sent = world.go()
    assert (sent.answered, sent.attached, sent.failed) == (4, 1, 0)
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)
    assert {row.status for row in world.journal.reader.batches()} == {"cancelled", "completed"}


def test_a_line_lost_inside_the_provider_is_sent_again(server, world):
    """Status 0: billed, by the simulator, and gone; the provider's own mistake."""
    server.follow(Spoiling(by_plan(spoilt.status_zero_line)))
    sent = world.go()
    assert (sent.answered, sent.failed, sent.resent) == (4, 0, 1)
    assert sorted(executed(server).values()) == [1, 1, 1, 2]


def test_a_batch_refused_for_a_full_queue_waits_and_goes_in_smaller_ones_and_uses_up_no_attempt(server, world):
    server.faults.fail_next_batch("token_limit_exceeded", "Enqueued token limit reached")
    began = world.clock.now()
    sent = world.go(attempts=1)
    assert (sent.answered, sent.resent, sent.batches) == (4, 0, 2)
    assert world.clock.now() - began >= 60
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def test_a_batch_refused_for_one_line_goes_without_it_once(server, world):
    server.faults.fail_next_batch("invalid_json_line", "This line is not parseable", line=2)
    for _ in range(2):
        sent = world.go(attempts=1)
        assert (sent.answered, sent.failed) == (3, 1)
    assert dict(world.failures()) == {"invalid_json_line": 1}
    assert executed(server) == dict.fromkeys(KEYS, 1) | {KEYS[1]: 0}
    assert len(server.ledger.intervals) == 2
