"""Conversations recorded from real HTTP and replayed with the server gone."""

import asyncio
import json
import os
import socket
import struct
import threading
import urllib.request
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from vcr.serialize import deserialize
from vcr.serializers import yamlserializer

from pytest_batcheval.backends.clocks import SimulatorClock
from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import RecordingError, UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.conversations import cassette, player, vcr
from pytest_batcheval.recordings.conversations.cassette import RecordedExchange, decode, encode
from pytest_batcheval.recordings.conversations.conversation import (
    BASE_URL,
    Conversation,
    JumpClock,
    UnrecordedRequest,
    path_of,
)
from pytest_batcheval.recordings.conversations.normalise import FileNames, normal_body
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire.objects import Request

COMMAND = "pytest 'tests/test_job.py::test_whole' --batch=record"
KEY = "sk-canary-0123456789abcdef"


def asks(count, text="질문"):
    return [Request({"model": "m", "messages": [{"role": "user", "content": f"{text} {n} 🙂"}]}) for n in range(count)]


def answers_of(requests, backend, clock, journal_path, limits=None):
    """What `engine.send.send` brings home of these requests, as the bytes of their responses by key."""
    with Journal.open(journal_path) as journal:
        sent = send(
            requests, backend=backend, journal=journal, clock=clock, policy=SendPolicy(limits=limits or Limits())
        )
        assert (sent.answered, sent.failed) == (len(requests), 0)
        found = journal.reader.answers(requests, backend.origin)
        return {key: json.dumps(answer.response).encode() for key, answer in found.items()}


def record(path, requests, folder, limits=None):
    """Record a whole job from a simulator of its own; return the answers and the requests that were made."""
    with (
        SimulatorServer() as server,
        OpenAIBatch(server.base_url, KEY) as backend,
        SimulatorClock(backend.clock_address) as clock,
        Conversation.recorded(path, backend.base_url, backend.origin) as conversation,
    ):
        answers = answers_of(requests, backend, clock, folder / "recorded.sqlite", limits)
    return answers, conversation.requests


@contextmanager
def replayed(path):
    with (
        Conversation.replayed(path, command=COMMAND) as conversation,
        OpenAIBatch(conversation.base_url, "none", scope="replayed") as backend,
    ):
        backend.origin = conversation.origin
        yield conversation, backend


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cassettes" / "conversations" / "job.yaml"


# -- a whole job --------------------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_a_job_of_275_requests_is_one_conversation_that_replays_offline(path, tmp_path, monkeypatch):
    requests = asks(275)
    answers, made = record(path, requests, tmp_path)
    first = path.read_bytes()
    again, _ = record(path, requests, tmp_path / "again")
    assert (path.read_bytes(), again) == (first, answers)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    clock = JumpClock()
    with replayed(path) as (conversation, backend):
        assert answers_of(requests, backend, clock, tmp_path / "replayed.sqlite") == answers
    assert conversation.origin == "simulator:faithful@0"
    assert conversation.unused == []
    assert clock.now() > 60
    assert [asked[:2] for asked in conversation.requests] == [asked[:2] for asked in made]
    assert b"".join(sorted(r.line() for r in requests))[:40] in b"".join(a.body for a in conversation.requests)


@pytest.mark.sampled
def test_batches_side_by_side_replay_in_whatever_order_their_threads_run(path, tmp_path):
    requests = asks(60)
    answers, _ = record(path, requests, tmp_path, Limits(requests=10))
    for number in range(5):
        with replayed(path) as (_, backend):
            journal = tmp_path / f"replayed-{number}.sqlite"
            assert answers_of(requests, backend, JumpClock(), journal, Limits(requests=10)) == answers


def test_another_job_is_told_what_differs_and_is_not_sent_for_ever(path, tmp_path):
    record(path, asks(3), tmp_path)
    with replayed(path) as (conversation, backend), pytest.raises(UnrecordedRequest) as caught:
        answers_of(asks(3, "물음"), backend, JumpClock(), tmp_path / "replayed.sqlite")
    text = str(caught.value)
    assert text.startswith(f"{path} has no reply to POST /v1/files\n")
    assert "the nearest recorded request is POST /v1/files, which differs in:" in text
    assert "질문 0" in text
    assert "물음 0" in text
    assert text.endswith(f"record the conversation again: {COMMAND} --batch-backend=simulator:faithful")
    assert conversation.unmatched is caught.value


