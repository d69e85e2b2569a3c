"""Individual calls against a provider that answers byte by byte what a test says."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from email.utils import formatdate

import pytest

from pytest_batcheval.backends.calls import CallReply
from pytest_batcheval.backends.clocks import SystemClock
from pytest_batcheval.backends.errors import TransientFailure, UnknownOutcome
from pytest_batcheval.backends.openai_calls import IndividualCalls
from pytest_batcheval.backends.reply_limits import Caps
from pytest_batcheval.errors import UsageError

CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "질문"}], "seed": 2**63, "x_own": [1.5, None]}
SENT = json.dumps(BODY).encode()
KEY = "0" * 40
ANSWER = {"id": "chatcmpl-1", "choices": [{"message": {"content": "yes"}}]}
GZIPPED = gzip.compress(json.dumps(ANSWER).encode())


@pytest.fixture
def calls(server, key):
    with IndividualCalls(server.base_url, key, Caps(reply=2000)) as calls:
        yield calls


def outcome(calls, url=CHAT):
    started = calls.start(url, SENT, KEY)
    ((number, found),) = finished(calls, 1)
    assert number == started
    return found


def finished(calls, count):
    found = []
    while len(found) < count:
        SystemClock().wait(calls.signal, 60, count)
        found += calls.finished()
    return found


@pytest.mark.parametrize("url", [CHAT, "/v1/responses", "/v1/embeddings"])
def test_a_call_is_one_post_of_the_body_as_it_is(server, calls, http, key, url):
    server.reply = lambda asked: http(200, ANSWER, {"x-request-id": "req_1"})
    found = outcome(calls, url)
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.json) == ("POST", url, BODY)
    assert asked.headers["authorization"] == f"Bearer {key}"
    assert asked.headers["x-client-request-id"] == KEY
    assert asked.headers["accept-encoding"] == "identity"
    assert (found.status, found.request_id) == (200, "req_1")
    assert b'"yes"' in found.content


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 429, 500, 502, 503, 504])
def test_a_refusal_is_a_reply_and_is_not_sent_again(server, calls, http, status):
    server.reply = lambda asked: http(status, {"error": {"message": "no", "code": "x"}})
    assert outcome(calls).status == status
    assert len(server.asked) == 1


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", ""])
def test_a_reply_that_a_proxy_has_compressed_is_unpacked(server, calls, http, encoding):
    plain = json.dumps(ANSWER).encode()
    packed = zlib.compress(plain) if encoding == "deflate" else GZIPPED
    server.reply = lambda asked: http(200, packed, {"content-encoding": encoding})
    assert outcome(calls).content == plain
    server.reply = lambda asked: http(503, packed, {"content-encoding": encoding})
    assert outcome(calls).content == plain


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server, calls, http, status):
    server.reply = lambda asked: http(status, b"", {"location": f"{server.base_url}/elsewhere"})
    assert outcome(calls).status == status
    assert [asked.path for asked in server.asked] == [CHAT]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5", "retry-after-ms": "300"}, 0.3),
        ({"retry-after": "86400"}, 3600),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": formatdate(1_000_120, usegmt=True), "date": formatdate(1_000_000, usegmt=True)}, 120),
        ({"retry-after": formatdate(1_000_000, usegmt=True), "date": formatdate(1_000_060, usegmt=True)}, 0),
    ],
)
def test_retry_after_is_read_in_every_form(server, calls, http, headers, seconds):
    server.reply = lambda asked: http(429, {"error": {"message": "slow down"}}, headers)
    assert outcome(calls).retry_after == seconds


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(lambda http: b"", id="closed at once"),
        pytest.param(lambda http: http(200, b'{"choices": [', {"content-length": "500"}), id="cut"),
        pytest.param(lambda http: http(200, GZIPPED[:-9], {"content-encoding": "gzip"}), id="cut while compressed"),
        pytest.param(lambda http: http(200, GZIPPED[:9] + b"junk" * 9, {"content-encoding": "gzip"}), id="no gzip"),
        pytest.param(lambda http: http(200, b"?", {"content-encoding": "own"}), id="packed nobody knows how"),
        pytest.param(lambda http: http(200, gzip.compress(b" " * 3000), {"content-encoding": "gzip"}), id="a bomb"),
        pytest.param(lambda http: http(200, b" " * 3000), id="too large"),
        pytest.param(lambda http: b"HTTP/1.1 nonsense\r\n\r\n", id="no HTTP"),
    ],
)
def test_without_a_whole_reply_the_outcome_is_unknown(server, calls, http, reply):
    server.reply = lambda asked: reply(http)
    assert isinstance(outcome(calls), UnknownOutcome)
    assert len(server.asked) == 1


def test_after_a_reset_the_outcome_is_unknown(server, calls, reset):
    server.reply = lambda asked: reset
    assert isinstance(outcome(calls), UnknownOutcome)
    assert len(server.asked) == 1


def test_a_call_that_never_reached_the_server_passes(closed_port, key):
    with IndividualCalls(f"http://127.0.0.1:{closed_port}/v1", key) as calls:
        assert isinstance(outcome(calls), TransientFailure)


def test_the_key_stands_in_no_reply_and_no_fault(server, calls, http, key):
    server.reply = lambda asked: http(401, {"error": {"message": f"wrong: {key}"}}, {"x-request-id": key})
    found = outcome(calls)
    assert key not in found.content.decode() + found.request_id
    server.reply = lambda asked: f"HTTP/1.1 {key}\r\n\r\n".encode()
    assert key not in repr(outcome(calls))
    assert key not in repr(vars(calls))


@pytest.mark.parametrize("bad", ["two words", "라"])
def test_a_key_that_is_none_is_a_usage_error(server, bad):
    with pytest.raises(UsageError):
        IndividualCalls(server.base_url, bad).close()


def test_a_call_that_is_given_up_says_so(server, calls):
    hold = threading.Event()
    server.reply = lambda asked: lambda connection: hold.wait(60)
    started = calls.start(CHAT, SENT, KEY)
    while not server.asked:
        time.sleep(0)
    calls.give_up(started)
    calls.give_up(started + 99)
    ((number, found),) = finished(calls, 1)
    hold.set()
    assert (number, type(found), found.cause) == (started, UnknownOutcome, "given_up")


def test_calls_fly_side_by_side(server, calls, http):
    together = threading.Barrier(20, timeout=60)

    def answer(asked):
        together.wait()
        return http(200, ANSWER)

    server.reply = answer
    started = {calls.start(CHAT, SENT, KEY) for _ in range(20)}
    found = finished(calls, 20)
    assert {number for number, _ in found} == started
    assert len(started) == 20
    assert {type(reply) for _, reply in found} == {CallReply}


def test_an_error_of_ours_is_raised_where_the_calls_are_taken(calls):
    calls.start(CHAT, object(), KEY)
    with pytest.raises(TypeError):
        finished(calls, 1)


def test_it_works_where_an_event_loop_runs(server, calls, http):
    server.reply = lambda asked: http(200, ANSWER)

    async def story():
        ticks = []
        asyncio.get_running_loop().call_soon(ticks.append, "mine")
        found = outcome(calls)
        await asyncio.sleep(0)
        return found, ticks

    found, ticks = asyncio.run(story())
    assert (found.status, ticks) == (200, ["mine"])


def test_closing_ends_the_calls_under_way(server, key):
    hold = threading.Event()
    server.reply = lambda asked: lambda connection: hold.wait(60)
    with IndividualCalls(server.base_url, key) as calls:
        calls.start(CHAT, SENT, KEY)
        while not server.asked:
            time.sleep(0)
    hold.set()
    assert not calls._thread.is_alive()


@pytest.mark.sampled
def test_a_process_that_ends_with_a_call_under_way_says_nothing(server):
    text = f"""
        from pytest_batcheval.backends.openai_calls import IndividualCalls
        calls = IndividualCalls({server.base_url!r}, "test-key")
        calls.start({CHAT!r}, {SENT!r}, {KEY!r})
    """
    hold = threading.Event()
    server.reply = lambda asked: lambda connection: hold.wait(60)
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    hold.set()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
