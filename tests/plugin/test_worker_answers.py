"""Workers that do not share the controller's folder get their answers from the controller."""

from __future__ import annotations

import shutil
from queue import SimpleQueue

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.plugin.worker_answers import AnswerService, ControllerAnswers, folder_identity
from pytest_batcheval.wire.objects import Answer, Request, RequestError

TESTS = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text

    @pytest.mark.batch(prompt=ask)
    def test_table(answers):
        assert len(answers) == 6

    def interview(persona):
        def asked(text):
            return {"model": "m", "messages": [{"role": "user", "content": text}]}

        first = yield asked(persona.id)
        yield asked(str(first.error or first.text) + "?")

    @pytest.mark.batch(prompt=interview, errors="keep")
    def test_turns(persona, answer):
        assert len(answer.turns) == 2
"""
PLAIN = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""
"""Six tests; the worker need not be told of failures or turns."""


@pytest.fixture
def elsewhere(suite):
    """`elsewhere("--batch=send")`: a run whose one worker works in a copy of the folder."""

    def run(*more):
        other = suite.path.parent / f"{suite.path.name}-other"
        if not other.exists():
            ignored = shutil.ignore_patterns(".batcheval", "cassettes", "*.pyc", ".pytest_cache")
            shutil.copytree(suite.path, other, ignore=ignored)
        return suite.run("-p", "xdist", "-d", "--tx", f"popen//chdir={other}", *more), other

    return run


@pytest.fixture
def sending(batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    return f"--batch-backend={batch_server.base_url}"


@pytest.mark.sampled
def test_a_worker_elsewhere_is_answered_by_the_controller(suite, elsewhere, sending, batch_server):
    suite.test_file(PLAIN)
    result, other = elsewhere("--batch=send", sending)
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: 6 answers sent to the simulator (faithful@0)"])
    assert not (other / ".batcheval").exists()


@pytest.mark.sampled
@pytest.mark.parametrize("mode", ["send", "record"])
def test_tables_turns_and_failures_reach_it_too(suite, elsewhere, sending, batch_server, mode):
    suite.test_file(TESTS)
    batch_server.faults.fail_lines("You are kim", status_code=400, code="bad", times=99)
    result, other = elsewhere(f"--batch={mode}", sending)
    text = result.stdout.str()
    assert "no request was sent" not in text
    assert "the request of this test failed" in text
    assert "unused" not in text
    assert not (other / "cassettes").exists()
    result.assert_outcomes(passed=4 + 1 + 3, errors=2)


@pytest.mark.sampled
@pytest.mark.ledger(paid=2)
def test_an_old_journal_and_stale_recordings_beside_the_worker_are_not_read(suite, elsewhere, sending, batch_server):
    suite.test_file(PLAIN)
    suite.run("--batch=record", sending).assert_outcomes(passed=6)
    _, other = elsewhere("--collect-only")
    shutil.copytree(suite.path / ".batcheval", other / ".batcheval")
    shutil.copytree(suite.path / "cassettes", other / "cassettes")
    before = batch_server.ledger.billed()
    elsewhere("--batch=send", "--batch-refresh", sending)[0].assert_outcomes(passed=6)
    assert sum(batch_server.ledger.billed().values()) == 2 * sum(before.values())


@pytest.mark.sampled
def test_a_replay_elsewhere_has_the_controllers_recordings(suite, elsewhere):
    suite.test_file(PLAIN)
    suite.record(skip={("kim", "work")})
    result, _ = elsewhere()
    result.stdout.fnmatch_lines(
        ["the nearest recorded request*", "batch: 5 answers recorded from*", "*5 passed, 1 unrecorded*"]
    )


@pytest.mark.sampled
def test_other_test_files_elsewhere_are_named(suite, elsewhere, sending):
    suite.test_file(PLAIN)
    _, other = elsewhere("--collect-only")
    prompts = other / "prompts.py"
    prompts.write_text(prompts.read_text().replace('"model": "m"', '"model": "other"'))
    elsewhere("--batch=send", sending)[0].stdout.fnmatch_lines(["*the test files of this worker are not those of its*"])


@pytest.mark.sampled
def test_a_worker_in_the_same_folder_asks_nothing(suite, sending, monkeypatch):
    suite.test_file(PLAIN)
    asked = suite.path / "asked"
    (suite.path / "conftest.py").write_text(
        "from pathlib import Path\n"
        "from pytest_batcheval.plugin.worker_answers import ControllerAnswers\n"
        "def pytest_configure(config):\n"
        "    if hasattr(config, 'workerinput'):\n"
        f"        ControllerAnswers.find = lambda self, requests: Path({str(asked)!r}).touch()\n"
    )
    suite.run("-p", "xdist", "-n", "1", "--batch=send", sending).assert_outcomes(passed=6)
    assert not asked.exists()


class Wire:
    """Two ends of a channel in one process: keys go to the callback, what it sends back is received."""

    def __init__(self):
        self.queue = SimpleQueue()

    def setcallback(self, callback):
        self.callback = callback

    def send(self, item):
        self.queue.put(item) if isinstance(item, bytes) else self.callback(item)

    def receive(self, timeout=None):
        return self.queue.get(timeout=20)


class Stored:
    """Stored answers; those of the sample 0 have failed, 1 is not known."""

    origin = "https://api.example.com/v1"
    error = RequestError("invalid", "no \ud800 such", 400, False)

    def __init__(self, known):
        self._known = {request.custom_id: request for request in known}

    def find(self, requests):
        known = [self._known[r.custom_id] for r in requests if r.custom_id in self._known]
        return {r.custom_id: self.answer(r) for r in known if r.sample > 1}

    def origin_of(self, request):
        return self.origin

    def failures(self, requests):
        return {r.custom_id: self.error for r in requests if self._known[r.custom_id].sample == 0}

    def answer(self, request):
        body = {"n": 2**63, "choices": [{"message": {"content": "가" * 30_000}}]}
        return Answer(request, self.origin, {"body": body}, None, "recording", (), "l1", {}, "2026-W48", 1.5)


@pytest.fixture
def asking():
    """`asking(stored)`: the worker's side of a service that has these stored answers."""
    services = []

    def start(stored):
        services.append(AnswerService(lambda: stored))
        wire = Wire()
        services[-1].listen(wire)
        return ControllerAnswers(wire)

    yield start
    for service in services:
        service.close()