def test_of_several_the_nearest_is_the_one_whose_body_reads_most_alike(path, scripted):
    def create(client, endpoint):
        client.batches.create(input_file_id="f", endpoint=endpoint, completion_window="24h")

    endpoints = ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"]
    script(scripted, path, [batch("validating")] * 3, lambda client: [create(client, name) for name in endpoints])
    with pytest.raises(UnrecordedRequest) as caught:
        replay(path, lambda client: create(client, "/v1/embedding"))
    assert "/v1/embeddings" in str(caught.value)
    assert "/v1/responses" not in str(caught.value)


def test_a_file_name_is_the_one_of_the_run_that_asks(path, tmp_path):
    source = tmp_path / "input.jsonl"
    source.write_bytes(b"{}\n")
    one, two, three = (f"batcheval-0123456789abcdef-{nonce}.jsonl" for nonce in ("aaaaaaaa", "bbbbbbbb", "cccccccc"))
    with (
        SimulatorServer() as server,
        OpenAIBatch(server.base_url, KEY) as backend,
        Conversation.recorded(path, backend.base_url, backend.origin),
    ):
        recorded = [backend.upload(source, name) for name in (one, two)]
        backend.find_file(two)
    assert b"aaaaaaaa" not in path.read_bytes()
    with replayed(path) as (_, backend):
        assert backend.upload(source, three).filename == three
        assert backend.upload(source, one).filename == one
        assert backend.find_file(one).id == recorded[1].id


# -- what a server does -------------------------------------------------------------------------------------------


class Scripted:
    """A server that gives the next of its replies, (status, headers, body) or None for a reset, and says what came."""

    def __init__(self):
        self.replies = []
        self.came = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                scripted.came.append((self.command, self.path, dict(self.headers)))
                reply = scripted.replies.pop(0)
                if reply is None:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                status, headers, body = reply
                data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do

            def log_message(self, *words):
                pass

            def finish(self):
                with suppress(OSError):  # it was reset
                    super().finish()

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))


@pytest.fixture
def scripted():
    server = Scripted()
    server.thread.start()
    yield server
    server.server.shutdown()
    server.thread.join()
    server.server.server_close()


def client_of(url, key=KEY, **options):
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, **options)


def script(scripted, path, replies, talk, **options):
    """Record what `talk` says to a client while the server gives these replies."""
    scripted.replies = list(replies)
    recorded = Conversation.recorded(path, scripted.base_url, "http://provider/v1")
    with recorded, client_of(scripted.base_url, **options) as client:
        return talk(client)


def batch(status, **fields):
    return (200, {}, {"id": "batch_1", "object": "batch", "status": status, **fields})


def polls(count):
    return lambda client: [client.batches.retrieve("batch_1").status for _ in range(count)]


def replay(path, talk):
    with Conversation.replayed(path, command=COMMAND) as conversation, client_of(conversation.base_url) as client:
        return talk(client), conversation


def outcome(call):
    """What became of a call: its result, or the fault by kind, code and time to wait."""
    try:
        return call()
    except ProviderFailure as fault:
        return type(fault), fault.cause, fault.status_code, getattr(fault, "retry_after", None)


