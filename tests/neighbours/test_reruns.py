"""rerunfailures, retry, repeat: a test that runs again asks for the answer that is there."""

import pytest

FLAKY = """
    from collections import Counter

    ran = Counter()

    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        ran[persona.id, question.id] += 1
        assert answer.text
        assert ran[persona.id, question.id] == 2
"""


@pytest.mark.chosen
@pytest.mark.neighbours("rerunfailures")
@pytest.mark.parametrize("ours_last", [False, True])
def test_reruns_replay_what_is_recorded_and_count_an_unrecorded_test_once(repository, ours_last):
    repository.test_file(FLAKY)
    repository.record(skip=["park/work"])
    done = repository.run("--reruns=2", "--junitxml=junit.xml", ours_last=ours_last)
    assert {**done.outcomes, "rerun": 5} == {"passed": 5, "rerun": 5, "unrecorded": 1}
    assert done.status == 1
    assert "1 test could not run: 1 request without a recorded answer" in done.stdout
    assert [tag for tag, _ in repository.junit()["test_one[park-work]"]] == ["error"]
    done = repository.run("--reruns=2", "--rerun-except=Unrecorded", ours_last=ours_last)
    done.assert_outcomes(passed=5, rerun=5, unrecorded=1)


@pytest.mark.neighbours("rerunfailures")
def test_a_rerun_sends_nothing_more(repository, batch_server, sent):
    repository.test_file(FLAKY)
    repository.send(batch_server, "--reruns=2").assert_outcomes(passed=6, rerun=6)
    assert sent() == [1] * 6


@pytest.mark.neighbours("rerunfailures")
def test_a_rerun_is_one_use_of_an_answer_in_the_summary(repository):
    repository.test_file(FLAKY)
    repository.record()
    done = repository.run("--reruns=1", "-v")
    done.assert_outcomes(passed=6, rerun=6)
    assert done.line("stored").startswith("stored     6 answers known before")
    assert "duplicate" not in done.stdout


@pytest.mark.neighbours("retry")
@pytest.mark.parametrize("ours_last", [False, True])
def test_retries_replay_what_is_recorded(repository, ours_last):
    repository.test_file(FLAKY)
    repository.record(skip=["park/work"])
    done = repository.run("--retries=2", "--junitxml=junit.xml", ours_last=ours_last)
    done.assert_outcomes(passed=5, retried=5, unrecorded=1)
    assert [tag for tag, _ in repository.junit()["test_one[park-work]"]] == ["error"]


@pytest.mark.neighbours("retry")
def test_a_retry_sends_nothing_more(repository, batch_server, sent):
    repository.test_file(FLAKY)
    repository.send(batch_server, "--retries=2").assert_outcomes(passed=6, retried=6)
    assert sent() == [1] * 6


@pytest.mark.chosen
@pytest.mark.neighbours("repeat")
@pytest.mark.parametrize("ours_last", [False, True])
def test_repeated_tests_share_one_answer_and_record_one_cell(repository, batch_server, sent, ours_last):
    repository.test_file()
    done = repository.send(batch_server, "--count=3", mode="record", ours_last=ours_last)
    done.assert_outcomes(passed=18)
    assert sent() == [1] * 6
    assert [sorted(line["cell"]) for line in repository.recorded()] == [["persona", "question"]] * 6
    plain = (repository.path / "cassettes/answers/test_it.jsonl").read_bytes()
    repository.send(batch_server, mode="record", ours_last=ours_last).assert_outcomes(passed=6)
    assert (repository.path / "cassettes/answers/test_it.jsonl").read_bytes() == plain


@pytest.mark.neighbours("repeat")
def test_a_repeated_unrecorded_test_counts_its_request_once(repository):
    repository.test_file()
    repository.record(skip=["park/work"])
    done = repository.run("--count=2")
    done.assert_outcomes(passed=10, unrecorded=2)
    assert done.line("could not run") == "2 tests could not run: 1 request without a recorded answer"


@pytest.mark.neighbours("repeat")
def test_a_table_of_a_repeated_test_is_not_repeated(repository):
    repository.record()
    repository.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_table(answers):
            assert len(answers) == 6
            assert {name for row in answers.rows for name in row.cell} == {"persona", "question"}
    """)
    repository.run("--count=2").assert_outcomes(passed=2)


@pytest.mark.neighbours("repeat")
def test_a_repeated_conversation_is_the_one_of_its_test(repository):
    repository.test_file("""
        @pytest.mark.batch
        def test_files(batch_conversation):
            assert batch_conversation.client().files.list().data == []
    """)
    record = ("--batch=record", "--batch-backend=simulator")
    repository.run(*record).assert_outcomes(passed=1)
    repository.run("--count=2").assert_outcomes(passed=2)
    repository.run("--count=2", *record).assert_outcomes(passed=2)
    assert [path.name for path in repository.path.glob("cassettes/conversations/*/*")] == ["test_files.yaml"]
