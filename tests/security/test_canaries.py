"""The key, organisation and project of a run are written nowhere, and nothing a stranger wrote is obeyed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace

import pytest
from hostile_provider import Evil

from pytest_batcheval.simulator.faults import connection

LOUD = ("--showlocals", "-vv", "-rA", "--junitxml=junit.xml", "--log-level=DEBUG", "-o", "log_cli=true")
FAILING = """
    @pytest.fixture
    def fails(answer):
        environment = {"OPENAI_API_KEY": os.environ["OPENAI_API_KEY"]}
        key = os.environ["OPENAI_API_KEY"]
        raise RuntimeError(f"in a fixture: {answer.text} {key}")

    @pytest.mark.batch(prompt=ask)
    def test_compares(answer):
        key = os.environ["OPENAI_API_KEY"]
        headers = {"Authorization": f"Bearer {key}"}
        assert [answer.text, headers] == ["fine", {}]

    @pytest.mark.batch(prompt=ask)
    def test_in_a_fixture(answer, fails): pass

    @pytest.mark.batch(prompt=ask)
    def test_chains(answer):
        key = os.environ["OPENAI_API_KEY"]
        try:
            raise KeyError(key)
        except KeyError as error:
            raise ValueError(answer.text) from error

    @pytest.mark.batch(prompt=ask)
    def test_tells(answer):
        print(os.environ["OPENAI_API_KEY"], answer.text)
        logging.getLogger("mine").warning("an answer: %r", answer.text)
        assert 0

    @pytest.mark.batch(prompt=ask)
    def test_passes(answer):
        assert answer.text
"""
PLAIN = """
    @pytest.mark.batch(prompt=ask)
    def test_one(answer):
        assert answer.text
