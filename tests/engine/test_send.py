from __future__ import annotations

import shutil
from contextlib import suppress

import pytest
from send_with import send_with

from pytest_batcheval.backends.errors import Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import JournalError, ProviderError, UnfinishedError, UsageError
from pytest_batcheval.journal.store import Journal


def go(provider, journal, clock, requests, **more):
    return send_with(requests, backend=provider, journal=journal, clock=clock, **more)


def test_each_request_is_paid_once(provider, journal, clock, ask):
    requests = ask(275)
    seen = []
    sent = go(provider, journal, clock, requests + requests[:10], progress=seen.append)
    assert (sent.requested, sent.stored, sent.sent, sent.answered, sent.failed) == (275, 0, 275, 275, 0)
    assert set(provider.ledger.values()) == {1}
    answers = journal.reader.answers(requests, provider.origin)
    assert all(answers[r.custom_id].text == f"to {r.custom_id}" for r in requests)
    assert seen[-1].ended
    assert seen[-1].done == seen[-1].total == 275
    assert not list(journal.path.parent.glob("*.files"))


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
def test_nothing_is_deleted_or_cancelled_where_everything_is_clear(provider, journal, clock, ask, status):
    """A file that goes too early takes a batch, or paid answers, with it."""
    provider.status_of = lambda number: status if number == 1 else "completed"
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, ask(5), patience=60)
    assert go(provider, journal, clock, ask(5)).answered == 5
    assert (provider.calls["delete"], provider.calls["cancel"]) == (0, 0)


def test_the_snapshot_that_served_an_answer_is_kept_with_it(provider, journal, clock, ask):
    """An alias may move between two attempts."""
    requests = ask(2)
    moved = requests[0].custom_id
    provider.line_of = lambda key, run: (
        (503, {})
        if key == moved and run == 1
        else (200, {"model": f"gpt-snapshot-{run}", "choices": [{"message": {"content": "fine"}}]})
    )
    go(provider, journal, clock, requests)
    answers = journal.reader.answers(requests, provider.origin)
    assert answers[moved].response["body"]["model"] == "gpt-snapshot-2"
    assert answers[requests[1].custom_id].response["body"]["model"] == "gpt-snapshot-1"


def test_a_second_send_sends_nothing(provider, journal, clock, ask):
    go(provider, journal, clock, ask(5))
    calls = provider.calls.copy()
    sent = go(provider, journal, clock, ask(5))
    assert provider.calls == calls
    assert (sent.stored, sent.sent, sent.batches) == (5, 0, 0)


def test_batches_have_one_model_and_keep_the_limits(provider, journal, clock, ask):
    sent = go(provider, journal, clock, ask(10) + ask(4, model="other"), limits=Limits(requests=3))
    assert sent.batches == 4 + 2
    assert set(provider.ledger.values()) == {1}


def test_failed_lines_are_resent_once_and_only_they(provider, journal, clock, ask):
    requests = ask(30)
    bad = {r.custom_id for r in requests[:4]}
    provider.line_of = lambda key, run: (
        (503, {}) if key in bad and run == 1 else (200, {"choices": [{"message": {"content": "fine"}}]})
    )
    sent = go(provider, journal, clock, requests)
    assert {key for key, runs in provider.ledger.items() if runs == 2} == bad
    assert (sent.answered, sent.failed, sent.resent) == (30, 0, 4)


def test_a_passing_failure_stops_at_the_last_attempt_and_goes_on_in_a_new_run(provider, journal, clock, ask):
    requests = ask(3)
    provider.line_of = lambda key, run: (500, {"error": {"code": "server_error", "message": "busy"}})
    sent = go(provider, journal, clock, requests, attempts=3)
    assert (sent.answered, sent.failed) == (0, 3)
    assert set(provider.ledger.values()) == {3}
    assert clock.time > 600
    provider.line_of = lambda key, run: (200, {"choices": [{"message": {"content": "fine"}}]})
    assert go(provider, journal, clock, requests).answered == 3
    assert journal.reader.failures(requests, provider.origin) == {}