def test_what_went_wrong_goes_wrong_again_in_the_same_way(path, scripted):
    limited = (429, {"retry-after": "7"}, {"error": {"code": "rate_limit_exceeded", "message": "slow"}})
    broken = (500, {}, {"error": {"message": "oops"}})
    cut = (200, {"transfer-encoding": "identity"}, b'{"id": "batch_1"')
    scripted.replies = [(404, {}, {}), limited, broken, None, cut, batch("completed"), None]
    origin = "http://provider/v1"

    def talk(backend):
        looks = [outcome(lambda: backend.retrieve("batch_1")) for _ in range(5)]
        return [*looks, outcome(lambda: backend.create("file-1", "/v1/embeddings", {}, "key"))]

    with OpenAIBatch(scripted.base_url, KEY) as backend, Conversation.recorded(path, scripted.base_url, origin):
        recorded = talk(backend)
    kinds = [seen[0].__name__ if isinstance(seen, tuple) else seen.status for seen in recorded]
    assert kinds == ["TransientFailure"] * 4 + ["completed", "UnknownOutcome"]
    assert recorded[0][3] == 7.0
    with replayed(path) as (_, backend):
        assert talk(backend) == recorded


def test_equal_polls_are_stored_once_with_their_number(path, scripted):
    states = [batch("validating")] * 2 + [batch("in_progress")] * 5 + [batch("completed")]
    told = [(status, {"x-request-id": f"req_{number}"}, body) for number, (status, _, body) in enumerate(states)]
    seen = script(scripted, path, told, polls(8))
    _, exchanges = decode(path.read_bytes())
    assert [exchange.times for exchange in exchanges] == [2, 5, 1]
    assert replay(path, polls(8))[0] == seen


def test_equal_polls_before_and_after_a_change_stay_two(path, scripted):
    def talk(client):
        polls(1)(client)
        client.batches.cancel("batch_1")
        polls(1)(client)

    script(scripted, path, [batch("in_progress")] * 3, talk)
    assert [(exchange.method, exchange.times) for exchange in decode(path.read_bytes())[1]] == [
        ("GET", 1),
        ("POST", 1),
        ("GET", 1),
    ]


def test_a_client_that_tries_again_after_any_exception_does_not_outlive_an_unrecorded_request(path, scripted):
    def stubborn(client):
        with suppress(Exception):
            client.batches.retrieve("batch_2")

    script(scripted, path, [batch("completed")], polls(1))
    with pytest.raises(UnrecordedRequest, match="GET /v1/batches/batch_2"):
        replay(path, stubborn)


def test_a_poll_that_comes_more_often_gets_the_last_answer_but_not_for_ever(path, scripted, monkeypatch):
    monkeypatch.setattr(player, "MAX_REPEATS", 10)
    script(scripted, path, [batch("validating"), batch("in_progress")], polls(2))
    assert replay(path, polls(12))[0] == ["validating"] + ["in_progress"] * 11
    with pytest.raises(UnrecordedRequest, match="is recorded 2 times, and was made once more"):
        replay(path, polls(13))


def test_what_was_asked_once_is_answered_once(path, scripted):
    script(scripted, path, [batch("completed")], polls(1))
    with pytest.raises(UnrecordedRequest, match="is recorded 1 time, and was made once more"):
        replay(path, polls(2))


def test_equal_creates_stay_two(path, scripted):
    def create(client):
        made = client.batches.create(input_file_id="f", endpoint="/v1/embeddings", completion_window="24h")
        return made.id

    two = [(200, {}, {"id": name, "object": "batch"}) for name in ("batch_1", "batch_1")]
    script(scripted, path, two, lambda client: [create(client), create(client)])
    assert [exchange.times for exchange in decode(path.read_bytes())[1]] == [1, 1]
    with pytest.raises(UnrecordedRequest):
        replay(path, lambda client: [create(client) for _ in range(3)])


def test_a_batch_polled_by_lists_may_be_looked_at_by_itself(path, scripted):
    lists = [
        (200, {}, {"object": "list", "has_more": False, "data": [batch(s)[2]]}) for s in ("validating", "completed")
    ]
    script(scripted, path, lists, lambda client: [list(client.batches.list()) for _ in lists])
    assert replay(path, polls(2))[0] == ["validating", "completed"]


