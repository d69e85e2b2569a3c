from __future__ import annotations

import pytest

from pytest_batcheval.backends.faults import Passing, Refused, Stopped, Unknown
from pytest_batcheval.engine.send import send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.wire.errors import JournalError, ProviderError, UnfinishedError


def go(provider, journal, clock, requests, **more):
    return send(requests, backend=provider, journal=journal, clock=clock, **more)


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
    provider.line_of = lambda key, run: (503, {}) if key in bad and run == 1 else (200, {"choices": []})
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
    provider.line_of = lambda key, run: (200, {"choices": []})
    assert go(provider, journal, clock, requests).answered == 3
    assert journal.reader.failures(requests, provider.origin) == {}


def test_a_final_failure_is_not_resent_and_stays_reported(provider, journal, clock, ask):
    requests = ask(3)
    refused = requests[0].custom_id
    error = {"error": {"code": "context_length_exceeded", "message": "too long", "type": "invalid_request_error"}}
    provider.line_of = lambda key, run: (400, error) if key == refused else (200, {"choices": []})
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
    faults = [Unknown(cause, "400")]
    provider.fault = lambda call: faults.pop() if call == "create" and faults else None
    sent = go(provider, journal, clock, ask(7))
    assert sent.answered == 7
    assert set(provider.ledger.values()) == {1}


def test_a_lagging_list_does_not_make_us_pay_twice(provider, journal, clock, ask):
    provider.list_lag = 170.0
    faults = [Unknown("applied", "reset")]
    provider.fault = lambda call: faults.pop() if call == "create" and faults else None
    assert go(provider, journal, clock, ask(7)).answered == 7
    assert set(provider.ledger.values()) == {1}


def test_passing_faults_of_every_call_are_waited_out(provider, journal, clock, ask, rng):
    dice = rng(5)
    provider.fault = lambda call: Passing("503", "busy", 503) if dice.random() < 0.5 else None
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
    assert provider.calls["upload"] == 1


def test_waiting_ends_at_the_patience_given_and_the_next_send_attaches(provider, journal, clock, ask):
    with pytest.raises(UnfinishedError, match="batch_0"):
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


def test_a_create_of_another_key_is_not_repeated_under_this_one(provider, journal, clock, ask):
    provider.fault = lambda call: 1 / 0 if call == "create" else None
    with pytest.raises(ZeroDivisionError):
        go(provider, journal, clock, ask(5))
    assert [row.state for row in journal.reader.batches()] == ["creating"]
    provider.fault, provider.scope = lambda call: None, "another"
    with pytest.raises(ProviderError, match="another API key"):
        go(provider, journal, clock, ask(5))
    provider.scope = "scope"
    assert go(provider, journal, clock, ask(5)).answered == 5


def test_counts_are_not_believed_but_a_short_file_is_not_paid_for_again(provider, journal, clock, ask):
    requests = ask(6)
    hidden = requests[0].custom_id
    provider.line_of = lambda key, run: (200, {"choices": []})
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
        go(provider, journal, clock, ask(3))