def test_a_final_failure_is_not_resent_and_stays_reported(provider, journal, clock, ask):
    requests = ask(3)
    refused = requests[0].custom_id
    error = {"error": {"code": "context_length_exceeded", "message": "too long", "type": "invalid_request_error"}}
    provider.line_of = lambda key, run: (
        (400, error) if key == refused else (200, {"choices": [{"message": {"content": "fine"}}]})
    )
    for _ in range(2):
        sent = go(provider, journal, clock, requests)
        assert (sent.answered, sent.failed) == (2, 1)
    assert provider.ledger[refused] == 1
    failure = journal.reader.failures(requests, provider.origin)[refused]
    assert (failure.code, failure.message, failure.status_code) == ("context_length_exceeded", "too long", 400)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_lines_left_undone_are_resent_and_only_they(provider, journal, clock, ask, status):
    provider.status_of = lambda number: status if number == 1 else "completed"
    sent = go(provider, journal, clock, ask(30))
    assert set(provider.ledger.values()) == {1}
    assert (sent.answered, sent.resent) == (30, 10)


def test_refresh_sends_all_again_and_the_newest_answer_wins(provider, journal, clock, ask):
    requests = ask(4)
    provider.line_of = lambda key, run: (200, {"choices": [{"message": {"content": str(run)}}]})
    go(provider, journal, clock, requests)
    sent = go(provider, journal, clock, requests, refresh=True)
    assert set(provider.ledger.values()) == {2}
    assert sent.sent == 4
    assert {a.text for a in journal.reader.answers(requests, provider.origin).values()} == {"2"}


@pytest.mark.parametrize("cause", ["applied", "never", "late"])
def test_a_create_without_a_clear_answer_is_paid_once(provider, journal, clock, ask, cause):
    faults = [UnknownOutcome(cause, "400")]
    provider.fault = lambda call: faults.pop() if call == "create" and faults else None
    sent = go(provider, journal, clock, ask(7))
    assert sent.answered == 7
    assert set(provider.ledger.values()) == {1}


def test_a_lagging_list_does_not_make_us_pay_twice(provider, journal, clock, ask):
    provider.list_lag = 170.0
    faults = [UnknownOutcome("applied", "reset")]
    provider.fault = lambda call: faults.pop() if call == "create" and faults else None
    assert go(provider, journal, clock, ask(7)).answered == 7
    assert set(provider.ledger.values()) == {1}


def test_passing_faults_of_every_call_are_waited_out(provider, journal, clock, ask, rng):
    dice = rng(5)
    provider.fault = lambda call: TransientFailure("503", "busy", 503) if dice.random() < 0.5 else None
    assert go(provider, journal, clock, ask(20), limits=Limits(requests=4)).answered == 20
    assert set(provider.ledger.values()) == {1}


@pytest.mark.parametrize("fault", [Stopped("insufficient_quota", "no money", 429), Refused("invalid", "no", 400)])
def test_a_refused_create_stops_and_the_next_run_goes_on(provider, journal, clock, ask, fault):
    provider.fault = lambda call: fault if call == "create" else None
    with pytest.raises(ProviderError, match="nothing is lost"):
        go(provider, journal, clock, ask(5))
    assert [row.state for row in journal.reader.batches()] == ["uploaded"]
    provider.fault = lambda call: None
    assert go(provider, journal, clock, ask(5)).answered == 5
    assert set(provider.ledger.values()) == {1}
    assert [row.state for row in journal.reader.batches()] == ["void", "settled"]


def test_waiting_ends_at_the_patience_given_and_the_next_send_attaches(provider, journal, clock, ask):
    with pytest.raises(UnfinishedError, match=r"1 batch still running \(batch_0\); nothing is lost"):
        go(provider, journal, clock, ask(5), patience=60)
    sent = go(provider, journal, clock, ask(5)[:2])
    assert (sent.attached, sent.answered) == (1, 2)
    assert go(provider, journal, clock, ask(5)).sent == 0
    assert set(provider.ledger.values()) == {1}


