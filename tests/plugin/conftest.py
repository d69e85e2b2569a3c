import json
import socket
import textwrap

import jsonschema  # noqa: F401  (imported here once: pytester forgets what an inner run imported)
import msgspec  # noqa: F401
import openai
import pytest
import yaml  # noqa: F401
from checker import broken_rules, lost_by_recovering

import pytest_batcheval.backends.openai_batch
import pytest_batcheval.matrix.load
import pytest_batcheval.simulator.server  # noqa: F401
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer, Request

openai.DefaultHttpxClient().close()  # imports its transport, which an inner run would import anew

PROMPTS = """
    def ask(persona, question):
        return {
            "model": "m",
            "messages": [
                {"role": "system", "content": persona.description},
                {"role": "user", "content": question.text},
            ],
        }

    def ask_question(question):
        return {"model": "m", "messages": [{"role": "user", "content": question.text}]}
"""
PERSONAS = [{"id": name, "description": f"You are {name}."} for name in ("kim", "choi", "park")]
QUESTIONS = [{"id": "sleep", "text": "How do you sleep?"}, {"id": "work", "text": "어떻게 일하세요?"}]
INI = """
    [pytest]
    addopts = -p pytest_batcheval.plugin --import-mode=importlib
    pythonpath = .
    batch_axes =
        persona=personas.json
        question=questions.json
"""


class Suite:
    """A small evaluation suite in a folder of its own: three personas, two questions."""

    def __init__(self, pytester, monkeypatch):
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # an inner run takes half the time
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            monkeypatch.delenv(name, raising=False)
        self.pytester = pytester
        self.path = pytester.path
        pytester.makefile(".ini", pytest=textwrap.dedent(INI))
        (self.path / "personas.json").write_text(json.dumps(PERSONAS))
        (self.path / "questions.json").write_text(json.dumps(QUESTIONS))
        (self.path / "prompts.py").write_text(textwrap.dedent(PROMPTS))

    def test_file(self, source, name="test_it.py"):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        header = "import pytest\nfrom prompts import ask, ask_question\n"
        path.write_text(header + textwrap.dedent(source))
        return path

    def run(self, *args):
        """Run pytest in this process: quick; `run_apart` where the process matters."""
        return self.pytester.runpytest_inprocess(*args)

    def run_apart(self, *args):
        return self.pytester.runpytest_subprocess(*args)

    def collected(self, *args):
        """The test ids that are selected."""
        out = self.run("--collect-only", "-q", *args).stdout.lines
        return [line.partition("::")[2] for line in out if "::" in line]

    def bodies(self):
        """The six requests of `ask` by (persona, question)."""
        for persona in PERSONAS:
            for question in QUESTIONS:
                messages = [
                    {"role": "system", "content": persona["description"]},
                    {"role": "user", "content": question["text"]},
                ]
                yield persona["id"], question["id"], Request({"model": "m", "messages": messages})

    def record(self, origin="simulator:faithful@0", samples=1, skip=()):
        """Record an answer `<persona>/<question>` for every request of `ask`."""
        recorded = []
        for persona, question, request in self.bodies():
            for sample in range(samples):
                sampled = Request(request.body, sample=sample)
                text = f"{persona}/{question}" + (f"/{sample}" if samples > 1 else "")
                body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
                answer = Answer(sampled, origin, {"status_code": 200, "body": body})
                if (persona, question) not in skip:
                    recorded.append(NewRecording(answer, {"persona": persona, "question": question}, "test_it.py"))
        Recordings(self.path / "cassettes").export(recorded)


@pytest.fixture
def suite(pytester, monkeypatch):
    return Suite(pytester, monkeypatch)


@pytest.fixture(autouse=True)
def paid_once(request):
    """After each test with a server: its ledger and the journal agree, whatever the test itself looked at.

    The marker `ledger` says what a test means to break: `paid=2` allows a second payment, `lost=True`
    that the journal is gone, `recover=False` that it cannot be rebuilt by whoever has the key `test-key`.
    """
    uses_server = "batch_server" in request.fixturenames
    server = request.getfixturevalue("batch_server") if uses_server else None
    folder = request.getfixturevalue("pytester").path
    yield
    mark = request.node.get_closest_marker("ledger")
    meant = mark.kwargs if mark else {}
    if server is not None and not meant.get("lost"):
        journal = folder / ".batcheval" / "journal.sqlite"
        assert not broken_rules(server.ledger.billed(), journal, server.origin, meant.get("paid", 1))
        if server.ledger.billed() and meant.get("paid", 1) == 1 and meant.get("recover", True):
            assert not lost_by_recovering(server, journal, folder / "recovered")


@pytest.fixture
def unused_port():
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
