"""`batcheval prune`: what no test asks for, and what a refresh has replaced."""

import shutil
import subprocess
import sys

import pytest
from forked import Forked

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.cli import main
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import Recordings
from pytest_batcheval.wire.objects import Request

SUITE = """
import pytest

def ask(topic):
    return {"model": "m", "messages": [{"role": "user", "content": topic}]}

def judged(topic):
    answer = yield ask(topic)
    yield {"model": "m", "messages": [{"role": "user", "content": "judge: " + answer.text}]}

@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.batch(prompt=judged)
def test_it(topic, answer):
    assert answer.text

@pytest.mark.skip(reason="not today")
@pytest.mark.batch(prompt=ask)
@pytest.mark.parametrize("topic", ["always"])
def test_another_day(topic, answer):
    pass
"""

INI = "[pytest]\naddopts = -p pytest_batcheval.plugin"


def write(folder, *topics, skip=True):
    text = SUITE.replace("TOPICS", repr(list(topics)))
    (folder / "test_it.py").write_text(text if skip else text.replace("@pytest.mark.skip", "# "))


@pytest.fixture(autouse=True, scope="module")
def only_our_plugin():
    """A collection takes half the time without the others that are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield


@pytest.fixture(scope="module")
def recorded_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "pytest.ini").write_text(INI)
    write(folder, "one", "two", "three", skip=False)
    with Forked(("-m", "pytest", "-q", "--batch=record", "--batch-backend=simulator"), folder) as recording:
        assert recording.completed().returncode == 0
    return folder


@pytest.fixture
def suite(tmp_path, monkeypatch, recorded_once):
    """Three topics and a test for another day, all of them recorded."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(recorded_once, tmp_path, dirs_exist_ok=True)
    assert len(recorded(tmp_path)) == 7
    return tmp_path


def recorded(folder):
    return {line.custom_id for line in Recordings(folder / "cassettes").lines()}


@pytest.mark.sampled
def test_what_no_test_asks_for_is_removed_and_all_else_stays(suite, capsys):
    write(suite, "one", "three")
    before = recorded(suite)
    assert main(["prune", "--recordings", "--dry-run"]) == 0
    assert "test_it.jsonl: 2 recorded answers that no test asks for would be removed" in capsys.readouterr().out
    assert recorded(suite) == before
    assert main(["prune", "--recordings"]) == 0
    assert len(recorded(suite)) == 5
    replayed = subprocess.run([sys.executable, "-m", "pytest", "-q"], check=False, capture_output=True, text=True)
    assert "2 passed, 1 skipped" in replayed.stdout
    assert main(["prune", "--recordings"]) == 0
    assert "no unused recordings" in capsys.readouterr().out


@pytest.mark.sampled
def test_a_recording_without_any_test_is_deleted(suite):
    (suite / "test_it.py").write_text("def test_nothing(): pass\n")
    assert main(["prune", "--recordings"]) == 0
    assert recorded(suite) == set()
    assert not list((suite / "cassettes").rglob("*.jsonl"))


@pytest.mark.sampled
def test_nothing_is_removed_when_tests_cannot_be_collected(suite, capsys):
    (suite / "test_it.py").write_text("def test_broken(:\n")
    assert main(["prune", "--recordings"]) == 4
    assert "cannot collect the tests" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


def test_nothing_is_removed_when_tests_are_deselected(suite, capsys):
    write(suite, "one")
    (suite / "pytest.ini").write_text(f"{INI} -k another\n")
    assert main(["prune", "--recordings"]) == 4
    assert "1 test left out" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


def test_nothing_is_removed_when_a_conftest_drops_tests(suite, capsys):
    (suite / "conftest.py").write_text("def pytest_collection_modifyitems(items):\n    items[:] = items[1:]\n")
    assert main(["prune", "--recordings"]) == 4
    assert "1 test left out" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