def test_answers_and_failures_arrive_as_they_are_stored(asking):
    requests = {r.custom_id: r for r in (Request({"model": "m"}, sample=n) for n in range(700))}
    stored = Stored(requests.values())
    found = asking(stored).find(requests)
    by_sample = {answer.request.sample: answer for answer in found.values()}
    assert sorted(by_sample) == [0, *range(2, 700)]
    assert by_sample[0].error == stored.error
    assert by_sample[0].origin == stored.origin
    expected = stored.answer(by_sample[699].request)
    assert by_sample[699] == expected
    assert by_sample[699].asked_at == expected.asked_at


def test_the_controllers_error_is_the_workers(asking):
    class Broken(Stored):
        def find(self, requests):
            raise JournalError("the file is gone")

    request = Request({"model": "m"})
    with pytest.raises(JournalError, match="cannot read its answers: the file is gone"):
        asking(Broken([])).find({request.custom_id: request})


def test_a_controller_that_has_ended_is_an_error():
    class Closed(Wire):
        def send(self, item):
            raise OSError("cannot send (already closed?)")

    request = Request({"model": "m"})
    with pytest.raises(JournalError, match="does not answer"):
        ControllerAnswers(Closed()).find({request.custom_id: request})


def test_a_copy_is_another_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    assert folder_identity(tmp_path / "a") == folder_identity(tmp_path / "b") != folder_identity(tmp_path)