def test_a_batch_that_is_gone_is_lost_and_not_paid_again_by_itself(provider, journal, clock, ask):
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, ask(5), patience=60)
    provider.batches.clear()
    before = clock.time
    sent = go(provider, journal, clock, ask(5))
    assert clock.time - before >= 900
    assert "is lost" in sent.lost[0]
    assert sent.failed == 5
    assert provider.calls["create"] == 1
    assert journal.reader.failures(ask(5), provider.origin)[ask(5)[0].custom_id].code == "lost"


@pytest.mark.parametrize("applied", [True, False])
def test_a_create_of_another_key_is_not_repeated_under_one_that_does_not_see_it(provider, journal, clock, ask, applied):
    interrupted_create(provider, journal, clock, ask(5), applied)
    provider.scope, files, batches = "another", provider.files.copy(), provider.batches.copy()
    provider.files.clear()
    provider.batches.clear()
    with pytest.raises(ProviderError, match=r"another API key.*run once with that key"):
        go(provider, journal, clock, ask(5))
    provider.scope = "scope"
    provider.files |= files
    provider.batches |= batches
    assert go(provider, journal, clock, ask(5)).answered == 5
    provider.settle_down()
    assert set(provider.paid.values()) == {1}


@pytest.mark.parametrize("applied", [True, False])
def test_a_create_of_another_key_of_the_same_project_is_looked_for_with_this_one(
    provider, journal, clock, ask, applied
):
    """A key that was changed for a new one must not leave the journal locked for ever."""
    interrupted_create(provider, journal, clock, ask(5), applied)
    provider.scope = "another"
    assert go(provider, journal, clock, ask(5)).answered == 5
    provider.settle_down()
    assert set(provider.paid.values()) == {1}


def interrupted_create(provider, journal, clock, requests, applied):
    """The process ends in a create that was applied or not."""
    usual = provider.create

    def create(*arguments):
        if applied:
            usual(*arguments)
        raise KeyboardInterrupt

    provider.create = create
    with pytest.raises(KeyboardInterrupt):
        go(provider, journal, clock, requests)
    provider.create = usual
    assert [row.state for row in journal.reader.batches()] == ["creating"]


def test_counts_are_not_believed_but_a_short_file_is_not_paid_for_again(provider, journal, clock, ask):
    requests = ask(6)
    hidden = requests[0].custom_id
    provider.line_of = lambda key, run: (200, {"choices": [{"message": {"content": "fine"}}]})
    end = provider._end

    def short(data):
        end(data)
        file = data["output_file_id"]
        provider.files[file] = b"\n".join(x for x in provider.files[file].split(b"\n") if hidden.encode() not in x)

    provider._end = short
    sent = go(provider, journal, clock, requests)
    assert (sent.answered, sent.failed) == (5, 1)
    assert set(provider.ledger.values()) == {1}
    assert journal.reader.failures(requests, provider.origin)[hidden].code == "unaccounted"


def test_a_broken_line_is_kept_reported_and_not_paid_again(provider, journal, clock, ask):
    requests = ask(6)
    end = provider._end

    def break_one(data):
        end(data)
        file = data["output_file_id"]
        lines = provider.files[file].split(b"\n")
        provider.files[file] = b"\n".join([lines[0][:-9], *lines[1:]])

    provider._end = break_one
    sent = go(provider, journal, clock, requests)
    assert (sent.answered, sent.failed, len(sent.broken)) == (5, 1, 1)
    assert all(file.exists() for file in sent.files)
    assert set(provider.ledger.values()) == {1}


def test_lines_the_provider_refuses_fail_and_the_others_are_sent_without_them(provider, journal, clock, ask):
    requests = sorted(ask(6), key=lambda r: r.custom_id)
    validate = provider._validate

    def refuse(data):
        validate(data)
        if len(provider.batches) == 1:
            error = {"code": "model_not_found", "message": "no such model", "line": 3}
            data |= {"status": "failed", "errors": {"data": [error]}}

    provider._validate = refuse
    sent = go(provider, journal, clock, requests)
    assert (sent.answered, sent.failed) == (5, 1)
    failures = journal.reader.failures(requests, provider.origin)
    assert failures[requests[2].custom_id].code == "model_not_found"


