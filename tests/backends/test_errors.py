"""Every failure of every call over real HTTP: what it means, and that it was asked for once."""

from __future__ import annotations

import gzip
import socket
import time
from email.utils import formatdate

import pytest

from pytest_batcheval.backends.errors import (
    ProviderFailure,
    Refused,
    Stopped,
    TransientFailure,
    UnknownOutcome,
    classify,
    retry_after,
)

CALLS = ("upload", "create", "list", "retrieve", "content", "delete", "cancel")
BATCH = {"id": "batch_1", "object": "batch", "status": "completed", "input_file_id": "file-1"}
R, U, S, STOP, DONE = TransientFailure, UnknownOutcome, Refused, Stopped, None


def error(code=None, message="no"):
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def cut_after(count, http, **more):
    """A reply of a hundred bytes of which `count` come."""
    whole = http(200, b'{"id": "' + b"x" * 90 + b'"}', **more)
    return whole[: len(whole) - 100 + count]


# What each cell of the fault matrix means. R: not applied or harmless, ask again; U: a create that may have
# been applied; S: refused; STOP: the account; DONE: no fault, since the call's aim is reached.
MATRIX = {
    "reset before a reply": dict.fromkeys(CALLS, R) | {"create": U},
    "closed without a reply": dict.fromkeys(CALLS, R) | {"create": U},
    "400": dict.fromkeys(CALLS, S) | {"cancel": DONE},
    "422": dict.fromkeys(CALLS, S),
    "401": dict.fromkeys(CALLS, STOP),
    "403": dict.fromkeys(CALLS, STOP),
    "404": dict.fromkeys(CALLS, S),
    "408": dict.fromkeys(CALLS, R) | {"create": U},
    "409": dict.fromkeys(CALLS, R) | {"create": U, "cancel": DONE},
    "425": dict.fromkeys(CALLS, R) | {"create": U},
    "413": dict.fromkeys(CALLS, S),
    "429": dict.fromkeys(CALLS, R),
    "429 insufficient_quota": dict.fromkeys(CALLS, R) | {"upload": STOP, "create": STOP},
    "403 html": dict.fromkeys(CALLS, STOP) | {"create": U},
    "429 words": dict.fromkeys(CALLS, R) | {"create": U},
    "501": dict.fromkeys(CALLS, S) | {"create": U},
    "500": dict.fromkeys(CALLS, R) | {"create": U},
    "502 html": dict.fromkeys(CALLS, R) | {"create": U},
    "503": dict.fromkeys(CALLS, R) | {"create": U},
    "504": dict.fromkeys(CALLS, R) | {"create": U},
    "599": dict.fromkeys(CALLS, R) | {"create": U},
    "200 html": dict.fromkeys(CALLS, R) | {"create": U},
    "200 text that is no json": dict.fromkeys(CALLS, R) | {"create": U, "content": DONE},
    "200 bottomless json": dict.fromkeys(CALLS, R) | {"create": U, "content": DONE},
    "200 null": dict.fromkeys(CALLS, R) | {"create": U, "content": DONE, "list": DONE, "cancel": DONE},
    "200 without an id": dict.fromkeys(CALLS, R)
    | {"create": U, "list": DONE, "retrieve": DONE, "content": DONE, "cancel": DONE},
    "300": dict.fromkeys(CALLS, STOP) | {"create": U},
    "302": dict.fromkeys(CALLS, STOP) | {"create": U},
    "307": dict.fromkeys(CALLS, STOP) | {"create": U},
    "308": dict.fromkeys(CALLS, STOP) | {"create": U},
    "shorter than its content-length": dict.fromkeys(CALLS, R) | {"create": U},
    "chunked without an end": dict.fromkeys(CALLS, R) | {"create": U},
    "closed in the middle": dict.fromkeys(CALLS, R) | {"create": U, "content": DONE},
    "compressed and cut": dict.fromkeys(CALLS, R) | {"create": U},
    "compressed in a way of its own": dict.fromkeys(CALLS, R) | {"create": U},
    "418": dict.fromkeys(CALLS, S) | {"create": U},
}


def reply_of(fault, http, reset):
    page = b"<html>Bad gateway</html>"
    html = {"content-type": "text/html"}
    chunked = {"transfer-encoding": "chunked"}
    replies = {
        "reset before a reply": reset,
        "closed without a reply": lambda connection: None,
        "429 insufficient_quota": http(429, error("insufficient_quota")),
        "403 html": http(403, page, html),
        "429 words": http(429, b"local rate limit"),
        "502 html": http(502, page, html),
        "200 html": http(200, page, html),
        "200 text that is no json": http(200, b"{'id'"),
        "200 bottomless json": http(200, b"[" * 200_000),
        "200 null": http(200, b"null"),
        "200 without an id": http(200, {"object": "batch", "status": "validating"}),
        "shorter than its content-length": cut_after(50, http),
        "chunked without an end": http(200, b"20\r\n{", chunked, length=False),
        "closed in the middle": cut_after(50, http, length=False),
        "compressed and cut": http(200, gzip.compress(b'{"id": "x"}')[:-9], {"content-encoding": "gzip"}),
        "compressed in a way of its own": http(200, b'{"id": "x"}', {"content-encoding": "own"}),
    }
    if fault in replies:
        return replies[fault]
    headers = {"location": "/v1/elsewhere"} if fault.startswith("3") else None
    return http(int(fault), error(), headers)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", MATRIX)
