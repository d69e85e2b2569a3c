"""The fixture `batch_conversation` in runs of pytest of its own."""

import pytest
import vcr  # noqa: F401  (imported here once: pytester forgets what an inner run imported)

import pytest_batcheval.engine.send
import pytest_batcheval.recordings.conversations.vcr  # noqa: F401

JOB = """
    from pytest_batcheval.engine.send import send
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.wire.objects import Request

    REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(3)]

    @pytest.mark.batch
    def test_job(batch_conversation, tmp_path):
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            sent = send(REQUESTS, backend=batch_conversation.backend, journal=journal, clock=batch_conversation.clock)
            answers = journal.reader.answers(REQUESTS, batch_conversation.origin)
        assert (sent.answered, sent.batches, len(answers)) == (3, 1, 3)
        posts = [path for method, path, body in batch_conversation.requests if method == "POST"]
        assert posts == ["/v1/files", "/v1/batches"]
        upload = next(body for method, path, body in batch_conversation.requests if path == "/v1/files")
        assert all(request.line() in upload for request in REQUESTS)
        assert batch_conversation.requests[0].path.startswith("/v1/")
"""
FILES = """
    def test_files(batch_conversation):
        client = batch_conversation.client()
        assert client.files.list().data == []
"""
SIMULATOR = ("--batch-backend=simulator",)
RECORD = ("--batch=record", *SIMULATOR)


def conversations(suite):
    root = suite.path / "cassettes" / "conversations"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("source", [JOB, FILES], ids=["backend", "client"])
def test_a_conversation_is_recorded_and_replayed_without_key_or_server(suite, source):
    suite.test_file(source)
    suite.run(*RECORD).assert_outcomes(passed=1)
    result = suite.run("-W", "error")
    result.assert_outcomes(passed=1)
    assert len(conversations(suite)) == 1
    assert not (suite.path / ".batcheval").exists()


def test_sending_neither_reads_nor_writes_a_recording(suite):
    suite.test_file(JOB)
    suite.run("--batch=send", *SIMULATOR).assert_outcomes(passed=1)
    assert not (suite.path / "cassettes").exists()


@pytest.mark.sampled
def test_recording_again_gives_the_same_bytes(suite):
    suite.test_file(JOB)
    suite.run(*RECORD)
    path = suite.path / "cassettes/conversations/test_it/test_job.yaml"
    before = path.read_bytes()
    suite.run(*RECORD).assert_outcomes(passed=1)
    assert path.read_bytes() == before


def test_a_test_without_a_recording_says_how_to_record(suite):
    suite.test_file(FILES)
    result = suite.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "1 test could not run: no recorded conversation",
            "record from the provider:       pytest test_it.py --batch=record",
            "*1 unrecorded*",
        ]
    )
    suite.run("-o", "batch_missing=skip").assert_outcomes(skipped=1)


def test_sending_without_a_key_is_an_error_that_names_the_variable(suite):
    suite.test_file(FILES)
    result = suite.run("--batch=record")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*OPENAI_API_KEY is not set*"])


@pytest.mark.sampled
@pytest.mark.ledger(lost=True)
def test_the_key_of_a_provider_reaches_neither_file_nor_output(suite, batch_server, monkeypatch):
    key = "sk-canary-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    backend = f"--batch-backend={batch_server.base_url}"
    suite.test_file(FILES)
    suite.run("--batch=record", backend).assert_outcomes(passed=1)
    suite.test_file("""
        import openai

        def test_files(batch_conversation):
            batch_conversation.client().files.list()
            openai.OpenAI(base_url=batch_conversation.base_url).batches.list()
    """)
    replayed = suite.run("--showlocals")
    replayed.assert_outcomes(failed=1)
    suite.test_file(FILES.replace("files.list()", "files.retrieve('file-0')"))
    recorded = suite.run("--showlocals", "--batch=record", backend)
    recorded.assert_outcomes(failed=1)
    (path,) = conversations(suite)
    written = (suite.path / "cassettes/conversations" / path).read_text("utf-8")
    assert "file-0" in written
    assert not any(key in text for text in (written, replayed.stdout.str(), recorded.stdout.str()))


