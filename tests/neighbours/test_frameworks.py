"""django, asyncio, benchmark, mock, socket, run-parallel: where tests run in something of others."""

import pytest


@pytest.mark.chosen
@pytest.mark.neighbours("socket")
@pytest.mark.parametrize("ours_last", [False, True])
def test_a_replay_needs_no_socket_and_sending_is_before_the_tests(repository, batch_server, sent, ours_last):
    repository.test_file("""
        import socket

        import pytest_socket

        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            with pytest.raises(pytest_socket.SocketBlockedError):
                socket.socket()
            assert answer.text
    """)
    repository.send(batch_server, "--disable-socket", mode="record", ours_last=ours_last).assert_outcomes(passed=6)
    assert sent() == [1] * 6
    repository.run("--disable-socket", ours_last=ours_last).assert_outcomes(passed=6)


@pytest.mark.neighbours("socket")
@pytest.mark.parametrize("options", [("--disable-socket",), ("--disable-socket", "--allow-unix-socket")])
def test_a_conversation_replays_without_sockets(repository, options):
    repository.test_file("""
        @pytest.mark.batch
        def test_files(batch_conversation):
            assert batch_conversation.client().files.list().data == []

        @pytest.mark.batch
        def test_client(batch_client):
            from pytest_batcheval.wire.objects import Request

            request = Request({"model": "m", "messages": [{"role": "user", "content": "질문"}]})
            (answer,) = batch_client.run([request]).answers
            assert answer.text
    """)
    repository.run("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=2)
    repository.run(*options).assert_outcomes(passed=2)


@pytest.mark.neighbours("socket")
def test_a_conversation_that_may_open_no_socket_ends_soon(repository):
    repository.test_file("""
        @pytest.mark.batch
        def test_files(batch_conversation):
            assert batch_conversation.client().files.list().data == []
    """)
    done = repository.run("--batch=record", "--batch-backend=simulator", "--disable-socket", hidden=False, limit=30)
    assert done.status == 1
    assert "SocketBlockedError" in done.stdout
    assert not list((repository.path / "cassettes").rglob("*.yaml"))


@pytest.mark.chosen
@pytest.mark.neighbours("run-parallel")
@pytest.mark.parametrize("ours_last", [False, True])
def test_threads_of_run_parallel_share_one_answer(repository, batch_server, sent, ours_last):
    repository.test_file()
    done = repository.send(batch_server, "--parallel-threads=4", mode="record", ours_last=ours_last)
    done.assert_outcomes(passed=6)
    assert sent() == [1] * 6
    (repository.path / "cassettes/answers/test_it.jsonl").unlink()
    (repository.path / ".batcheval/journal.sqlite").unlink()
    repository.record(skip=["park/work"])
    replay = repository.run("--parallel-threads=4", "--iterations=3", "--junitxml=junit.xml", ours_last=ours_last)
    replay.assert_outcomes(passed=5, unrecorded=1)
    assert "1 test could not run: 1 request without a recorded answer" in replay.stdout
    assert [tag for tag, _ in repository.junit()["test_one[park-work]"]] == ["error"]


@pytest.mark.neighbours("run-parallel")
@pytest.mark.parametrize("ours_last", [False, True])
def test_workers_of_run_parallel_send_once_and_count_what_is_missing(repository, batch_server, sent, ours_last):
    repository.test_file()
    done = repository.send(batch_server, "--parallel-threads=auto", "-v", ours_last=ours_last)
    done.assert_outcomes(passed=6)
    assert sent() == [1] * 6
    assert done.line("batch: 6 answers sent to").startswith("batch: 6 answers sent to")


DJANGO = """
    SECRET_KEY = "k"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
    USE_TZ = True
"""


@pytest.mark.neighbours("django")
@pytest.mark.parametrize("ours_last", [False, True])
def test_django_tests_with_a_database_take_answers(repository, batch_server, sent, ours_last):
    pytest.importorskip("django", reason="pip install '.[neighbours]'")
    repository.file("settings.py", DJANGO)
    repository.ini("DJANGO_SETTINGS_MODULE = settings")
    repository.test_file("""
        @pytest.mark.django_db
        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            from django.contrib.auth.models import User

            User.objects.create(username=answer.text[:100])
            assert User.objects.count() == 1

        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_client(client, settings, answers):
            settings.DEBUG = True
            assert len(answers) == 2
    """)
    done = repository.send(batch_server, mode="record", ours_last=ours_last)
    done.assert_outcomes(passed=7)
    assert sent() == [1] * 6
    for path in (repository.path / "cassettes").rglob("*.jsonl"):
        path.unlink()
    (repository.path / ".batcheval/journal.sqlite").unlink()
    repository.record(skip=["park/work"])
    replay = repository.run("--reuse-db", ours_last=ours_last)
    replay.assert_outcomes(passed=6, unrecorded=1)


@pytest.mark.neighbours("django")
def test_a_test_case_of_django_is_told_what_to_write_and_sends_nothing(repository, batch_server, sent):
    pytest.importorskip("django", reason="pip install '.[neighbours]'")
    repository.file("settings.py", DJANGO)
    repository.ini("DJANGO_SETTINGS_MODULE = settings")
    repository.test_file("""
        from django.test import TestCase

        @pytest.mark.batch(prompt=ask)
        class TestPatients(TestCase):
            @pytest.fixture(autouse=True)
            def given(self, answer):
                self.answer = answer

            def test_one(self):
                assert self.answer.text
    """)
    done = repository.send(batch_server)
    assert sent() == []
    assert done.status == 1
    assert "pytest gives a test of unittest.TestCase no parameters" in done.stdout


@pytest.mark.neighbours("asyncio")
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_async_tests_take_answers(repository, batch_server, sent, mode):
    repository.test_file("""
        import asyncio

        @pytest.fixture
        async def slow():
            await asyncio.sleep(0)
            return 1

        @pytest.mark.asyncio
        @pytest.mark.batch(prompt=ask)
        async def test_one(persona, question, answer):
            await asyncio.sleep(0)
            assert answer.text
    """)
    repository.send(batch_server, f"--asyncio-mode={mode}", mode="record").assert_outcomes(passed=6)
    assert sent() == [1] * 6
    repository.run(f"--asyncio-mode={mode}").assert_outcomes(passed=6)


@pytest.mark.neighbours("benchmark")
def test_a_benchmark_of_an_answer(repository):
    repository.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer, benchmark):
            assert benchmark.pedantic(answer.text.upper, rounds=2) == answer.text.upper()
    """)
    repository.record(skip=["park/work"])
    done = repository.run("--benchmark-json=benchmark.json")
    done.assert_outcomes(passed=5, unrecorded=1)
    assert (repository.path / "benchmark.json").exists()


@pytest.mark.chosen
@pytest.mark.neighbours("mock")
def test_what_a_test_mocks_is_its_own(repository):
    repository.test_file("""
        @pytest.fixture(autouse=True)
        def mocked(mocker):
            mocker.patch("builtins.open", side_effect=OSError("no file"))
            mocker.patch("socket.socket", side_effect=OSError("no socket"))
            mocker.patch("json.loads", side_effect=ValueError("no json"))

        @pytest.mark.batch(prompt=ask)
        def test_one(mocked, persona, question, answer):
            assert answer.text
    """)
    repository.record(skip=["park/work"])
    done = repository.run()
    done.assert_outcomes(passed=5, unrecorded=1)
    assert "the nearest recorded request (persona=" in done.stdout