"""


class Echo:
    """A provider that repeats these words in ids and codes: of an answer for kim, of a refusal for choi."""

    def __init__(self, words):
        self.words = words
        self.called = 0

    def rule(self, state):
        state.rewrite, state.interceptor = self.rewrite, self.intercept
        return self

    def rewrite(self, kind, path):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        for line in lines[:1] if kind == "output" else []:
            line["id"] = line["response"]["request_id"] = f"req {self.words}"
        for line in lines[1:] if kind == "output" else []:
            error = {"message": f"no {self.words}", "code": f"c {self.words}"}
            line["response"] = {"status_code": 400, "request_id": self.words, "body": {"error": error}}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    async def intercept(self, exchange):
        self.called += exchange.call == "chat"
        if exchange.call == "chat" and self.called > 1:
            error = {"error": {"message": f"no {self.words}", "code": f"c {self.words}"}}
            return await connection.status(exchange, 400, error, {"x-request-id": self.words})
        return await exchange.answer()


def strikes(server, call, **reply):
    """Let one kind of call be answered like this from now on."""

    async def intercept(exchange):
        if exchange.call == call:
            return await connection.status(exchange, **reply)
        return await exchange.answer()

    server.intercept(intercept)


# -- the key ------------------------------------------------------------------------------------------------------


@pytest.mark.sampled(2)
@pytest.mark.parametrize("more", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def test_failing_tests_with_everything_shown_write_no_key(suite, more, evil):
    suite.server.follow(Evil(evil, "answers"))
    suite.test_file(FAILING)
    done = suite.pytest(*LOUD, *more)
    assert "FAILED test_it.py::test_compares" in done.stdout
    assert "ERROR test_it.py::test_in_a_fixture" in done.stdout
    assert (suite.path / "junit.xml").exists()
    assert suite.leaks() == []


@pytest.mark.sampled
def test_recording_writes_no_key(suite):
    suite.test_file(PLAIN)
    assert suite.pytest("--batch=record", *LOUD).returncode == 0
    assert list(suite.path.rglob("cassettes/**/*.jsonl"))
    assert suite.leaks() == []


OTHER_KEY = "canary.0f3d9b2e8a4c6150"
"""A key that looks like none."""


@pytest.mark.sampled(24)
@pytest.mark.parametrize(
    ("call", "repeated"),
    [
        *((call, "whole") for call in ("files.create", "batches.create", "batches.retrieve", "files.content")),
        *(("batches.create", how) for how in ("starred", "of another form")),
    ],
)
def test_a_refusal_that_repeats_the_key_is_told_without_it(suite, call, repeated, key):
    own = OTHER_KEY if repeated == "of another form" else key
    said = f"{key[:14]}*********{key[-4:]}" if repeated == "starred" else own
    error = {"error": {"message": f"Incorrect API key provided: {said}.", "type": "x", "param": None, "code": said}}
    strikes(suite.server, call, status=401, body=error)
    suite.test_file(PLAIN)
    done = suite.pytest(*LOUD, "--full-trace", OPENAI_API_KEY=own)
    assert done.returncode == 11
    assert "Incorrect API key provided" in done.stdout + done.stderr
    assert suite.leaks() == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("call", ["files.create", "batches.create"])
def test_a_refusal_whose_request_id_repeats_the_key_is_told_without_it(suite, call, key):
    error = {"error": {"message": "Incorrect API key provided", "type": "x", "param": None, "code": None}}
    strikes(suite.server, call, status=401, body=error, headers={"x-request-id": f"req-{key}"})
    suite.test_file(PLAIN)
    assert suite.pytest().returncode == 11
    assert suite.leaks() == []


@pytest.mark.sampled
def test_a_refused_list_is_told_like_any_other_refusal(suite, key):
    error = {"error": {"message": f"Incorrect API key provided: {key}.", "type": "x", "param": None, "code": None}}
    strikes(suite.server, "batches.list", status=401, body=error)
    suite.test_file(PLAIN)
    done = suite.pytest(*LOUD)
    assert suite.leaks() == []
    assert done.returncode == 11, done.stdout[-2000:]


@pytest.mark.sampled
def test_a_crash_of_our_own_with_all_locals_shows_no_key(suite):
    """An internal error prints every frame down to the HTTP client."""
    suite.test_file(PLAIN)
    (suite.path / "conftest.py").write_text(
        "import pytest_batcheval.backends.reply_limits as guard\n"
        "def broken(self, response): raise ZeroDivisionError('inside a reply')\n"
        "guard.Guard.answered = broken\n"
    )
    done = suite.pytest(*LOUD, "--full-trace")
    assert "inside a reply" in done.stdout + done.stderr
    assert suite.leaks() == []


@pytest.mark.sampled
def test_what_a_killed_download_leaves_holds_no_key(suite):
    """The journal with its -wal file, the parts of result files, the lock."""

    async def intercept(exchange):
        if exchange.call == "files.content":
            body = await connection._body(await exchange.handle(exchange))
            exchange.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
            while not list(suite.path.rglob("*.part")):
                await asyncio.sleep(0.01)
            return await connection.kill_client(exchange)
        return await exchange.answer()

    suite.server.intercept(intercept)
    suite.test_file(PLAIN)
    assert suite.pytest(*LOUD).returncode == -9
    names = {path.name for path in (suite.path / ".batcheval").rglob("*")}
    assert {"journal.sqlite-wal", "journal.sqlite.lock"} <= names
    assert [name for name in names if name.endswith(".part")]
    assert suite.leaks() == []
    suite.server.intercept(None)
    assert suite.pytest().returncode == 0
    assert suite.leaks() == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("calls", ["batch", "individual"])
def test_ids_and_codes_that_echo_the_account_are_stored_without_it(suite, calls):
    account = " ".join(suite.canaries.values())
    suite.server.follow(Echo(account))
    suite.test_file(PLAIN)
    done = suite.pytest("--batch=record", f"--batch-calls={calls}", *LOUD)
    assert "request of this test failed" in done.stdout
    assert "1 passed" in done.stdout
    assert suite.leaks() == []


@pytest.mark.sampled
def test_no_column_of_the_journal_holds_what_the_account_is_called(suite):
    suite.test_file(PLAIN)
    suite.pytest()
    with sqlite3.connect(suite.path / ".batcheval" / "journal.sqlite") as journal:
        dump = "\n".join(journal.iterdump())
    journal.close()
    assert 'INSERT INTO "answer"' in dump
    assert "canary" not in dump


@pytest.mark.sampled(5)
@pytest.mark.parametrize("verb", ["show", "verify", "resume", "recover", "cancel"])
def test_no_verb_writes_the_key(suite, verb):
    suite.test_file(PLAIN)
    suite.pytest("--batch-wait=0")
    with sqlite3.connect(suite.path / ".batcheval" / "journal.sqlite") as journal:
        (key,), (batch,) = (
            journal.execute(f"SELECT {what}").fetchone() for what in ("key FROM request", "batch_id FROM batch")
        )
    journal.close()
    suite.batcheval(verb, *{"show": [key], "cancel": [batch]}.get(verb, []))
    assert suite.leaks() == []


# -- the terminal -------------------------------------------------------------------------------------------------


@pytest.mark.sampled(2)
@pytest.mark.parametrize("colour", ["no", "yes"])
def test_hostile_answers_are_obeyed_by_no_terminal(suite, evil, colour):
    suite.server.follow(Evil(evil, "answers"))
    suite.test_file(FAILING.replace("log_cli", "x"))
    done = suite.pytest("--showlocals", "-vv", "-rA", f"--color={colour}")
    assert r"\x1b]0;title" in done.stdout
    assert suite.raw() == []


@pytest.mark.sampled
def test_hostile_answers_that_a_test_logs_live_are_obeyed_by_no_terminal(suite, evil):
    suite.server.follow(Evil(evil, "answers"))
    suite.test_file(FAILING.replace("%r", "%s"))
    suite.pytest("--log-level=DEBUG", "-o", "log_cli=true")
    assert suite.raw() == []


@pytest.mark.sampled
def test_hostile_answers_are_shown_harmlessly_by_the_verbs(suite, evil):
    suite.server.follow(Evil(evil, "answers"))
    suite.test_file(PLAIN)
    suite.pytest("--batch=record")
    with sqlite3.connect(suite.path / ".batcheval" / "journal.sqlite") as journal:
        (key,) = journal.execute("SELECT key FROM request").fetchone()
    journal.close()
    done = suite.batcheval("show", key)
    assert r"\x1b]0;title" in done.stdout
    assert suite.raw() == []


@pytest.mark.sampled(24)
@pytest.mark.parametrize("call", ["models.list", "files.create", "batches.create", "batches.retrieve", "files.content"])
def test_hostile_refusals_are_obeyed_by_no_terminal(suite, evil, call):
    suite.server.follow(Evil(evil, call))
    suite.test_file(PLAIN)
    done = suite.pytest()
    assert done.returncode in (0, 11)
    assert suite.raw() == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("field", ["id", "status", "errors"])
def test_a_hostile_batch_is_obeyed_by_no_terminal(suite, evil, field):
    hostile = {
        "id": {"id": f"batch{evil}"},
        "status": {"status": f"paused{evil}"},
        "errors": {"status": "failed", "errors": {"data": [{"code": f"c{evil}", "message": evil, "line": None}]}},
    }[field]

    async def intercept(exchange):
        if exchange.call not in ("batches.create", "batches.retrieve", "batches.list"):
            return await exchange.answer()
        reply = await exchange.handle(exchange)
        if exchange.call == "batches.list":
            body = {**reply.body, "data": [{**batch, **hostile} for batch in reply.body["data"]]}
        else:
            body = {**reply.body, **hostile}
        await exchange.send(replace(reply, schema=None, body=body))

    suite.server.intercept(intercept)
    suite.test_file(PLAIN)
    done = suite.pytest("--batch-wait=5")
    assert "batch: " in done.stdout
    assert suite.raw() == []