def test_tests_that_ask_for_nothing_may_be_deselected(suite):
    write(suite, "one", skip=False)
    (suite / "test_unit.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_slow(n): pass\n"
    )
    (suite / "pytest.ini").write_text(f"{INI} -k 'not slow'\n")
    assert main(["prune", "--recordings"]) == 0
    assert len(recorded(suite)) == 3


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", f"{INI}\ntestpaths = other\n"),
        ("pytest.ini", f"{INI} --ignore=test_it.py\n"),
        ("conftest.py", "collect_ignore = ['test_it.py']\n"),
    ],
)
def test_nothing_is_removed_that_a_module_asks_for_which_is_not_collected(suite, capsys, name, text):
    (suite / "other").mkdir()
    (suite / "other" / "test_other.py").write_text("def test_other(): pass\n")
    (suite / name).write_text(text)
    assert main(["prune", "--recordings"]) == 4
    assert "test_it.py: not collected" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


def test_it_says_where_it_looked_for_recordings(suite, monkeypatch, capsys):
    (suite / "below").mkdir()
    monkeypatch.chdir(suite / "below")
    assert main(["prune", "--recordings"]) == 4
    assert "there is no cassettes/answers here; change to the folder where pytest runs" in capsys.readouterr().err


def test_nothing_is_removed_when_a_prompt_is_broken(suite, capsys):
    (suite / "test_it.py").write_text(
        (suite / "test_it.py").read_text().replace("def ask(topic):", "def ask(topic):\n    1 / 0")
    )
    assert main(["prune", "--recordings"]) == 4
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


def test_what_to_prune_must_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["prune"]) == 4
    assert "--recordings, --journal" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "soon"])
def test_an_age_is_a_number_of_days(days, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["prune", "--journal", "--older-than", days])
    assert ended.value.code == 4
    assert f"must be a number of days, at least 0, not {days}" in capsys.readouterr().err


def test_recordings_have_no_age(capsys):
    assert main(["prune", "--recordings", "--older-than", "3"]) == 4
    assert "--older-than requires --journal" in capsys.readouterr().err


REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"question {n}"}]}) for n in range(4)]


@pytest.fixture
def journal(tmp_path, monkeypatch, batch_server):
    """Four answers, two of which were refreshed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    path = tmp_path / ".batcheval/journal.sqlite"
    with connect("openai") as connection, Journal.open(path) as journal:
        with_all = {"backend": connection.backend, "journal": journal, "clock": connection.clock}
        send(REQUESTS, **with_all)
        send(REQUESTS[:2], policy=SendPolicy(refresh=True), **with_all)
    return path


def stored(path):
    with Journal.open(path) as journal:
        rows = journal._connection.execute("SELECT key, generation FROM answer").fetchall()
        lines = journal._connection.execute("SELECT count(*) FROM request WHERE line <> X''").fetchone()[0]
        assert journal.reader.verify() == []
        return sorted(generation for _, generation in rows), lines


def test_answers_that_a_refresh_replaced_are_removed(journal, capsys):
    assert stored(journal) == ([1, 1, 1, 1, 2, 2], 4)
    assert main(["prune", "--journal", "--dry-run"]) == 0
    assert "2 answers replaced by a refresh would be removed" in capsys.readouterr().out
    assert stored(journal) == ([1, 1, 1, 1, 2, 2], 4)
    assert main(["prune", "--journal", str(journal)]) == 0
    assert stored(journal) == ([1, 1, 2, 2], 4)


def test_old_texts_are_forgotten_on_demand_and_their_batches_stay_known(journal, batch_server, capsys):
    assert main(["prune", "--journal", "--older-than", "1"]) == 0
    assert stored(journal) == ([1, 1, 2, 2], 4)
    with Journal.open(journal) as opened:
        opened._connection.execute("UPDATE run SET started = started - 2 * 86400")
    assert main(["prune", "--journal", "--older-than", "1"]) == 0
    assert "4 answers and failures older than 1 days removed" in capsys.readouterr().out
    assert stored(journal) == ([], 0)
    assert b"question 1" not in journal.read_bytes()
    assert main(["recover"]) == 0
    assert "collected 0 batches" in capsys.readouterr().out


def test_a_journal_in_use_is_not_pruned(journal, capsys):
    with Journal.open(journal) as opened, opened.lock.held(None):
        assert main(["prune", "--journal"]) == 12
    assert "is in use" in capsys.readouterr().err