def test_a_full_queue_is_waited_for_with_smaller_batches(provider, journal, clock, ask):
    validate = provider._validate

    def refuse(data):
        validate(data)
        if len(provider.batches) == 1:
            error = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
            data |= {"status": "failed", "errors": {"data": [error]}}

    provider._validate = refuse
    sent = go(provider, journal, clock, ask(6), limits=Limits(requests=6))
    assert (sent.answered, sent.batches) == (6, 2)


def test_a_damaged_answer_is_not_paid_for_again(provider, journal, clock, ask):
    go(provider, journal, clock, ask(3))
    journal._connection.execute("UPDATE answer SET response = CAST(replace(response, 'stop', 'stab') AS BLOB)")
    with pytest.raises(JournalError, match="checksum"):
        go(provider, journal, clock, ask(4))
    assert provider.calls["create"] == 1, "nothing is sent with a journal that is damaged"


# -- attempts -----------------------------------------------------------------------------------------------------

BUSY = (500, {"error": {"code": "server_error", "message": "busy"}})
FINE = (200, {"choices": [{"message": {"content": "fine"}}]})


@pytest.mark.sampled(2)
@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
def test_a_request_is_sent_at_most_so_often_by_one_send_and_anew_by_the_next(provider, journal, clock, ask, attempts):
    provider.line_of = lambda key, run: BUSY
    for runs in (1, 2):
        sent = go(provider, journal, clock, ask(2), attempts=attempts)
        assert set(provider.ledger.values()) == {attempts * runs}
        assert (sent.failed, sent.sent, sent.resent) == (2, 2, 2 * (attempts - 1))


def test_a_batch_left_open_by_an_earlier_run_counts_as_an_attempt(provider, journal, clock, ask):
    provider.line_of = lambda key, run: BUSY
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, ask(2), patience=0)
    sent = go(provider, journal, clock, ask(2), attempts=2)
    assert set(provider.ledger.values()) == {2}
    assert (sent.sent, sent.resent) == (2, 2)


def test_no_two_batches_of_the_same_requests_share_an_identity(provider, journal, clock, ask):
    """Where a provider names no input file, a batch is known by it: the batch of an earlier run must not be."""
    provider.line_of = lambda key, run: BUSY
    for _ in range(2):
        go(provider, journal, clock, ask(3), attempts=2)
    go(provider, journal, clock, ask(3), attempts=1, refresh=True)
    rows = journal.reader.batches()
    assert [(row.attempt, row.generation) for row in rows] == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]
    assert len({row.identity for row in rows}) == 5


def test_new_and_failed_requests_go_in_one_batch(provider, journal, clock, ask):
    provider.line_of = lambda key, run: BUSY
    go(provider, journal, clock, ask(3), attempts=1)
    provider.line_of = lambda key, run: FINE
    assert go(provider, journal, clock, ask(9)).batches == 1


def test_without_quota_nothing_more_is_tried_and_no_attempt_is_used_up(provider, journal, clock, ask):
    error = {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}
    provider.line_of = lambda key, run: (429, error)
    for runs in (1, 2):
        with pytest.raises(ProviderError, match="2 requests failed: the account has no quota"):
            go(provider, journal, clock, ask(2), attempts=5)
        assert set(provider.ledger.values()) == {runs}
    provider.line_of = lambda key, run: FINE
    assert go(provider, journal, clock, ask(2), attempts=1).answered == 2


# -- refreshes ----------------------------------------------------------------------------------------------------


def test_an_interrupted_refresh_is_finished_by_the_same_command(provider, journal, clock, ask):
    requests = ask(6)
    go(provider, journal, clock, requests)
    provider.takes = 3600.0
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, requests, refresh=True, limits=Limits(requests=2), patience=60)
    sent = go(provider, journal, clock, requests, refresh=True)
    assert (sent.attached, sent.sent) == (3, 0)
    assert set(provider.paid.values()) == {2}