def test_after_a_create_a_list_is_not_older_than_it(path, scripted):
    lists = [(200, {}, {"object": "list", "has_more": False, "data": data}) for data in ([], [batch("validating")[2]])]

    def create(client):
        client.batches.create(input_file_id="f", endpoint="/v1/embeddings", completion_window="24h")

    def all_batches(client):
        return len(list(client.batches.list()))

    script(
        scripted,
        path,
        [lists[0], batch("validating"), lists[1]],
        lambda client: [all_batches(client), create(client), all_batches(client)],
    )
    (_, seen), conversation = replay(path, lambda client: (create(client), all_batches(client)))
    assert seen == 1
    assert conversation.unused == []


def test_what_a_replay_did_not_ask_for_is_known(path, scripted):
    script(
        scripted,
        path,
        [batch("validating"), (200, {}, {"id": "batch_2"})],
        lambda client: [
            client.batches.retrieve("batch_1"),
            client.batches.cancel("batch_1"),
        ],
    )
    _, conversation = replay(path, polls(1))
    assert [(exchange.method, exchange.path) for exchange in conversation.unused] == [
        ("POST", "/v1/batches/batch_1/cancel")
    ]


# -- nothing gets out ---------------------------------------------------------------------------------------------


def httpx_get(url):
    with openai.DefaultHttpxClient() as client:
        return client.get(url)


@pytest.mark.parametrize("proxy", [False, True])
def test_a_replay_reaches_no_server(path, scripted, monkeypatch, proxy):
    script(scripted, path, [batch("completed")], polls(1))
    scripted.came.clear()
    if proxy:
        monkeypatch.setenv("HTTP_PROXY", scripted.base_url.removesuffix("/v1"))
    with Conversation.replayed(path, command=COMMAND) as conversation:
        for url in (conversation.base_url, scripted.base_url):
            with client_of(url) as client, pytest.raises(UnrecordedRequest, match=r"GET .*/batches/batch_of_another"):
                client.batches.retrieve("batch_of_another_test")
        for ask in (httpx_get, urllib.request.urlopen):
            with pytest.raises(UnrecordedRequest, match=r"GET http://127\.0\.0\.1:\d+/v1/files"):
                ask(f"{scripted.base_url}/files")
    assert scripted.came == []
    assert conversation.base_url == "http://conversation.invalid/v1"


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_vcrpy_that_knows_the_http_library_nothing_begins(monkeypatch, scripted, path, offline):
    script(scripted, path, [batch("completed")], polls(1))
    monkeypatch.setattr(vcr._Cassette, "use", lambda **options: nullcontext())
    live, replay = Conversation.live(scripted.base_url, "o"), Conversation.replayed(path, command=COMMAND)
    with pytest.raises(RecordingError, match=r"vcrpy .* does not see the requests of openai .*pip install -U vcrpy"):
        (replay if offline else live).__enter__()


def test_requests_to_others_are_neither_recorded_nor_stopped(path, scripted):
    scripted.replies = [batch("completed")]
    recorded = Conversation.recorded(path, "http://127.0.0.1:9/v1", "o")
    with recorded as conversation, client_of(scripted.base_url) as client:
        assert polls(1)(client) == ["completed"]
    assert conversation.requests == []
    assert not path.exists()


def test_an_async_client_is_recorded_and_replayed_too(path, scripted):
    async def talk(url):
        async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            first = (await client.batches.retrieve("batch_1")).status
            with pytest.raises(openai.APIConnectionError) as caught:
                await client.batches.retrieve("batch_1")
            return first, type(caught.value.__cause__)

    scripted.replies = [batch("completed"), None]
    with Conversation.recorded(path, scripted.base_url, "o"):
        recorded = asyncio.run(talk(scripted.base_url))
    with Conversation.replayed(path, command=COMMAND) as conversation:
        assert asyncio.run(talk(conversation.base_url)) == recorded


# -- the file -----------------------------------------------------------------------------------------------------