def test_each_fault_of_each_call_is_what_the_matrix_says_after_one_request(
    fault, call, calls, server, http, reset, tmp_path
):
    def reply(asked):
        if call == "cancel" and asked.method == "GET":
            return http(200, BATCH | {"status": "in_progress"})
        if call == "content" and not asked.path.endswith("/content"):
            return http(200, {"id": "file-2", "object": "file"})
        return reply_of(fault, http, reset)

    server.reply = reply
    meant = MATRIX[fault][call]
    if meant is DONE:
        calls[call]()
    else:
        with pytest.raises(ProviderFailure) as caught:
            calls[call]()
        assert type(caught.value) is meant, caught.value
        assert not (tmp_path / "output.jsonl").exists()
    # Only where HTTP does not say how long a file is, its size is asked for.
    more = {
        "content": int(fault == "closed in the middle"),
        "cancel": int(meant in (DONE, R) and not fault.startswith("429")),
    }.get(call, 0)
    assert len(server.asked) == 1 + more
    assert not any("elsewhere" in asked.path for asked in server.asked)
    assert all(asked.headers.get("x-stainless-retry-count", "0") == "0" for asked in server.asked)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["refused", "no such host", "tls"])
def test_what_never_left_is_sent_again(how, call, calls, backend, server, closed_port, monkeypatch):
    urls = {
        "refused": f"http://127.0.0.1:{closed_port}/v1",
        "tls": server.base_url.replace("http:", "https:"),
        "no such host": "http://provider.invalid/v1",
    }
    monkeypatch.setattr(backend._client, "base_url", urls[how])
    if how == "no such host":

        def unknown(*args, **more):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransientFailure) as caught:
        calls[call]()
    assert "Connect" in caught.value.cause
    assert server.asked == []


def test_a_reply_that_does_not_come_in_time_leaves_a_create_unknown(calls, backend, server, monkeypatch):
    server.reply = lambda asked: lambda connection: connection.recv(1)
    monkeypatch.setattr(backend._client, "timeout", 0.05)
    for call, meant in (("create", UnknownOutcome), ("retrieve", TransientFailure)):
        with pytest.raises(meant) as caught:
            calls[call]()
        assert caught.value.cause == "ReadTimeout"


@pytest.mark.parametrize("hides", ["ConnectError", "ConnectTimeout"])
def test_a_name_alone_does_not_prove_that_a_create_never_left(hides):
    """Only the HTTP library's own exception does."""
    error = type(hides, (OSError,), {"__module__": "elsewhere"})("x")
    assert isinstance(classify("create", error), UnknownOutcome)
    assert isinstance(classify("upload", error), TransientFailure)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ZeroDivisionError("x")])
def test_a_mistake_of_our_own_is_no_fault_of_the_provider(error):
    with pytest.raises(type(error)):
        classify("create", error)


# -- how long to wait ---------------------------------------------------------------------------------------------

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "121"}, 121),
        ({"retry-after": "86400"}, 3600),
        ({"retry-after": "9" * 400}, 3600),
        ({"retry-after": "inf"}, 3600),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "1.2.3"}, None),
        ({"retry-after": formatdate(NOW + 90, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 90),
        ({"retry-after": formatdate(NOW - 90, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 0),
        ({"retry-after": formatdate(NOW + 9e4, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 3600),
        ({"retry-after": formatdate(NOW, usegmt=True), "date": "yesterday"}, None),
        ({"retry-after": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
    ],
    ids=str,
)
def test_retry_after_in_every_form(headers, seconds):
    assert retry_after(headers) == (seconds if seconds is None else pytest.approx(seconds))


def test_a_date_without_the_servers_own_is_read_by_our_clock():
    assert 50 < retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60


@pytest.mark.parametrize("call", ["upload", "create", "list", "retrieve", "content"])
def test_the_time_a_server_names_is_handed_on(call, calls, server, http):
    server.reply = lambda asked: http(429, error("rate_limit_exceeded"), {"retry-after": "333"})
    with pytest.raises(TransientFailure) as caught:
        calls[call]()
    assert caught.value.retry_after == 333
    assert (caught.value.cause, caught.value.status_code) == ("rate_limit_exceeded", 429)


def test_reading_goes_on_slowly_without_quota(calls, server, http):
    server.reply = lambda asked: http(429, error("insufficient_quota"), {"retry-after": "1"})
    with pytest.raises(TransientFailure) as caught:
        calls["retrieve"]()
    assert caught.value.retry_after == 600


# -- what a fault says --------------------------------------------------------------------------------------------


def test_a_fault_says_status_code_message_and_request(calls, server, http):
    server.reply = lambda asked: http(400, error("invalid_value", "bad endpoint"), {"x-request-id": "req_7"})
    with pytest.raises(Refused) as caught:
        calls["create"]()
    assert str(caught.value) == "HTTP 400 invalid_value: bad endpoint (request req_7)"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "just words"}, "just words"),
        ({"detail": "Not here"}, "Not here"),
        (
            {"detail": [{"type": "missing", "loc": ["body", 0, "x"], "msg": "Field required", "input": "a secret"}]},
            ": body.0.x: Field required",
        ),
        ({"object": "error", "message": {"detail": [{"loc": [], "msg": "No"}]}, "type": "t", "code": None}, "t: : No"),
        ({"message": {"message": {"message": "deep"}}}, "deep"),
        (["x"], "x"),
        (b"<html>no</html>", "<html>no</html>"),
        (b"", "400"),
        ({"error": {"message": "lone \ud800", "code": 7}}, "lone ?"),
    ],
)
def test_a_refusal_of_any_shape_is_reported_and_can_be_stored(calls, server, http, body, message):
    server.reply = lambda asked: http(400, body)
    with pytest.raises(Refused) as caught:
        calls["create"]()
    assert message in str(caught.value)
    str(caught.value).encode()


def test_a_refusal_of_a_page_is_shortened(calls, server, http):
    server.reply = lambda asked: http(500, b"x" * 100_000)
    with pytest.raises(TransientFailure) as caught:
        calls["retrieve"]()
    assert len(str(caught.value)) < 1200
