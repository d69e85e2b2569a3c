"""Recordings, journal and axes lie beside the ini file, and proposed commands mean the same places and tests."""

import shlex

import pytest


@pytest.fixture
def monorepo(suite):
    """An evaluation in a folder of a repository, and a folder beside it."""
    suite.record()
    inner = suite.path / "evals"
    inner.mkdir()
    for name in ("pytest.ini", "personas.json", "questions.json", "prompts.py", "cassettes"):
        (suite.path / name).rename(inner / name)
    (suite.path / "other").mkdir()
    suite.test_file(
        """
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): assert answer.text

        @pytest.mark.batch(prompt=ask_question)
        def test_unrecorded(answer): pass

        def test_job(batch_conversation): batch_conversation.client().files.list()
    """,
        "evals/test_it.py",
    )
    return suite


def proposed(result, label):
    """The words of a proposed command, without `pytest` itself."""
    [line] = [line for line in result.stdout.lines if line.startswith(label)]
    return shlex.split(line.removeprefix(label))[1:]


@pytest.mark.sampled
@pytest.mark.parametrize("arguments", [["--rootdir=.", "evals"], ["--rootdir", "..", "evals/test_it.py"], ["evals"]])
def test_an_ides_rootdir_moves_nothing(monorepo, arguments):
    result = monorepo.run(*arguments)
    result.assert_outcomes(passed=6)
    again = proposed(result, "record from the simulator: ")
    assert again == [*arguments, "--batch=record", "--batch-backend=simulator"]
    monorepo.run(*again).assert_outcomes(passed=9)
    assert not (monorepo.path / "cassettes").exists()
    assert not (monorepo.path / ".batcheval").exists()
    assert {path.name for path in (monorepo.path / "evals/cassettes").rglob("*.*")} == {
        "test_it.jsonl",
        "test_job.yaml",
    }
    monorepo.run("evals").assert_outcomes(passed=9)


@pytest.mark.sampled
@pytest.mark.parametrize("folder", ["other", "evals", "."])
def test_the_current_folder_moves_nothing(monorepo, folder, monkeypatch):
    monkeypatch.chdir(monorepo.path / folder)
    target = {"other": "../evals", "evals": ".", ".": "evals"}[folder]
    result = monorepo.run(target, "-k", "test_it or test_job", "-q")
    again = proposed(result, "record from the simulator: ")
    assert again[:4] == [target, "-k", "test_it or test_job", "-q"]
    monorepo.run(*again)
    assert (monorepo.path / "evals/cassettes/conversations/test_it/test_job.yaml").exists()


def test_a_configuration_file_that_is_named_says_where(monorepo):
    result = monorepo.run("-c", "evals/pytest.ini", "--rootdir=.", "evals")
    result.assert_outcomes(passed=6)
    assert proposed(result, "record from the simulator: ")[:4] == ["-c", "evals/pytest.ini", "--rootdir=.", "evals"]


def test_a_proposed_command_replaces_what_it_sets(monorepo):
    result = monorepo.run("--batch", "replay", "--batch-backend=openai", "evals", "--batch-journal=evals/j.sqlite")
    again = proposed(result, "record from the simulator: ")
    assert again == ["evals", "--batch-journal=evals/j.sqlite", "--batch=record", "--batch-backend=simulator"]


def test_a_run_without_tests_named_is_proposed_with_the_modules(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): pass
    """)
    result = suite.run("-k", "kim", "--strict-markers")
    again = proposed(result, "record from the simulator: ")
    assert again == ["-k", "kim", "--strict-markers", "test_it.py", "--batch=record", "--batch-backend=simulator"]


@pytest.mark.sampled
def test_workers_propose_the_arguments_of_their_controller(suite):
    suite.test_file("""
        def test_job(batch_conversation): batch_conversation.client().files.list()
    """)
    suite.run("--batch=record", "--batch-backend=simulator")
    (suite.path / "test_it.py").write_text((suite.path / "test_it.py").read_text().replace("files", "batches"))
    arguments = ["-p", "xdist.plugin", "-n1", "--rootdir=.", "-k", "test_it.py", "test_it.py"]
    result = suite.run_apart(*arguments)
    command = "-p xdist.plugin -n1 --rootdir=. -k test_it.py test_it.py::test_job --batch=record"
    result.stdout.fnmatch_lines([f"*record the conversation again: pytest * {command} *"])
