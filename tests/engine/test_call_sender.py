"""Individual calls through the whole engine: real HTTP to a simulator, its clock, a real journal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from checker import broken_rules
from forked import Forked
from send_with import send_with

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.engine import call_sender
from pytest_batcheval.engine.budget import Budget
from pytest_batcheval.engine.call_outcome import UNKNOWN_OUTCOME
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.concurrency import ConcurrencyWindow
from pytest_batcheval.engine.pricing import price
from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.errors import JournalError, ProviderError, UnfinishedError, UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.figures import Figures
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request

CALL = 3.0


def ask(count, first=0, **body):
    body = {"model": "m"} | body
    return [
        Request(body | {"messages": [{"role": "user", "content": f"질문 {n}."}]}) for n in range(first, first + count)
    ]


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        yield journal


@pytest.fixture
def server(batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    batch_server.behaviour = Behaviour(models="any", call_seconds=CALL)
    return batch_server


@pytest.fixture
def connection(server):
    with connect(server.base_url, individual=True) as connection:
        yield connection


@pytest.fixture
def go(connection, journal):
    """Send: `go(requests)`; with `size` a window that stays."""

    def run(requests, size=None, way="individual", tier="", **more):
        window = ConcurrencyWindow(size, size) if size else ConcurrencyWindow()
        calling = Calling(connection.calls, connection.clock, window, tier) if way == "individual" else None
        backend, clock = connection.backend, connection.clock
        return send_with(requests, backend=backend, journal=journal, clock=clock, calling=calling, **more)

    return run


@pytest.fixture(autouse=True)
def paid_once(request, server, tmp_path):
    """After each test: nothing is paid twice, and every paid answer is in the journal; `ledger(paid=…)` allows more."""
    yield
    mark = request.node.get_closest_marker("ledger")
    meant = mark.kwargs if mark else {}
    if not meant.get("lost"):
        path = tmp_path / "journal.sqlite"
        assert not broken_rules(server.ledger.billed(), path, server.origin, meant.get("paid", 1))


class Traffic:
    """What goes over the wire of a server: the calls by kind, and the most that are under way."""

    def __init__(self, server):
        self.calls = Counter()
        self.statuses = Counter()
        self.most = self.flying = 0
        server.intercept(self)

    async def __call__(self, exchange):
        self.calls[exchange.call] += 1
        if exchange.call != "chat":
            return await exchange.answer()
        self.flying += 1
        self.most = max(self.most, self.flying)
        reply = await exchange.handle(exchange)
        self.flying -= 1
        self.statuses[reply.status] += 1
        return await exchange.send(reply)


def test_every_request_is_one_call_and_its_answer_is_stored(go, server, journal):
    traffic, wanted = Traffic(server), ask(20)
    sent = go(wanted)
    assert (sent.requested, sent.answered, sent.sent, sent.batches, sent.notes) == (20, 20, 20, 0, [])
    assert traffic.calls["chat"] == 20
    assert not {"files.create", "batches.create"} & traffic.calls.keys()
    answers = journal.reader.answers(wanted, server.origin)
    for request in wanted:
        answer = answers[request.custom_id]
        assert answer.text
        assert answer.response.keys() == {"status_code", "request_id", "body"}
        assert answer.response["status_code"] == 200
        assert answer.response["request_id"].startswith("req_")
    (row,) = journal.reader.batches()
    assert (row.calls, row.state, row.most_usd) == ("individual", "settled", "")
    assert row.output_tokens == sum(answer.usage["completion_tokens"] for answer in answers.values())


@pytest.mark.parametrize(("size", "seconds"), [(1, 30), (4, 9), (32, 3)])
def test_calls_take_the_time_they_take_side_by_side(go, connection, server, size, seconds):
    traffic, before = Traffic(server), connection.clock.now()
    go(ask(10), size=size)
    assert connection.clock.now() - before == seconds
    assert traffic.most == min(size, 10)


@pytest.mark.sampled
def test_the_window_grows_with_the_answers(go, connection, server):
    traffic, before = Traffic(server), connection.clock.now()
    go(ask(275))
    assert connection.clock.now() - before == 7 * CALL  # 8 + 16 + 32 + 64 + 64 + 64 are 248, and 27 are left
    assert traffic.most == 64


def test_other_endpoints_are_called_where_they_are(go, server):
    traffic = Traffic(server)
    embeddings = [
        Request({"model": "text-embedding-3-small", "input": f"word {n}"}, "/v1/embeddings") for n in range(3)
    ]
    responses = [Request({"model": "m", "input": f"질문 {n}"}, "/v1/responses") for n in range(3)]
    assert go([*embeddings, *responses, *ask(3)]).answered == 9
    assert traffic.calls["embeddings"] == traffic.calls["responses"] == traffic.calls["chat"] == 3


def test_samples_differ(go, server, journal):
    wanted = [Request({"model": "m", "messages": [{"role": "user", "content": "질문"}]}, sample=n) for n in range(3)]
    go(wanted)
    texts = {answer.text for answer in journal.reader.answers(wanted, server.origin).values()}
    assert len(texts) == 3


def test_both_ways_give_the_same_answers(go, server, journal, tmp_path, connection):
    wanted = ask(5)
    go(wanted)
    single = {key: answer.body for key, answer in journal.reader.answers(wanted, server.origin).items()}
    with Journal.open(tmp_path / "other.sqlite") as other:
        server.ledger.reset()
        send(wanted, backend=connection.backend, journal=other, clock=connection.clock)
        batched = {key: answer.body for key, answer in other.reader.answers(wanted, server.origin).items()}
    assert {key: body["choices"] for key, body in single.items()} == {k: body["choices"] for k, body in batched.items()}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ways", [("individual", "batch"), ("batch", "individual")])
def test_what_one_way_has_answered_the_other_does_not_send(go, server, ways):
    first, second = ways
    go(ask(4), way=first)
    sent = go(ask(6), way=second)
    assert (sent.stored, sent.sent, sent.answered) == (4, 2, 6)


def test_a_batch_that_runs_is_waited_for_and_not_sent_again(go, server):
    with pytest.raises(UnfinishedError):
        go(ask(4), way="batch", patience=0)
    sent = go(ask(6))
    assert (sent.attached, sent.sent, sent.answered) == (1, 2, 6)
    assert [execution.batch_id is None for execution in server.ledger.executions].count(True) == 2


def test_a_key_under_way_is_no_batchs(go, journal, server, connection):
    wanted = ask(2)
    seen = []

    async def look(exchange):
        if exchange.call == "chat" and not seen:
            row = journal.reader.open_batches()[0]
            seen.append((row.state, row.calls, journal.reader.claimed(server.origin)))
        await exchange.answer()

    server.intercept(look)
    go(wanted)
    assert seen == [("creating", "individual", {request.custom_id for request in wanted})]
    assert journal.reader.claimed(server.origin) == set()


def test_a_place_is_free_only_when_its_answer_is_on_disk(go, journal, server):
    """When call n of a slot comes in, every answer before it is in the journal."""
    wanted, unsaved = ask(12), []
    answered: set[str] = set()

    async def look(exchange):
        if exchange.call != "chat":
            return await exchange.answer()
        key = exchange.headers["x-client-request-id"]
        stored = journal.reader.answered([request.custom_id for request in wanted], server.origin)
        unsaved.append(len(answered - stored))
        await exchange.answer()
        answered.add(key)

    server.intercept(look)
    go(wanted, size=1)
    assert unsaved == [0] * 12


def test_refresh_calls_again_and_keeps_the_older_answer(go, server, journal):
    wanted = ask(3)
    go(wanted)
    server.ledger.reset()
    assert go(wanted, refresh=True).sent == 3
    key = wanted[0].custom_id
    assert [generation for _, generation, _ in journal.reader.answers_of(key)] == [1, 2]


# failures


def test_lines_fail_by_the_same_rules(go, server, journal):
    server.faults.fail_lines(r"질문 0\.", status_code=400, code="invalid_request_error", times=9)
    server.faults.fail_lines(r"질문 1\.", status_code=500, code="server_error", times=1)
    server.faults.fail_lines(r"질문 2\.", status_code=500, code="server_error", times=9)
    wanted = ask(4)
    sent = go(wanted, attempts=2)
    assert (sent.answered, sent.failed, sent.resent) == (2, 2, 2)
    keys = [request.custom_id for request in wanted]
    assert [server.ledger.executed(key) for key in keys] == [1, 2, 2, 1]
    assert journal.reader.final(keys, server.origin).keys() == {keys[0]}
    assert go(wanted, attempts=9).answered == 3
    assert server.ledger.executed(keys[0]) == 1


def fault(**more):
    return {"fault": "status", "call": "chat"} | more


def test_a_call_is_refused_three_times_and_then_it_is_another_attempt(go, server, connection):
    error = {"error": {"message": "busy", "code": "overloaded"}}
    server.misbehave(fault(status=503, body=error, times=5))
    before = connection.clock.now()
    sent = go(ask(1), attempts=2)
    assert (sent.answered, sent.failed, sent.resent) == (1, 0, 1)
    # 1 and 2 s after the refusals of the first attempt, 4 to its end, 8 and 16 s in the second
    assert connection.clock.now() - before > 3


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "40"}, 40, 43),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}, 3600, 3603),
        ({"retry-after": "tomorrow"}, 1, 4),
        ({}, 1, 4),
    ],
)
def test_retry_after_is_obeyed(go, server, connection, headers, least, most):
    server.misbehave(fault(status=429, headers=headers, times=1))
    before = connection.clock.now()
    assert go(ask(1)).answered == 1
    assert least <= connection.clock.now() - before - CALL <= most - CALL


def test_a_quota_that_is_gone_stops_all_and_uses_no_attempt(go, server, journal):
    error = {"error": {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}}
    server.misbehave(fault(status=429, body=error, nth=3, times=1))
    with pytest.raises(ProviderError, match=r"no money.*run the same command again"):
        go(ask(20), size=4)
    assert len(server.ledger.billed()) < 20
    assert journal.reader.claimed(server.origin) == set()
    assert go(ask(20)).answered == 20


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {"message": "Incorrect API key", "code": "invalid_api_key"}),
        (403, {"message": "Country not supported", "code": "unsupported_country"}),
        (404, {"message": "Invalid URL (POST /v1/x)"}),
        (307, {"message": "elsewhere"}),
    ],
)
def test_what_no_call_would_pass_stops_all(go, server, journal, status, error):
    server.misbehave(fault(status=status, body={"error": error}, times=99))
    with pytest.raises(ProviderError, match=error["message"].split()[0] if status != 307 else "HTTP 307"):
        go(ask(40), size=4)
    assert not journal.reader.failures(ask(40), server.origin)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, {"message": "The model `x` does not exist", "code": "model_not_found"}),
        (403, {"message": "not with this model", "param": "model"}),
        (400, {"message": "too long", "code": "context_length_exceeded"}),
    ],
)
def test_what_is_wrong_with_one_request_is_its_own_failure(go, server, status, error):
    server.misbehave(fault(status=status, body={"error": error}, nth=1))
    sent = go(ask(3), size=1)
    assert (sent.answered, sent.failed) == (2, 1)
    assert go(ask(3)).sent == 0


UNCLEAR = [
    {"fault": "reset_after", "call": "chat", "nth": 2},
    {"fault": "reset_before", "call": "chat", "nth": 2},
    {"fault": "status_after", "call": "chat", "nth": 2, "status": 504},
    {"fault": "status_after", "call": "chat", "nth": 2, "status": 502, "body": "<html>"},
    {"fault": "status_after", "call": "chat", "nth": 2, "status": 503, "body": "upstream connect error"},
    {"fault": "status_after", "call": "chat", "nth": 2, "status": 429, "body": "local rate limit"},
    {"fault": "garbage", "call": "chat", "nth": 2},
    {"fault": "truncated", "call": "chat", "nth": 2},
    {"fault": "truncated_silently", "call": "chat", "nth": 2},
]


@pytest.mark.sampled(2)
@pytest.mark.ledger(lost=True)
@pytest.mark.parametrize("wrong", UNCLEAR, ids=lambda wrong: f"{wrong['fault']}-{wrong.get('status', '')}")
def test_a_call_of_unknown_outcome_is_not_repeated_by_itself(go, server, journal, wrong):
    server.misbehave(wrong)
    wanted = ask(5)
    sent = go(wanted, size=1, attempts=3)
    assert (sent.answered, sent.failed, len(sent.unknown)) == (4, 1, 1)
    assert sent.notes == [
        "1 call of unknown outcome may have been paid; the next run sends it again, so at most 1 may be paid twice"
    ]
    assert max(server.ledger.billed().values()) == 1
    (failure,) = journal.reader.failures(wanted, server.origin).values()
    assert failure.code == UNKNOWN_OUTCOME
    again = go(wanted)
    assert (again.answered, again.sent, again.again) == (5, 1, sent.unknown)
    assert again.notes[0].startswith("at most 1 call of unknown outcome may be paid twice")
    assert sum(server.ledger.billed().values()) <= 6


@pytest.mark.ledger(lost=True)
def test_a_proxy_that_calls_every_answer_a_refusal_is_paid_once_a_run_and_told(go, server, journal):
    words = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
    server.misbehave(fault(fault="status_after", status=503, body=words, times=99))
    wanted = ask(4)
    sent = go(wanted, attempts=3)
    assert (sent.failed, len(sent.unknown), sum(server.ledger.billed().values())) == (4, 4, 4)
    assert words in str(journal.reader.failures(wanted, server.origin)[wanted[0].custom_id])


@pytest.mark.ledger(lost=True)
def test_an_answer_that_does_not_come_is_waited_for_until_the_deadline(go, server, connection, journal):
    server.behaviour = Behaviour(models="any", call_seconds=700)
    before = connection.clock.now()
    sent = go(ask(1))
    assert len(sent.unknown) == 1
    assert 600 <= connection.clock.now() - before < 700
    assert "no answer came in time" in str(journal.reader.failure_of(ask(1)[0].custom_id, server.origin))


def test_a_server_that_cannot_be_reached_is_tried_for_an_hour(server, journal, tmp_path):
    class Nobody:
        """Calls that never reach anybody."""

        def __init__(self, calls):
            self.calls, self.signal, self.started = calls, calls.signal, 0

        def start(self, url, body, key):
            self.started += 1
            return self.calls.start(url, body, key)

        def __getattr__(self, name):
            return getattr(self.calls, name)

    from pytest_batcheval.backends.openai_calls import IndividualCalls

    with connect(server.base_url) as connection, IndividualCalls("http://127.0.0.1:9/v1", "key") as calls:
        nobody, before = Nobody(calls), connection.clock.now()
        with pytest.raises(ProviderError, match=r"ConnectError.*nothing is lost"):
            send(
                ask(3),
                backend=connection.backend,
                journal=journal,
                clock=connection.clock,
                calling=Calling(nobody, connection.clock),
            )
        assert 3600 < connection.clock.now() - before < 3800
    assert 60 < nobody.started < 300
    assert not journal.reader.unknown_calls(1)


# many refusals


@pytest.mark.sampled
@pytest.mark.parametrize(("takes", "most", "attempts"), [(1, 300, 3), (5, 30, 1), (20, 15, 1)])
def test_a_storm_of_refusals_leaves_the_window_at_what_the_server_takes(go, server, takes, most, attempts, proof):
    count = 80 if proof == "quick" else 200
    server.behaviour = Behaviour(models="any", call_seconds=CALL, calls_at_once=takes)
    traffic = Traffic(server)
    sent = go(ask(count), attempts=attempts)
    assert (sent.answered, sent.failed) == (count, 0)
    assert traffic.statuses[200] == count
    assert traffic.statuses[429] <= most
    assert traffic.most <= max(2 * takes, 8)  # the window that is refused first is twice the last that was not


@pytest.mark.sampled
def test_a_limit_a_minute_is_kept_by_waiting(go, server, connection):
    server.behaviour = Behaviour(models="any", call_seconds=CALL, requests_per_minute=60)
    traffic, before = Traffic(server), connection.clock.now()
    sent = go(ask(275))
    assert (sent.answered, sent.failed) == (275, 0)
    assert traffic.statuses[429] < 130  # of the first minute a window, which is halved in each that follows
    assert 240 <= connection.clock.now() - before < 400  # 275 at 60 a minute take four waits of a minute


# deadlines, interruptions, kills


def test_a_deadline_stops_the_starts_and_takes_what_is_under_way(go, server, connection, journal):
    with pytest.raises(UnfinishedError, match="12 requests not sent yet"):
        go(ask(20), size=4, patience=5.0)
    assert len(server.ledger.billed()) == 8
    assert not journal.reader.open_batches()
    assert go(ask(20)).answered == 20


class Interrupting:
    """A clock on which Ctrl-C comes at the nth wait, and at those after it that `times` allows."""

    def __init__(self, clock, nth, times=1):
        self.clock, self.left, self.times = clock, nth, times

    def now(self):
        return self.clock.now()

    def sleep(self, seconds):
        self.clock.sleep(seconds)

    def wait(self, signal, seconds, calls):
        self.left -= 1
        if self.left <= 0 and self.times:
            self.times -= 1
            raise KeyboardInterrupt
        self.clock.wait(signal, seconds, calls)


def interrupted(connection, journal, count, nth, times=1, **behaviour):
    clock = Interrupting(connection.clock, nth, times)
    calling = Calling(connection.calls, clock, ConcurrencyWindow(4, 4))
    seen = []
    with pytest.raises(KeyboardInterrupt):
        send(
            ask(count),
            backend=connection.backend,
            journal=journal,
            clock=connection.clock,
            calling=calling,
            progress=seen.append,
        )
    return seen


def test_ctrl_c_starts_no_more_and_stores_what_comes_soon(connection, journal, server, go):
    seen = interrupted(connection, journal, 20, nth=3)
    assert len(server.ledger.billed()) < 20
    assert seen[-1].ended
    assert not seen[-1].note
    assert not journal.reader.open_batches()
    sent = go(ask(20))
    assert (sent.answered, sent.notes) == (20, [])


def test_what_was_refused_is_not_of_unknown_outcome(connection, journal, server, go):
    class Pausing(Interrupting):
        """Ctrl-C comes while nothing is under way."""

        def wait(self, signal, seconds, calls):
            if not calls:
                raise KeyboardInterrupt
            self.clock.wait(signal, seconds, calls)

    server.misbehave(fault(status=429, headers={"retry-after": "100"}, times=4))
    calling = Calling(connection.calls, Pausing(connection.clock, 0), ConcurrencyWindow(4, 4))
    with pytest.raises(KeyboardInterrupt):
        send(ask(4), backend=connection.backend, journal=journal, clock=connection.clock, calling=calling)
    assert not server.ledger.executions
    assert go(ask(4)).notes == []


@pytest.mark.ledger(paid=2)
def test_what_does_not_come_within_the_grace_is_of_unknown_outcome(connection, journal, server, go):
    server.behaviour = Behaviour(models="any", call_seconds=100)
    before = connection.clock.now()
    seen = interrupted(connection, journal, 20, nth=1)
    assert connection.clock.now() - before <= call_sender.GRACE + call_sender.LAST_WORDS
    assert seen[-1].note == "at most 4 calls of unknown outcome may be paid twice"
    sent = go(ask(20))
    assert (sent.answered, len(sent.again)) == (20, 4)
    assert [times for times in server.ledger.billed().values() if times > 1] == [2] * 4


@pytest.mark.ledger(paid=2)
def test_a_second_ctrl_c_leaves_the_rest_to_the_next_run(connection, journal, server, go):
    interrupted(connection, journal, 20, nth=2, times=2)
    (row,) = journal.reader.open_batches()
    assert row.state == "creating"
    sent = go(ask(20))
    assert sent.answered == 20
    twice = [key for key, times in server.ledger.billed().items() if times > 1]
    assert len(twice) <= len(sent.again) <= 4


def client(server, folder, count, size):
    """Start a client process; it has its key and nothing else of ours."""
    words = ("-m", "killed_call_client", server.base_url, str(folder), str(count), str(size))
    return Forked(words, folder, {**os.environ, "OPENAI_API_KEY": "test-key"})


@pytest.mark.ledger(paid=2)
@pytest.mark.sampled
@pytest.mark.parametrize(("nth", "after"), [(1, True), (5, True), (9, False), (17, True), (40, False)])
def test_after_a_kill_only_unanswered_requests_are_sent_and_the_risk_is_reported(server, tmp_path, nth, after):
    size, count = 8, 40
    kill = "kill_client_after" if after else "kill_client"
    plan = server.misbehave({"fault": kill, "call": "chat", "nth": nth})
    with client(server, tmp_path, count, size) as first:
        assert first.completed().returncode == -signal.SIGKILL
    assert plan.struck.total() == 1
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        (row,) = journal.reader.open_batches()
        under_way = journal.reader.unknown_calls(row.id)
        stored = journal.reader.answered([request.custom_id for request in ask_as_client(count)], server.origin)
    assert len(under_way) <= size
    assert len(stored) + len(under_way) >= len(server.ledger.billed())
    with client(server, tmp_path, count, size) as second:
        report = json.loads(second.completed().stdout)
    assert (report["answered"], report["sent"]) == (count, count - len(stored))
    assert report["again"] == len(under_way)
    if under_way:
        assert report["notes"][0].startswith(
            f"at most {counted(len(under_way), 'call')} of unknown outcome may be paid twice"
        )
    twice = {key for key, times in server.ledger.billed().items() if times > 1}
    assert twice <= set(under_way)


def ask_as_client(count):
    return [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(count)]


@pytest.mark.ledger(paid=2)
def test_calls_that_a_kill_left_are_reported_by_the_next_run(go, connection, server, journal):
    interrupted(connection, journal, 20, nth=2, times=2)
    sent = collect(backend=connection.backend, journal=journal, clock=connection.clock)
    assert 1 <= len(sent.unknown) <= 4
    assert f"{counted(len(sent.unknown), 'call')} of unknown outcome may have been paid" in sent.notes[0]
    assert not journal.reader.open_batches()
    later = go(ask(20), way="batch")
    assert (later.answered, later.again, later.unknown) == (20, sent.unknown, frozenset())


@pytest.mark.ledger(paid=2)
def test_another_key_settles_what_a_kill_left(connection, journal, server, monkeypatch):
    interrupted(connection, journal, 8, nth=2, times=2)
    monkeypatch.setenv("OPENAI_API_KEY", "another-key")
    connection.clock.close()  # one sleeper a process
    with connect(server.base_url, individual=True) as other:
        calling = Calling(other.calls, other.clock)
        sent = send(ask(8), backend=other.backend, journal=journal, clock=other.clock, calling=calling)
    assert sent.answered == 8


@pytest.mark.ledger(lost=True)
def test_a_journal_that_cannot_be_written_stops_all(go, server, journal, monkeypatch):
    usual, left = Journal._record, [3]

    def record(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise JournalError("the disk is full")
        return usual(self, *arguments)

    monkeypatch.setattr(Journal, "_record", record)
    with pytest.raises(JournalError, match="full"):
        go(ask(30), size=2)
    assert len(server.ledger.billed()) <= 6
    monkeypatch.undo()
    unknown = journal.reader.unknown_calls(journal.reader.open_batches()[0].id)
    assert 0 < len(unknown) <= 4


def test_on_a_full_disk_the_answers_under_way_are_stored_where_the_reserve_was(go, server, journal, monkeypatch):
    room = journal.path.with_name(f"{journal.path.name}.reserve")
    usual, left = Journal._record, [2]

    def record(self, *arguments):
        left[0] -= 1
        if left[0] < 0 and room.exists():
            raise JournalError("the disk is full")
        return usual(self, *arguments)

    wanted = ask(12)
    monkeypatch.setattr(Journal, "_record", record)
    with pytest.raises(JournalError, match=r"full; \d calls under way .* at most 0 calls of unknown outcome"):
        go(wanted, size=4)
    monkeypatch.setattr(Journal, "_record", usual)
    stored = journal.reader.answered([request.custom_id for request in wanted], server.origin)
    assert len(stored) == len(server.ledger.billed()) < 12
    assert not journal.reader.open_batches()
    sent = go(wanted)
    assert (sent.answered, sent.sent, sent.notes) == (12, 12 - len(stored), [])


FULL = """
import os, sys
from pathlib import Path
from pytest_batcheval import BatchClient, Request
from pytest_batcheval.errors import JournalError