def test_a_refresh_of_part_raises_the_generation_of_that_part(provider, journal, clock, ask):
    requests = ask(4)
    go(provider, journal, clock, requests)
    go(provider, journal, clock, requests[:2], refresh=True)
    go(provider, journal, clock, requests, refresh=True)
    keys = [request.custom_id for request in requests]
    assert list(map(journal.reader.generations(keys, provider.origin).get, keys)) == [3, 3, 2, 2]
    assert go(provider, journal, clock, requests).sent == 0


def test_waves_of_one_run_may_ask_for_a_request_again_and_pay_once(provider, journal, clock, ask):
    go(provider, journal, clock, ask(4))
    for wave in (ask(2), ask(4)):
        go(provider, journal, clock, wave, refresh=True, run="one run")
    assert set(provider.paid.values()) == {2}


def test_a_refresh_in_waves_is_whole_when_its_caller_says_so(provider, journal, clock, ask):
    requests = ask(4)
    go(provider, journal, clock, requests)
    go(provider, journal, clock, requests[:2], refresh=True, ends_refresh=False, run="killed after its first wave")
    for wave in (requests[:2], requests[2:]):
        go(provider, journal, clock, wave, refresh=True, ends_refresh=False, run="the same command")
    assert set(provider.paid.values()) == {2}
    journal.end_refresh(provider.origin, [request.custom_id for request in requests])
    go(provider, journal, clock, requests, refresh=True)
    assert set(provider.paid.values()) == {3}


@pytest.mark.parametrize("kind", ["final", "broken", "unaccounted"])
def test_what_fails_for_good_in_a_refresh_is_not_sent_again_by_it_nor_later(provider, journal, clock, ask, kind):
    requests = ask(3)
    victim = min(request.custom_id for request in requests)
    go(provider, journal, clock, requests)
    if kind == "final":
        provider.line_of = lambda key, run: (400, {"error": {"code": "bad"}}) if key == victim else FINE
    else:
        spoil(provider, victim, b"\x00" if kind == "broken" else b"")
    sent = go(provider, journal, clock, requests, attempts=5, refresh=True)
    assert (sent.answered, sent.failed) == (3, 0), "the older answers are still there"
    assert go(provider, journal, clock, requests).sent == 0
    assert set(provider.ledger.values()) == {2}


def spoil(provider, key, replacement):
    """In result files made from now on, cut the line of a key after its key, or take it out."""
    end = provider._end

    def spoiled(data):
        end(data)
        file = data["output_file_id"]
        lines = provider.files[file].split(b"\n")
        kept = [line if key.encode() not in line else line[:-9] * bool(replacement) for line in lines]
        provider.files[file] = b"\n".join(line for line in kept if line)

    provider._end = spoiled


def test_a_failed_request_can_be_refreshed(provider, journal, clock, ask):
    provider.line_of = lambda key, run: (400, {"error": {"code": "bad"}})
    go(provider, journal, clock, ask(2))
    assert go(provider, journal, clock, ask(2)).sent == 0
    provider.line_of = lambda key, run: FINE
    sent = go(provider, journal, clock, ask(2), refresh=True)
    assert (sent.answered, sent.failed, sent.sent) == (2, 0, 2)


def test_a_lost_batch_is_not_paid_again_by_a_refresh(provider, journal, clock, ask):
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, ask(2), patience=0)
    provider.batches.clear()
    go(provider, journal, clock, ask(2))
    assert go(provider, journal, clock, ask(3), refresh=True).sent == 1
    assert provider.calls["create"] == 2


def test_a_refresh_asks_anew_what_another_machine_has_refreshed_before(provider, journal, folder, clock, ask):
    """Its week-old answers are no refresh, and its batch, which has ended, is no rival."""
    provider.line_of = lambda key, run: (200, {"choices": [{"message": {"content": str(run)}}]})
    with Journal.open(folder / "other" / "journal.sqlite") as other:
        for here, refresh in ((journal, False), (other, False), (journal, True), (other, True)):
            sent = go(provider, here, clock, ask(3), refresh=refresh)
            clock.sleep(7 * 86_400)
        assert (sent.sent, sent.older) == (3, ())
        assert {answer.text for answer in other.reader.answers(ask(3), provider.origin).values()} == {"3"}
    assert set(provider.paid.values()) == {3}