def test_another_request_fails_the_test_with_the_nearest_recorded_one(suite):
    suite.test_file(FILES)
    suite.run(*RECORD)
    suite.test_file(FILES.replace("files.list()", "batches.list(limit=7)"))
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_files.yaml has no reply to GET /v1/batches?limit=7",
            "*the nearest recorded request is GET /v1/files",
            "*record the conversation again: pytest test_it.py::test_files --batch=record --batch-backend=simulator:faithful",
        ]
    )


def test_a_test_that_swallows_the_error_does_not_pass(suite):
    suite.test_file(FILES)
    suite.run(*RECORD)
    suite.test_file("""
        def test_files(batch_conversation):
            try:
                batch_conversation.client().batches.retrieve("batch_1")
            except BaseException:
                pass
    """)
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*has no reply to GET /v1/batches/batch_1"])


def test_what_a_passed_replay_did_not_need_is_one_warning(suite):
    suite.test_file(FILES + "        client.batches.list()\n        client.models.list()\n")
    suite.run(*RECORD)
    suite.test_file(FILES)
    result = suite.run("-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        ["*test_files.yaml: 2 recorded requests were not made, first GET /v1/batches; record the conversation again: *"]
    )
    suite.test_file(FILES.replace("== []", "== [1]"))
    suite.run("-W", "default").assert_outcomes(failed=1, warnings=0)


def test_a_failed_test_is_recorded_too_because_it_was_paid(suite):
    suite.test_file(FILES.replace("== []", "== [1]"))
    suite.run(*RECORD).assert_outcomes(failed=1)
    suite.test_file(FILES)
    suite.run().assert_outcomes(passed=1)


@pytest.mark.sampled
def test_an_interrupted_test_is_not_recorded(suite):
    suite.test_file(FILES + "        raise KeyboardInterrupt\n")
    suite.run_apart(*RECORD)
    assert conversations(suite) == []


def test_a_recording_against_another_origin_stays(suite):
    suite.test_file(FILES)
    suite.run(*RECORD)
    result = suite.run("--batch=record", "--batch-backend=simulator:blind")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was recorded against the simulator (faithful@0); delete *"])


@pytest.mark.sampled
def test_each_parameter_set_has_its_file_and_a_name_can_be_given(suite):
    suite.test_file("""
        @pytest.mark.parametrize("what", ["a", "가/나"])
        def test_one(batch_conversation, what):
            batch_conversation.client().files.list()

        @pytest.mark.batch_conversation("jobs/named")
        class TestNamed:
            def test_two(self, batch_conversation):
                batch_conversation.client().files.list()

        @pytest.mark.batch_conversation("../x")
        def test_three(batch_conversation): pass

        @pytest.mark.batch_conversation(name="x")
        def test_four(batch_conversation): pass
    """)
    result = suite.run(*RECORD, "--strict-markers")
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*a conversation's name may have letters*", "*batch_conversation takes one name*"])
    named, one, other = conversations(suite)
    assert (named, one) == ("jobs/named.yaml", "test_it/test_one-a.yaml")
    assert other.startswith("test_it/test_one-")
    suite.run("-k", "one or two").assert_outcomes(passed=3)


@pytest.mark.sampled
def test_workers_record_and_replay_side_by_side(suite):
    suite.test_file("""
        @pytest.mark.parametrize("n", range(6))
        def test_one(batch_conversation, n):
            batch_conversation.client().files.list(limit=n + 1)
    """)
    suite.run(*RECORD, "-p", "xdist", "-n2").assert_outcomes(passed=6)
    assert len(conversations(suite)) == 6
    suite.run("-p", "xdist", "-n2", "-W", "error").assert_outcomes(passed=6)


def test_a_replay_waits_on_a_clock_that_jumps(suite):
    suite.test_file("""
        def test_clock(batch_conversation):
            batch_conversation.client().files.list()
            begun = batch_conversation.clock.now()
            batch_conversation.clock.sleep(86_400)
            assert batch_conversation.clock.now() >= begun + 86_400
            assert batch_conversation.origin == "simulator:faithful@0"
    """)
    suite.run(*RECORD).assert_outcomes(passed=1)
    suite.run("-o", "timeout=60").assert_outcomes(passed=1)