def test_no_secret_is_in_the_file(path, scripted):
    canaries = {
        "key": KEY,
        "organization": "org-canary0123456789",
        "project": "proj_canary0123456789",
        "cookie": "session-canary-0123456789",
        "request": "req_canary",
        "clock": "127.0.0.1:54321",
    }
    said = {
        "set-cookie": canaries["cookie"],
        "openai-organization": canaries["organization"],
        "x-request-id": canaries["request"],
        "x-simulator-clock": canaries["clock"],
    }
    echo = {"error": {"message": f"{KEY} of {canaries['organization']}, sk-another-0123456789 of proj_another01234567"}}
    answer = {"id": "batch_1", "metadata": {"echo": KEY, "text": "sk-learn-is-no-key"}}
    seen = script(
        scripted,
        path,
        [(401, said, echo), (200, said, answer)],
        lambda client: [outcome_of_sdk(client), client.batches.retrieve("batch_1").id],
        organization=canaries["organization"],
        project=canaries["project"],
        default_headers={"cookie": canaries["cookie"]},
    )
    assert seen == [401, "batch_1"]
    text = path.read_text("utf-8")
    sent = {name.lower(): value for name, value in scripted.came[0][2].items()}
    assert (sent["authorization"], sent["accept-encoding"]) == (f"Bearer {KEY}", "identity")
    for name, canary in {**canaries, "other": "sk-another-0123456789", "account": "proj_another01234567"}.items():
        assert canary not in text, name
    assert "sk-learn-is-no-key" in text
    _, exchanges = decode(text.encode())
    assert {name for exchange in exchanges for name in exchange.headers} == {"content-type", "x-request-id"}


def outcome_of_sdk(client):
    with pytest.raises(openai.AuthenticationError) as caught:
        client.batches.retrieve("batch_1")
    return caught.value.status_code


def test_the_file_is_for_people_and_for_vcrpy(path, scripted):
    spoken = "잠을 못 자요 🙂"
    script(
        scripted,
        path,
        [batch("completed", metadata={"said": spoken}), (200, {}, '{"id": "\u202e뒤집힘"}'.encode())],
        polls(2),
    )
    lines = path.read_text("utf-8").splitlines()
    assert (
        f'        {{"id": "batch_1", "object": "batch", "status": "completed", "metadata": {{"said": "{spoken}"}}}}'
        in lines
    )
    assert r'      string: "{\"id\": \"\u202e뒤집힘\"}"' in lines
    requests, responses = deserialize(path.read_text("utf-8"), yamlserializer)[:2]
    assert [(r.method, r.uri) for r in requests] == [("GET", f"{BASE_URL}/batches/batch_1")] * 2
    assert json.loads(responses[0]["body"]["string"])["metadata"] == {"said": spoken}


TEXT = st.text(
    st.sampled_from(" \n\t\r\"'#:-|%@`&*!가a0\x00\x7f\x85\u2028\u200b\u202e\ufeff\ufffe\uffff🙂\U0010ffff"), max_size=12
)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("c_library", [True, False])
@given(bodies=st.lists(st.one_of(st.binary(max_size=12), TEXT.map(str.encode)), min_size=1, max_size=3))
def test_any_body_comes_back_byte_by_byte(c_library, bodies):
    exchanges = [RecordedExchange("GET", "/v1/x?y=1", body, {}, 200, "OK", {"a": "b"}, body, "", 2) for body in bodies]
    data = encode("o", exchanges)
    with pytest.MonkeyPatch.context() as patch:
        if not c_library:
            patch.delattr(yaml, "CSafeLoader", raising=False)
        assert decode(data) == ("o", exchanges)
    assert not set("\r\x00\x7f\x85\u2028\u200b\u202e\ufeff") & set(data.decode())


