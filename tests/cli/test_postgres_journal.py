"""A journal in PostgreSQL through its faces: pytest's option, `BatchClient` and the verbs."""

import json

import pytest

from pytest_batcheval.cli import main
from pytest_batcheval.client import BatchClient
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.wire.objects import Request

SECRET = "kestrel-41"


@pytest.fixture
def url(postgres, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return postgres.replace("tests@", f"tests:{SECRET}@")


@pytest.fixture
def filled(url):
    requests = [Request({"model": "m", "messages": [{"role": "user", "content": f"q{n}"}]}) for n in range(4)]
    with BatchClient("simulator", journal=url) as client:
        run = client.run(requests)
        assert (len(run.answers), run.sent.sent) == (4, 4)
    with BatchClient("simulator", journal=url) as client:
        assert client.run(requests).sent.sent == 0
    return requests


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["status"], 0, "state"),
        (["runs"], 0, "simulator:faithful@0"),
        (["verify"], 0, "1 batch, 0 of them not settled"),
        (["answers"], 0, "4 answers from the simulator"),
        (["prune"], 0, "0 answers replaced by a refresh removed"),
        (["journal", "path"], 0, "postgresql:///journal"),
        (["journal", "copy", "x.sqlite"], ExitStatus.USAGE, "pg_dump --format=custom --schema="),
        (["report"], ExitStatus.USAGE, "no run of tests is stored beside the journal postgresql:///journal"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_verb_reads_it_and_shows_no_password(filled, url, capsys, tmp_path, words, status, said):
    try:
        found = main([*words, "--journal", url])
    except SystemExit as exit:
        found = exit.code
    shown = "".join(capsys.readouterr())
    assert said in shown
    assert found == status
    assert SECRET not in shown
    assert not any(SECRET in file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file())


def test_show_and_a_table_have_its_answers(filled, url, capsys):
    assert main(["show", filled[0].custom_id, "--journal", url, "--json"]) == 0
    assert SECRET not in json.dumps(json.loads(capsys.readouterr().out))
    assert len(Answers.from_journal(url)) == 4


def test_a_journal_that_is_not_there_is_said_to_be_missing(url, capsys):
    assert main(["status", "--journal", url]) == ExitStatus.USAGE
    assert "there is no journal postgresql:///journal" in capsys.readouterr().err


def test_a_run_of_tests_sends_from_it_and_the_next_one_replays(pytester, postgres):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("word", ["a", "b", "c"])
        @pytest.mark.batch(prompt=lambda word: {"model": "m", "messages": [{"role": "user", "content": word}]})
        def test_word(answer, word):
            assert answer.text
        """
    )
    words = ("-p", "no:asyncio", "--batch=send", "--batch-backend=simulator", "-o", f"batch_journal={postgres}")
    first = pytester.runpytest(*words)
    first.assert_outcomes(passed=3)
    second = pytester.runpytest(*words)
    second.assert_outcomes(passed=3)
    second.stdout.fnmatch_lines(["*nothing to send*"])
    assert not (pytester.path / ".batcheval" / "journal.sqlite").exists()