# -- what may have been paid --------------------------------------------------------------------------------------


def test_a_line_without_a_readable_key_keeps_missing_requests_from_being_paid_again(provider, journal, clock, ask):
    """Without counts, nothing else says that the missing request was answered."""
    requests = ask(4)
    end = provider._end

    def spoiled(data):
        end(data)
        del data["request_counts"]
        file = data["output_file_id"]
        first, *others = provider.files[file].split(b"\n")
        provider.files[file] = b"\n".join([b"\x00" * len(first), *others])

    provider._end = spoiled
    sent = go(provider, journal, clock, requests, attempts=5)
    assert (sent.answered, sent.failed) == (3, 1)
    assert set(provider.paid.values()) == {1}
    assert {f.code for f in journal.reader.failures(requests, provider.origin).values()} == {"unaccounted"}


def test_one_of_two_result_files_that_is_gone_does_not_lose_the_other(provider, journal, clock, ask):
    requests = sorted(ask(4), key=lambda request: request.custom_id)
    provider.line_of = lambda key, run: (400, {"error": {"code": "bad"}}) if key == requests[0].custom_id else FINE
    end = provider._end

    def without_errors(data):
        end(data)
        del provider.files[data["error_file_id"]]

    provider._end = without_errors
    sent = go(provider, journal, clock, requests)
    assert (sent.answered, sent.failed, sent.lost) == (3, 1, ())
    assert "the error file" in sent.broken[0]
    assert set(provider.ledger.values()) == {1}


def test_results_that_come_late_are_waited_for(provider, journal, clock, ask):
    """The status is ahead of the files: first none, then half of one, then all."""
    requests = ask(4)
    provider.takes = 10.0
    download, look = provider.download, provider._look

    def halved(file_id, target):
        download(file_id, target)
        if clock.time < 400:
            target.write_bytes(b"\n".join(target.read_bytes().split(b"\n")[:2]))

    def early(batch_id):
        seen = look(batch_id)
        return seen if clock.time > 100 or not seen.terminal else type(seen)(**vars(seen) | {"output_file_id": None})

    provider.download, provider._look = halved, early
    assert go(provider, journal, clock, requests).answered == 4
    assert set(provider.paid.values()) == {1}


# -- what the provider refuses as a whole -------------------------------------------------------------------------


def refusing(provider, times, **error):
    """The first batches fail at validation."""
    validate = provider._validate

    def refuse(data):
        validate(data)
        if len(provider.batches) <= times:
            data |= {"status": "failed", "errors": {"data": [{"code": "x", "message": "no", "param": None} | error]}}

    provider._validate = refuse


def test_a_batch_refused_for_no_line_of_its_own_is_not_tried_again(provider, journal, clock, ask):
    refusing(provider, 99, code="billing_inactive", message="your account is not active")
    with pytest.raises(ProviderError, match="refused 1 batch, unpaid: billing_inactive: your account is not active"):
        go(provider, journal, clock, ask(3))
    assert provider.calls["create"] == 1
    assert journal.reader.claimed(provider.origin) == set()


def test_batches_refused_without_a_reason_are_given_up_in_the_end(provider, journal, clock, ask):
    refusing(provider, 99, line=None, param="file_id", message="Cannot find file")
    with pytest.raises(ProviderError, match="Cannot find file"):
        go(provider, journal, clock, ask(3))
    assert 3 < provider.calls["create"] < 10


def test_a_full_queue_is_not_waited_for_longer_than_the_caller_wants(provider, journal, clock, ask):
    refusing(provider, 99, code="token_limit_exceeded")
    with pytest.raises(UnfinishedError, match="3 requests can be sent again in 300 s"):
        go(provider, journal, clock, ask(3), patience=200)
    assert clock.time <= 200
    assert provider.calls["create"] == 2