disk, url = Path(sys.argv[1]), sys.argv[2]
body = lambda n: {"model": "m", "messages": [{"role": "user", "content": str(n)}]}
requests = [Request(body(n)) for n in range(12)]
for step in range(3):
    try:
        with BatchClient(url, journal=disk / "j" / "journal.sqlite", individual=True) as client:
            print("answered", len(client.run(requests).answers))
    except JournalError as error:
        print("full", error)
"""


@pytest.mark.ledger(lost=True)
@pytest.mark.sampled
@pytest.mark.parametrize("size", [150, 230, 260, 290, 2300, 2400])
def test_a_disk_without_room_for_a_window_of_answers_is_told_before_anything_is_paid(server, tmp_path, size):
    command = 'mount -t tmpfs -o size="$1"k none "$2" && exec "$3" -c "$4" "$2" "$5" || exit 77'
    words = ["unshare", "-rm", "sh", "-c", command, "sh", str(size), str(tmp_path), sys.executable, FULL]
    process = subprocess.run([*words, server.base_url], capture_output=True, text=True, check=False)
    output = process.stdout + process.stderr
    if process.returncode == 77 and "mount" in output:
        pytest.skip(f"this machine lets nobody mount: {output}")
    assert max(server.ledger.billed().values(), default=1) == 1, output
    assert "Traceback" not in output
    assert sum(line.startswith("full ") for line in output.splitlines()) == 3 or "answered 12" in output
    if size < 300:
        assert not server.ledger.billed()


# money


def test_a_budget_counts_calls_at_their_full_price(go, server, journal):
    wanted = ask(4, model=MODEL, max_completion_tokens=1000)
    with pytest.raises(UsageError, match="could cost"):
        go(wanted, budget=Decimal("0.001"), run="run")
    assert not server.ledger.executions
    go(wanted, budget=Decimal("0.01"), run="run")
    (row,) = journal.reader.batches()
    paid = price(MODEL, row.input_tokens, row.output_tokens, batch=False).usd
    assert Budget(Decimal(1), journal.reader, (server.origin,), "run").spent() == paid
    assert paid == 2 * price(MODEL, row.input_tokens, row.output_tokens).usd


@pytest.mark.ledger(lost=True)
def test_a_budget_keeps_reserved_what_a_call_of_unknown_outcome_may_have_cost(go, server, journal):
    server.misbehave({"fault": "reset_after", "call": "chat", "nth": 1})
    go(ask(4, model=MODEL, max_completion_tokens=1000), budget=Decimal("0.01"), run="run", size=1)
    (row,) = journal.reader.batches()
    paid = price(MODEL, row.input_tokens, row.output_tokens, batch=False).usd
    reserved = Budget(Decimal(1), journal.reader, (server.origin,), "run").spent() - paid
    assert Decimal("0.0005") < reserved < Decimal("0.0006")  # 1,000 tokens at $0.50 a million


# where it runs


@pytest.mark.asyncio
async def test_it_works_in_an_async_test(go):
    assert asyncio.get_running_loop().is_running()
    assert go(ask(5)).answered == 5


def test_a_provider_without_batches_is_good_enough(go, server):
    server.misbehave({"fault": "status", "call": "batches.list", "status": 404, "times": 99})
    assert go(ask(3)).answered == 3


def test_another_machines_batch_is_taken_over(go, server, tmp_path, connection):
    with Journal.open(tmp_path / "theirs.sqlite") as theirs, pytest.raises(UnfinishedError):
        send(ask(3), backend=connection.backend, journal=theirs, clock=connection.clock, policy=SendPolicy(patience=0))
    sent = go(ask(5))
    assert (sent.attached, sent.sent, sent.answered) == (1, 2, 5)


@pytest.fixture
def go_flex(go):
    """`go(…)` that asks for the tier flex."""
    return lambda requests, **more: go(requests, tier="flex", **more)


def tiers(journal, server, requests):
    return {answer.body["service_tier"] for answer in journal.reader.answers(requests, server.origin).values()}


def test_flex_is_asked_for_and_priced_as_what_it_is(go_flex, server, journal):
    requests = ask(3, model=MODEL)
    assert go_flex(requests).answered == 3
    assert tiers(journal, server, requests) == {"flex"}
    (figures,) = Figures(journal.reader).batches()
    assert 0 < figures.usd == figures.usd_as_calls / 2


def test_a_body_with_a_tier_of_its_own_keeps_it(go_flex, server, journal):
    requests = ask(2, model=MODEL, service_tier="priority")
    go_flex(requests)
    assert tiers(journal, server, requests) == {"priority"}


def test_without_capacity_a_call_is_made_at_the_standard_tier(go_flex, server, journal):
    server.behaviour = replace(server.behaviour, flex="refused")
    requests = ask(3, model=MODEL)
    sent = go_flex(requests)
    assert (sent.answered, sent.failed) == (3, 0)
    assert tiers(journal, server, requests) == {"default"}
    (figures,) = Figures(journal.reader).batches()
    assert figures.usd == figures.usd_as_calls


def test_a_model_without_the_tier_is_asked_at_the_standard_one_at_once(go_flex, server):
    error = {"message": "Invalid service_tier argument", "type": "invalid_request_error", "param": "service_tier"}
    server.misbehave(fault(status=400, body={"error": error}, times=1))
    assert go_flex(ask(1, model=MODEL)).answered == 1


def test_a_budget_counts_what_a_tier_has_cost(go_flex, server, journal):
    go_flex(ask(3, model=MODEL, max_completion_tokens=50), budget=Decimal(1))
    (figures,) = Figures(journal.reader).batches()
    (row,) = journal.reader.batches()
    assert Budget(Decimal(1), journal.reader, (server.origin,), row.run).spent() == figures.usd