HEAD = 'version: 1\nconversation:\n  format: 1\n  origin: "o"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (f"{HEAD}interactions: &a []\n", 5, "alias or anchor"),
        (f"{HEAD}interactions: [*a]\n", 5, "alias"),
        (f"{HEAD}interactions:\n- !!python/object/apply:os.system [ls]\n", 6, "the YAML tag tag:yaml.org,2002:python"),
        (f"{HEAD}interactions:\n- {'[' * 20}{']' * 20}\n", 6, "nested more than 12 levels"),
        (f"{HEAD}interactions:\n- {{}}\n- {{}}\n", 6, "required field `request`"),
        (f"{HEAD}interactions: [\n", 6, "the file is not valid YAML"),
        (
            f"{HEAD.replace('1', '2')}interactions: []\n",
            1,
            "the file has version 2 and conversation.format 2; this release",
        ),
        (f"{HEAD.replace('version: 1', 'version: 9')}interactions: []\n", 1, "version 9 and conversation.format 1"),
        (f"{HEAD}<<<<<<< HEAD\ninteractions: []\n=======\n>>>>>>> theirs\n", 5, "git left a conflict here"),
        (f"{HEAD}interactions: []\nmore: 1\n", 1, "unknown field `more`"),
        ("", 1, "Expected `object`"),
        ("x: \udcff\n", 1, "the file is not UTF-8"),
        (HEAD + "x: \udcff\n", 5, "the file is not UTF-8"),
    ],
)
def test_a_broken_file_is_named_with_its_line(path, text, line, reason):
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecordingError) as caught:
        Conversation.replayed(path, command=COMMAND)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert reason in str(caught.value)
    assert str(caught.value).endswith(COMMAND)


def test_a_uri_that_leads_somewhere_is_refused(path, scripted):
    script(scripted, path, [batch("completed")], polls(1))
    text = path.read_text("utf-8").replace(BASE_URL, "https://api.openai.com/v1")
    path.write_text(text, "utf-8")
    with pytest.raises(RecordingError, match=rf"yaml:{text[: text.index('- request')].count(chr(10)) + 1}: the uri"):
        Conversation.replayed(path, command=COMMAND)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "a Git LFS pointer.*git lfs pull"),
        (b"\x00GITCRYPT\x00\x9c", "encrypted by git-crypt"),
    ],
)
def test_a_file_that_stands_in_for_a_conversation_is_named(path, data, what):
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=f"job.yaml is {what}") as caught:
        Conversation.replayed(path, command=COMMAND)
    assert COMMAND not in str(caught.value)


def test_a_checkout_with_other_line_ends_and_a_byte_order_mark_has_the_same_conversation(path, scripted):
    script(scripted, path, [batch("completed")], polls(1))
    before = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + before.replace(b"\n", b"\r\n"))
    assert cassette.read(path, COMMAND) == decode(before)


def test_a_file_that_is_too_large_is_neither_read_nor_written(path, scripted, monkeypatch):
    script(scripted, path, [batch("completed")], polls(1))
    before = path.read_bytes()
    monkeypatch.setattr(cassette, "MAX_SIZE", len(before) - 1)
    with pytest.raises(RecordingError, match=r"job\.yaml:1: the file has \d+ bytes"):
        Conversation.replayed(path, command=COMMAND)
    with pytest.raises(RecordingError, match="make fewer requests in one test"):
        cassette.write(path, *decode(before))
    assert path.read_bytes() == before


def test_a_missing_file_names_the_command_that_records(path):
    with pytest.raises(RecordingError, match=r"does not exist; record the conversation: pytest .*--batch=record"):
        Conversation.replayed(path, command=COMMAND)


# -- recording ----------------------------------------------------------------------------------------------------


def test_a_recording_of_another_origin_is_not_replaced(path, scripted):
    script(scripted, path, [batch("completed")], polls(1))
    with pytest.raises(
        RecordingError, match=r"recorded against http://provider/v1; delete .* the simulator \(blind@0\)"
    ):
        Conversation.recorded(path, scripted.base_url, "simulator:blind@0")


def test_a_broken_recording_is_not_replaced_either(path):
    path.parent.mkdir(parents=True)
    path.write_text("half")
    with pytest.raises(RecordingError, match="delete it, then record"):
        Conversation.recorded(path, "http://127.0.0.1:9/v1", "o")


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_recording_leaves_the_old_one(path, scripted, end):
    script(scripted, path, [batch("completed")], polls(1))
    before = path.read_bytes()

    def interrupted(client):
        polls(1)(client)
        raise end

    with pytest.raises(end):
        script(scripted, path, [batch("failed")], interrupted)
    assert path.read_bytes() == before


