"""`BatchClient`, `check_batch_status` and `download_batch_results` over real HTTP to a simulator."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading

import pytest

from pytest_batcheval import BatchClient, PersonaMatrix, Request, check_batch_status, download_batch_results
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.errors import MatrixError, ProviderError, UnfinishedError, UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.matrix.axes import AxisValue
from pytest_batcheval.simulator.server import SimulatorServer


def ask(count, word="question"):
    return [Request({"model": "m", "messages": [{"role": "user", "content": f"{word} {n}"}]}) for n in range(count)]


@pytest.fixture
def environment(monkeypatch, batch_server, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(environment):
    with BatchClient() as client:
        yield client


def executed(server):
    return sorted(execution.custom_id for execution in server.ledger.executions)


def test_answers_come_in_the_order_of_the_requests_duplicates_too(client, batch_server):
    requests = ask(5)
    run = client.run([*requests, requests[0]])
    assert [answer.request for answer in run.answers] == [*requests, requests[0]]
    assert run.finished
    assert run.sent.sent == 5
    assert executed(batch_server) == sorted(request.custom_id for request in requests)


def test_what_the_journal_knows_is_not_paid_again(client, environment, batch_server):
    client.run(ask(5))
    client.run(ask(7))
    with BatchClient() as another:
        again = another.run(ask(7))
    assert (again.sent.sent, len(again.answers)) == (0, 7)
    assert len(executed(batch_server)) == 7


def test_the_journals_file_alone_has_all_answers_after_each_run(client, environment):
    """Also while the client stays open: the file is what people copy."""
    journal = environment / ".batcheval" / "journal.sqlite"
    client.run(ask(5))
    shutil.copy(journal, environment / "copy.sqlite")
    with Journal.open(environment / "copy.sqlite") as copied:
        assert len(copied.reader.answers(ask(5))) == 5
    client.run(ask(6))
    client.close()
    assert not journal.with_name("journal.sqlite-wal").exists()


def test_a_timeout_bounds_the_wait_for_another_sender_too(client, environment, batch_server):
    with Journal.open(environment / ".batcheval" / "journal.sqlite") as journal, journal.lock.held(None):
        for call in (client.run, client.collect):
            with pytest.raises(UnfinishedError, match=f"process {os.getpid()} on .* is still sending from the journal"):
                call(ask(2), timeout=0)
    assert executed(batch_server) == []
    assert client.run(ask(2)).finished


def test_refresh_asks_again(client, batch_server):
    client.run(ask(2))
    client.run(ask(2), refresh=True)
    assert len(executed(batch_server)) == 4


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("size", "batches"), [(10, 28), (25, 11), (50, 6), (None, 1)])
def test_batch_sizes(client, size, batches):
    assert client.run(ask(275), batch_size=size).sent.batches == batches


def test_submit_now_wait_later_from_another_process(client, environment, batch_server):
    submitted = client.submit(ask(3))
    assert (submitted.answers, len(submitted.pending), submitted.finished) == ((), 3, False)
    client.close()
    with BatchClient() as later:
        run = later.wait(submitted)
    assert len(run.answers) == 3
    assert len(executed(batch_server)) == 3


def test_collect_sends_nothing(client, batch_server):
    client.submit(ask(3))
    run = client.collect(ask(5))
    assert (len(run.answers), len(run.pending)) == (3, 2)
    assert len(executed(batch_server)) == 3


def test_a_wait_that_is_too_long_is_told_and_nothing_is_lost(client, batch_server):
    batch_server.faults.hold_batches()
    with pytest.raises(UnfinishedError, match="batch_"):
        client.run(ask(3), timeout=5)


def test_failed_requests_are_answers_with_an_error(client, batch_server):
    batch_server.faults.fail_lines("question 1", status_code=400, code="bad_request", times=9)
    run = client.run(ask(3))
    assert [answer.error and answer.error.code for answer in run.answers] == [None, "bad_request", None]
    assert run.failed == run.answers[1:2]


def in_threads(count, do):
    """What `do()` raises in each of several threads that begin together; `None` where it raises nothing."""
    together, outcomes = threading.Barrier(count), [None] * count

    def work(place):
        together.wait()
        try:
            do()
        except BaseException as error:
            outcomes[place] = error

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return outcomes


def test_an_open_client_is_for_the_thread_that_opened_it(client, batch_server):
    client.open()
    for error in in_threads(4, lambda: client.run(ask(3))):
        assert isinstance(error, UsageError)
        assert "one of its own for each" in str(error)
    assert not batch_server.ledger.executions
    assert len(client.run(ask(3)).answers) == 3


def test_of_several_threads_that_open_a_client_at_once_one_may_use_it(environment, batch_server):
    client, refused = BatchClient(), threading.Semaphore(0)

    def run():
        try:
            client.run(ask(3))
        except UsageError:
            refused.release()
            raise
        for _ in range(3):
            refused.acquire()
        client.close()

    outcomes = in_threads(4, run)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", *["UsageError"] * 3]
    assert len(executed(batch_server)) == 3


def test_only_the_thread_that_opened_a_client_closes_it(client):
    client.open()
    assert isinstance(in_threads(1, client.close)[0], UsageError)


def test_a_forked_process_needs_its_own_client(client, batch_server):
    client.open()
    if not (child := os.fork()):
        try:
            client.run(ask(3))
        except UsageError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert len(client.run(ask(3)).answers) == 3


def test_progress_is_told(environment):
    seen = []
    with BatchClient(progress=seen.append) as client:
        client.run(ask(3))
    assert seen[-1].ended
    assert {progress.total for progress in seen} == {3}
    assert all(one.differs(other) for one, other in itertools.pairwise(seen))  # a look that found nothing new is none


def test_it_works_inside_a_running_event_loop(environment):
    async def work():
        with BatchClient() as client:
            return client.run(ask(3))

    assert len(asyncio.run(work()).answers) == 3


def test_a_simulator_of_its_own(tmp_path):
    with BatchClient("simulator:echo", journal=tmp_path / "j.sqlite") as client:
        assert client.run(ask(2)).answers[0].origin.startswith("simulator:echo@")


def test_without_a_key_nothing_is_opened(environment, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with BatchClient() as client, pytest.raises(UsageError, match="OPENAI_API_KEY"):
        client.run(ask(1))


# -- a batch of whatever origin -----------------------------------------------------------------------------------


@pytest.fixture
def foreign(environment, openai_client):
    """A batch that somebody else made, with names and a failing line of their own."""

    def make(*lines):
        file = openai_client.files.create(
            file=("in.jsonl", "\n".join(map(json.dumps, lines)).encode()), purpose="batch"
        )
        return openai_client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        ).id

    return make


@pytest.fixture
def openai_client(environment):
    import openai

    with openai.OpenAI() as client:
        yield client


def line(name, content="hello"):
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def test_the_status_of_any_batch(foreign, batch_server):
    batch_server.faults.hold_batches()
    status = check_batch_status(foreign(line("a"), line("b")))
    assert status.status in ("validating", "in_progress")
    assert not status.ended
    assert status.endpoint == "/v1/chat/completions"
    assert status.times["expires_at"] - status.times["created_at"] == 86_400
    assert json.loads(json.dumps(status.to_dict()))["id"] == status.id


def test_why_a_batch_was_refused(foreign, batch_server):
    batch = foreign(line("a"), line("a"))
    batch_server.forward(600)
    status = check_batch_status(batch)
    assert (status.status, status.ended) == ("failed", True)
    assert status.errors[0].startswith("line 2: duplicate_custom_id")


def test_the_results_of_any_batch_under_the_names_they_were_given(foreign, batch_server):
    batch_server.faults.fail_lines("bad", status_code=400, code="bad_request", times=9)
    batch = foreign(line("patient 1"), line("patient 2", "bad"))
    batch_server.forward(86_400)
    answers = {answer.custom_id: answer for answer in download_batch_results(batch)}
    assert answers.keys() == {"patient 1", "patient 2"}
    assert answers["patient 1"].text
    assert answers["patient 1"].request.body["messages"][0]["content"] == "hello"
    assert answers["patient 2"].error.code == "bad_request"


def test_results_of_a_batch_that_still_runs(foreign, batch_server):
    batch_server.faults.hold_batches()
    batch = foreign(line("a"))
    with pytest.raises(UnfinishedError, match=batch):
        download_batch_results(batch)


@pytest.mark.parametrize("call", [check_batch_status, download_batch_results])
def test_a_batch_of_another_project_is_not_found(call, foreign, batch_server, monkeypatch):
    batch = foreign(line("a"))
    monkeypatch.setenv("OPENAI_API_KEY", "another-key")
    with pytest.raises(ProviderError, match=f"{batch}.*belong to a project"):
        call(batch)


def test_results_that_are_gone(foreign, openai_client, batch_server):
    batch = foreign(line("a"))
    batch_server.forward(86_400)
    openai_client.files.delete(openai_client.batches.retrieve(batch).output_file_id)
    with pytest.raises(ProviderError, match=r"file .*404"):
        download_batch_results(batch)


def test_the_client_asks_about_one_batch_too(client, foreign, batch_server):
    batch_server.faults.hold_batches()
    batch = foreign(line("a"))
    assert client.status(batch).id == batch
    assert client.cancel(batch).status in ("cancelling", "cancelled")
    batch_server.forward(86_400)
    assert client.results(batch)[0].error is not None


# -- the matrix as requests ---------------------------------------------------------------------------------------

MATRIX = PersonaMatrix(
    {
        "persona": [AxisValue(name, {"words": name}) for name in ("kim", "choi")],
        "question": [AxisValue("sleep", {}), AxisValue("work", {})],
        "age": [20, 60],
    }
)


def test_the_requests_of_a_matrix_are_its_cells():
    def interview(persona, question):
        return {"model": "m", "messages": [{"role": "user", "content": f"{persona.id} {question.id}"}]}

    contents = [request.body["messages"][0]["content"] for request in MATRIX.requests(interview)]
    assert contents == ["kim sleep", "kim work", "choi sleep", "choi work"]
    assert not {*MATRIX.requests(interview)} & {*MATRIX.requests(interview, sample=1)}


def test_a_prompt_names_the_axes_it_needs():
    assert len(MATRIX.requests(lambda age: {"model": "m", "input": str(age)})) == 2
    assert len(MATRIX.requests(lambda persona, age, tone="calm": {"model": "m", "input": tone})) == 4
    assert len(MATRIX.requests(lambda: {"model": "m", "input": "once"})) == 1
    assert MATRIX.requests(lambda age: {"model": "m", "input": ""})[0].url == "/v1/responses"
    with pytest.raises(MatrixError, match="no axis 'height'"):
        MATRIX.requests(lambda height: {})


def test_a_prompt_of_several_turns_is_for_tests():
    def judged(persona):
        yield {}

    with pytest.raises(MatrixError, match="is a generator prompt"):
        MATRIX.requests(judged)


def test_the_import_is_light():
    code = "import sys, pytest_batcheval.client; print([m for m in ('openai', 'msgspec', 'numpy', 'vcr') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "['msgspec']\n"
    )


def test_a_pause_before_another_attempt_is_shown_and_measured_as_a_wait(client, environment, batch_server):
    """Booked as work of the journal it would look like ten minutes of storing."""
    batch_server.faults.fail_lines("question 0", times=2)
    seen = []
    with BatchClient(progress=seen.append) as watched:
        assert not watched.run(ask(2)).failed
        waits = {row.name: row.wall for row in Journal.read(environment / ".batcheval" / "journal.sqlite").stages()}
    assert [str(each) for each in seen if each.ordinal == 0][:1] == [
        "waiting 10m 00s before 1 request can be sent again: attempt 3 of 3"
    ]
    assert 600 <= waits["wait"] < 605
    assert waits["settle"] < 60


def test_a_run_prints_as_one_line(client, environment, batch_server):
    batch_server.faults.fail_lines("question 0", status_code=400, code="bad", times=9)
    run = client.run(ask(3))
    assert repr(run) == "<BatchRun 2 answered, 1 failed>"
    assert repr(run.sent) == "<SendResult 2 answered, 1 failed, 3 sent in 1 batch>"
    assert repr(client.submit(ask(5))) == "<BatchRun 2 answered, 1 failed, 2 pending>"
    assert repr(client) == "<BatchClient openai, journal .batcheval/journal.sqlite>"


def test_the_package_lists_its_public_names():
    import pytest_batcheval

    assert dir(pytest_batcheval) == sorted(pytest_batcheval.__all__)
    assert all(getattr(pytest_batcheval, name) for name in dir(pytest_batcheval))


@pytest.mark.sampled
@pytest.mark.parametrize("individual", [True, False])
def test_one_that_nobody_closes_says_nothing_when_the_process_ends(tmp_path, individual):
    text = f"""
        from pytest_batcheval import BatchClient, Request
        client = BatchClient(backend="simulator", individual={individual})
        client.run([Request({{"model": "m", "messages": [{{"role": "user", "content": "hello"}}]}})])
    """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def there():
    """A server of another origin than the batch server."""
    with SimulatorServer("blind", clock="per-poll") as server:
        yield server


def for_both():
    others = (Request(request.body, backend="there") for request in ask(2, "other"))
    return [pair for both in zip(ask(2), others, strict=True) for pair in both]


def test_requests_choose_their_backend(environment, batch_server, there):
    with BatchClient(backends={"there": there.base_url}) as client:
        run = client.run(for_both())
        assert [answer.request for answer in run.answers] == for_both()
        assert [answer.origin for answer in run.answers] == 2 * [batch_server.origin, there.origin]
        assert (run.sent.sent, run.sent.batches) == (4, 2)
        assert client.run(for_both()).sent.sent == 0
        assert len(client.collect(for_both()).answers) == 4
    assert [len(executed(server)) for server in (batch_server, there)] == [2, 2]


def test_submitted_to_both_and_waited_for_later(environment, batch_server, there):
    with BatchClient(backends={"there": there.base_url}) as client:
        run = client.submit(for_both())
        assert (len(run.pending), run.sent.requested) == (4, 4)
        rows = client._opened()[2].reader.batches()
        assert {(row.origin, row.state) for row in rows} == {(s.origin, "created") for s in (batch_server, there)}
        assert client.wait(run).finished
    assert [len(executed(server)) for server in (batch_server, there)] == [2, 2]


def test_one_request_has_one_backend_and_a_name_must_mean_something(environment, there):
    same = ask(1)[0]
    with BatchClient(backends={"there": there.base_url}) as client:
        with pytest.raises(UsageError, match="is asked of openai and of http://127"):
            client.run([same, Request(same.body, backend="there")])
        with pytest.raises(UsageError, match=r"backend 'judge'.*unknown backend.*backends=\{'judge': 'BACKEND'\}"):
            client.run([Request(same.body, backend="judge")])
    assert not executed(there)


@pytest.mark.sampled
def test_a_named_backend_is_not_taken_for_an_open_one(environment, batch_server, there, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", there.base_url)
    with OpenAIBatch(batch_server.base_url, "test-key") as backend, BatchClient(backend) as client:
        run = client.run([ask(1)[0], Request(ask(2)[1].body, backend="openai")])
        assert [answer.origin for answer in run.answers] == [batch_server.origin, there.origin]


def test_collect_looks_at_every_named_backend(environment, batch_server, there):
    with BatchClient(backends={"there": there.base_url}) as client:
        client.submit(for_both())
        client.collect()
        assert len(client.run(for_both()).answers) == 4
        assert {row.state for row in client._opened()[2].reader.batches()} == {"settled"}
    assert [len(executed(server)) for server in (batch_server, there)] == [2, 2]
