"""Jobs that go wrong: every answer arrives, and only what must be is sent again."""

from collections import Counter

import pytest

from pytest_batcheval.catalogue.models import MODEL

pytestmark = pytest.mark.batch


def again(sent, requests):
    """How many requests were sent once, twice …"""
    assert set(sent.times) == {request.custom_id for request in requests}
    return Counter(sent.times.values())


def texts(requests):
    """The words of a request that no other has: persona and question."""
    return [request.body["messages"][0]["content"] + request.body["messages"][1]["content"] for request in requests]


def test_lines_that_fail_in_passing_or_for_good(batch_client, simulator, sent, ask):
    """20 lines meet a server error once and are sent again; 5 are refused and never are."""
    requests = ask()
    if simulator is not None:
        passing, final = set(texts(requests[:20])), set(texts(requests[20:25]))
        simulator.faults.fail_lines(lambda body: words(body) in passing, status_code=500, times=1)
        simulator.faults.fail_lines(lambda body: words(body) in final, status_code=400, code="bad_request", times=9)
    run = batch_client.run(requests)
    assert {answer.request.custom_id for answer in run.failed} == {request.custom_id for request in requests[20:25]}
    assert {answer.error.code for answer in run.failed} == {"bad_request"}
    assert again(sent, requests) == {1: 255, 2: 20}
    assert run.sent.resent == 20


def words(body):
    return body["messages"][0]["content"] + body["messages"][1]["content"]


def test_a_batch_that_expires_half_done(batch_client, simulator, sent, ask):
    """What it has finished is kept; the rest goes into a second batch."""
    requests = ask()
    if simulator is not None:
        simulator.faults.expire_next_batch(after=137)
    run = batch_client.run(requests)
    assert len(run.answers) == 275
    assert again(sent, requests) == {1: 137, 2: 138}


def test_a_batch_that_fails_validation(batch_client, simulator, sent, ask):
    """A full queue refuses the whole batch, unpaid; it is sent again in halves."""
    requests = ask(question=["chief_complaint"])
    if simulator is not None:
        simulator.faults.fail_next_batch("token_limit_exceeded", f"Enqueued token limit reached for {MODEL}")
    run = batch_client.run(requests, batch_size=20)
    assert len(run.answers) == 25
    assert not run.failed
    assert sent.calls("POST", "/v1/batches") > 2


def test_a_job_that_is_cancelled(batch_client, batch_conversation, sent, ask):
    """What was finished before the cancel is kept and not sent again."""
    requests = ask()
    submitted = batch_client.submit(requests)
    assert not submitted.answers
    batch_conversation.clock.sleep(300)
    (batch_id,) = cancel_ids(batch_client)
    assert batch_client.cancel(batch_id).status in ("cancelling", "cancelled")
    run = batch_client.wait(submitted)
    assert len(run.answers) == 275
    counts = again(sent, requests)
    assert counts[1] + counts[2] == 275
    assert counts[2] > 0


def cancel_ids(client):
    _, _, journal = client._opened()
    return [row.batch_id for row in journal.reader.open_batches()]


NETWORK = {
    "resets": [
        {"fault": "reset_before", "call": "files.create", "nth": 1},
        {"fault": "reset_after", "call": "batches.create", "nth": 1},
        {"fault": "reset_before", "call": "batches.retrieve", "nth": 2, "times": 2},
        {"fault": "reset_before", "call": "files.content", "nth": 1},
    ],
    "502": [
        {"fault": "status", "status": 502, "call": "files.create", "nth": 1},
        {"fault": "status_after", "status": 502, "call": "batches.create", "nth": 1},
        {"fault": "status", "status": 502, "call": "batches.list", "nth": 2},
        {"fault": "status", "status": 502, "call": "files.content", "nth": 1},
    ],
    "slow": [
        {"fault": "delay", "seconds": 20.0, "call": "files.create", "nth": 1},
        {"fault": "delay", "seconds": 40.0, "call": "batches.retrieve", "nth": 2, "times": 3},
    ],
}


@pytest.mark.parametrize("trouble", NETWORK)
def test_network_trouble(batch_client, simulator, sent, ask, trouble):
    """Nothing is lost, and a create whose reply was lost is found instead of sent again."""
    requests = ask(question=["chief_complaint", "goals"])
    if simulator is not None:
        simulator.misbehave(*NETWORK[trouble])
    run = batch_client.run(requests)
    assert len(run.answers) == 50
    assert not run.failed
    assert sent.calls("POST", "/v1/batches") == 1