def test_a_recording_that_cannot_be_written_whole_leaves_the_old_one(path, scripted, monkeypatch):
    script(scripted, path, [batch("completed")], polls(1))
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        script(scripted, path, [batch("failed")], polls(1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_recording_that_does_not_read_back_leaves_the_old_one(path, scripted, monkeypatch):
    script(scripted, path, [batch("completed")], polls(1))
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda file: os.pwrite(file, b"X", os.pread(file, 300, 0).index(b"provider")))
    with pytest.raises(RecordingError, match="does not read back as written"):
        script(scripted, path, [batch("failed")], polls(1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# -- forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "one", "other"),
    [
        ("application/json", b'{"b": 1, "a": [1.0]}', b'{"a":[1],"b":1}'),
        (
            "multipart/form-data; boundary={}",
            b'--{}\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\na\r\nb\r\n--{}--\r\n',
            b'--{}\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: a/b\r\n\r\na\r\nb\r\n--{}--\r\n',
        ),
    ],
)
def test_bodies_that_mean_the_same_have_one_form(content_type, one, other):
    forms = {
        normal_body(content_type.replace("{}", word), body.replace(b"{}", word.encode()))
        for word, body in (("11aa", one), ("22bb", other))
    }
    assert len(forms) == 1


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": NaN}', b"[" * 5000, b"\xff", b'{"a": "\\ud800"}'])
def test_a_body_without_a_normal_form_stays_as_it_is(body):
    assert normal_body("application/json", body) == body


def test_nonces_become_numbers_and_come_back():
    names = FileNames()
    text = (
        b"batcheval-00000000000000aa-12345678 batcheval-00000000000000aa-9abcdef0 batcheval-00000000000000bb-9abcdef0"
    )
    names.learn(text)
    stored = names.stored(text)
    assert [word[-8:] for word in stored.split()] == [b"00000001", b"00000002", b"00000001"]
    assert names.live(stored) == text
    assert names.stored(b"batcheval-00000000000000cc-12345678") == b"batcheval-00000000000000cc-12345678"


@pytest.mark.parametrize(
    ("module", "test", "expected"),
    [
        ("tests/test_x.py", "test_y", "tests/test_x/test_y"),
        ("test_x.py", "TestA::test_y[a-1]", "test_x/TestA-test_y-a-1"),
        ("test_x.py", "test_y[한글]", "test_x/test_y-d6d48131"),
        ("../x/test_x.py", "test_y[../../etc]", None),
        ("test_x.py", "test_y[" + "a" * 500 + "]", None),
    ],
)
def test_each_test_has_a_file_below_the_folder(tmp_path, module, test, expected):
    found = path_of(tmp_path, module, test).relative_to(tmp_path / "conversations")
    assert ".." not in found.parts
    assert all(len(part) < 100 for part in found.parts)
    if expected is not None:
        assert str(found.with_suffix("")) == expected


def test_tests_that_look_alike_have_files_of_their_own(tmp_path):
    tests = [
        "test_y[a/b]",
        "test_y[a b]",
        "test_y[a-b]",
        "test_y[가]",
        "test_y[나]",
        *(f"test_y[{'a' * n}]" for n in (90, 91)),
    ]
    assert len({path_of(tmp_path, "test_x.py", test) for test in tests}) == len(tests)


def test_a_name_may_be_given(tmp_path):
    assert path_of(tmp_path, "test_x.py", "test_y", "jobs/whole") == tmp_path / "conversations/jobs/whole.yaml"
    assert path_of(tmp_path, "m.py", "t[a]", "whole", "a") == tmp_path / "conversations/whole-a.yaml"
    for name in ("../x", "/x", "a//b", "", "a.b", "a/"):
        with pytest.raises(UsageError, match="a conversation's name"):
            path_of(tmp_path, "test_x.py", "test_y", name)


@pytest.mark.parametrize("place", ["", "conversations", "conversations/test_x", "conversations/test_x/test_y.yaml"])
def test_symbolic_links_are_refused(tmp_path, place):
    cassettes = tmp_path / "cassettes"
    link = cassettes / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match="is a symbolic link"):
        path_of(cassettes, "test_x.py", "test_y")