def test_a_file_too_large_for_a_proxy_is_sent_in_halves(provider, journal, clock, ask):
    upload = provider.upload

    def limited(path, filename):
        if path.stat().st_size > 500:
            raise Refused("too_large", "Request Entity Too Large", 413)
        return upload(path, filename)

    provider.upload = limited
    sent = go(provider, journal, clock, ask(8), limits=Limits(requests=8, bytes=4000))
    assert sent.answered == 8
    assert set(provider.paid.values()) == {1}


def test_a_request_that_fits_no_file_is_refused_before_any_is_sent(provider, journal, clock, ask):
    with pytest.raises(UsageError, match="bytes; a batch file takes at most 100"):
        go(provider, journal, clock, ask(3), limits=Limits(bytes=100))
    assert journal.reader.batches() == []
    assert provider.calls.keys() == {"list"}


def test_batches_of_a_model_with_a_full_queue_go_in_waves(provider, journal, clock, ask):
    running = []
    apply = provider._apply

    def counted(*args):
        batch = apply(*args)
        running.append(sum(data["status"] == "in_progress" for data in provider.batches.values()))
        return batch

    provider._apply = counted
    sent = go(provider, journal, clock, ask(6), limits=Limits(requests=1, tokens={"gpt-6-luna": 20}))
    assert sent.answered == sent.batches == 6
    assert max(running) == 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize("state", ["planned", "uploaded", "creating", "created", "ended"])
@pytest.mark.parametrize("since", ["still runs", "has ended"])
def test_a_journal_brought_back_from_a_backup_pays_nothing_twice(
    provider, folder, clock, ask, monkeypatch, state, since
):
    path, backup = folder / "now" / "journal.sqlite", folder / "backup"
    copy_at(state, path.parent, backup, monkeypatch)
    with Journal.open(path) as journal, suppress(UnfinishedError):
        go(provider, journal, clock, ask(5), patience=60 if since == "still runs" and state != "ended" else None)
    shutil.rmtree(path.parent)
    shutil.copytree(backup, path.parent)
    with Journal.open(path) as journal:
        assert [row.state for row in journal.reader.batches()] == [state]
        assert go(provider, journal, clock, ask(5)).answered == 5
    provider.settle_down()
    assert set(provider.paid.values()) == {1}


def copy_at(state, folder, backup, monkeypatch):
    """The journal's folder is copied as soon as a batch has that state."""

    def copying(method):
        def store(self, row, *more):
            stored = method(self, row, *more)
            if row.state == state and not backup.exists():
                shutil.copytree(folder, backup)
            return stored

        return store

    for name in ("plan", "commit"):
        monkeypatch.setattr(Journal, name, copying(getattr(Journal, name)))


# -- other keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["planned", "uploaded"])
def test_a_plan_made_with_another_key_is_carried_out_with_this_one(provider, journal, clock, ask, state):
    refusal = Stopped("invalid_api_key", "no", 401)
    provider.fault = lambda call: refusal if call == {"planned": "upload", "uploaded": "create"}[state] else None
    with pytest.raises(ProviderError, match="invalid_api_key"):
        go(provider, journal, clock, ask(3))
    provider.fault, provider.scope = lambda call: None, "another"
    provider.files.clear()
    assert go(provider, journal, clock, ask(3)).answered == 3
    assert [(row.scope, row.state) for row in journal.reader.batches()] == [("another", "void"), ("another", "settled")]


def test_a_running_batch_of_another_key_is_collected_if_this_one_sees_it_and_not_lost_if_not(
    provider, journal, clock, ask
):
    with pytest.raises(UnfinishedError):
        go(provider, journal, clock, ask(3), patience=0)
    provider.scope, hidden = "another", provider.batches.copy()
    provider.batches.clear()
    with pytest.raises(ProviderError, match=r"batch_0 was sent with another API key.*run once with that key"):
        go(provider, journal, clock, ask(3))
    provider.batches |= hidden
    assert go(provider, journal, clock, ask(3)).answered == 3
    assert set(provider.paid.values()) == {1}
