"""`batcheval prune`: what no test asks for, and what a refresh has replaced."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from forked import Forked

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.cli import main
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import NewRecording, Recordings
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
    path = folder / ("test_later.py" if folder.name == "later" else "test_it.py")
    path.write_text(text if skip else text.replace("@pytest.mark.skip", "# "))


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
    listed = (
        "cassettes/answers/test_it.jsonl: 2 recorded answers that no test asks for\n"
        "  2 of m from the simulator (faithful@0): topic=two; topic=two\n"
        "2 recorded answers "
    )
    assert capsys.readouterr().out == f"{listed}would be removed\n"
    assert recorded(suite) == before
    assert main(["prune", "--recordings"]) == 0
    assert capsys.readouterr().out == f"{listed}removed; batcheval prune --undo brings them back\n"
    assert len(recorded(suite)) == 5
    replayed = subprocess.run([sys.executable, "-m", "pytest", "-q"], check=False, capture_output=True, text=True)
    assert "2 passed, 1 skipped" in replayed.stdout
    assert main(["prune", "--recordings"]) == 0
    assert "no unused recordings" in capsys.readouterr().out


@pytest.mark.sampled
def test_the_recording_of_a_module_that_asks_for_nothing_any_more_is_deleted(suite):
    shutil.copy(suite / "test_it.py", suite / "test_other.py")
    write(suite, "one")
    (suite / "test_other.py").write_text("def test_nothing(): pass\n")
    move(suite, "test_other.jsonl", 'topic":"two')
    assert main(["prune", "--recordings"]) == 0
    assert len(recorded(suite)) == 3
    assert [path.name for path in (suite / "cassettes").rglob("*.jsonl")] == ["test_it.jsonl"]


def move(folder, name, text):
    """Move the recorded lines that contain a text to a file of another module."""
    path = folder / "cassettes" / "answers" / "test_it.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.with_name(name).write_text("".join(line for line in lines if text in line))
    path.write_text("".join(line for line in lines if text not in line))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("text", ["def test_nothing(): pass\n", "", None], ids=["other tests", "none", "no module"])
def test_nothing_is_removed_where_no_test_asks(suite, capsys, text):
    (suite / "test_it.py").unlink()
    if text is not None:
        (suite / "test_other.py").write_text("def test_nothing(): pass\n")
        (suite / "test_it.py").write_text(text)
    arguments = ["--deleted-modules"] if text is None else []
    assert main(["prune", "--recordings", *arguments]) == 4
    assert "nothing was removed" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


@pytest.mark.sampled
def test_the_recordings_of_a_module_that_is_not_found_are_removed_on_demand(suite, capsys):
    write(suite, "one", "three")
    move(suite, "test_gone.jsonl", 'topic":"two')
    assert main(["prune", "--recordings"]) == 4
    printed = capsys.readouterr()
    assert "test_gone.jsonl: 2 recorded answers of a test module that was not collected" in printed.out
    assert "test_gone.py: not below" in printed.err
    assert len(recorded(suite)) == 7
    assert main(["prune", "--recordings", "--deleted-modules"]) == 0
    assert len(recorded(suite)) == 5


# -- suites that are called otherwise ---------------------------------------------------------------------------------


@pytest.mark.sampled
def test_nothing_is_removed_from_outside_rootdir(suite, monkeypatch, capsys):
    elsewhere = suite / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pytest.ini").write_text(INI)
    shutil.copy(suite / "test_it.py", elsewhere / "test_one.py")
    monkeypatch.chdir(elsewhere)
    assert main(["prune", "--recordings", "--cassettes", str(suite / "cassettes")]) == 4
    assert "have their recordings in" in capsys.readouterr().err
    (elsewhere / "pytest.ini").unlink()
    assert main(["prune", "--recordings", "--cassettes", str(suite / "cassettes")]) == 4
    assert f"change to {suite}" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


@pytest.mark.sampled
def test_nothing_is_removed_that_an_installed_package_of_tests_asks_for(suite, tmp_path_factory, monkeypatch, capsys):
    """The module of such a test is not below rootdir, and its recording has a name that leads nowhere."""
    site = tmp_path_factory.mktemp("site")
    package = site / "installed_suite"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.move(suite / "test_it.py", package / "test_installed.py")
    move(suite, "test_installed.jsonl", "")
    write(suite, "one")
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert main(["prune", "--recordings"]) == 4
    assert "test_installed.py: not below" in capsys.readouterr().err
    assert main(["prune", "--recordings", "--", ".", "--pyargs", "installed_suite"]) == 0
    assert "no unused recordings" in capsys.readouterr().out
    assert len(recorded(suite)) == 7


BY_OPTION = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--llm", default="small")

def pytest_configure(config):
    pytest.llm = config.getoption("llm")
"""


@pytest.fixture(scope="module")
def by_option_once(tmp_path_factory):
    """Each topic asked of each of two models, which an option chooses, and judged by one of them."""
    folder = tmp_path_factory.mktemp("by_option")
    (folder / "pytest.ini").write_text(INI)
    (folder / "conftest.py").write_text(BY_OPTION)
    write(folder, "one", "two")
    text = (
        (folder / "test_it.py")
        .read_text()
        .replace(
            '{"model": "m", "messages": [{"role": "user", "content": topic}',
            '{"model": pytest.llm, "messages": [{"role": "user", "content": topic}',
        )
    )
    (folder / "test_it.py").write_text(text)
    for model in ("small", "m"):
        command = ("-m", "pytest", "-q", "--batch=record", "--batch-backend=simulator", f"--llm={model}")
        with Forked(command, folder) as recording:
            assert recording.completed().returncode == 0
    return folder


@pytest.fixture
def by_option(tmp_path, monkeypatch, by_option_once):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(by_option_once, tmp_path, dirs_exist_ok=True)
    assert len(recorded(tmp_path)) == 8
    return tmp_path


@pytest.mark.sampled
@pytest.mark.parametrize("arguments", [[], ["--", "--llm=m"], ["--dry-run", "--", "--llm=small"]])
def test_nothing_is_removed_of_a_model_that_an_option_chooses(by_option, capsys, arguments):
    assert main(["prune", "--recordings", *arguments]) == 4
    printed = capsys.readouterr()
    assert "test_it.jsonl: 4 recorded answers in cells that ask another model now" in printed.out
    assert "batcheval prune --recordings -- --model=A -- --model=B" in printed.err
    assert len(recorded(by_option)) == 8


@pytest.mark.sampled
def test_what_any_of_several_collections_asks_for_stays(by_option, capsys):
    text = (by_option / "test_it.py").read_text()
    (by_option / "test_it.py").write_text(text.replace("['one', 'two']", "['one']"))
    assert main(["prune", "--recordings", "--", "test_it.py", "--llm=m", "--", "--llm=small"]) == 0
    assert "  3 of m from the simulator (faithful@0): topic=two; topic=two; topic=two" in capsys.readouterr().out
    assert len(recorded(by_option)) == 4


@pytest.mark.sampled
@pytest.mark.parametrize(("choice", "left"), [("keep", 5), ("remove", 2)])
def test_answers_of_other_models_go_only_where_that_is_said(by_option, choice, left):
    text = (by_option / "test_it.py").read_text()
    (by_option / "test_it.py").write_text(text.replace("['one', 'two']", "['one']"))
    replay = [sys.executable, "-m", "pytest", "-q", "--llm=m"]
    # the judge's verdicts on the answers of the other model are of the same model as the tests ask now
    assert main(["prune", "--recordings", f"--other-models={choice}", "--", "--llm=m"]) == 0
    assert len(recorded(by_option)) == left
    assert subprocess.run(replay, check=False, capture_output=True).returncode == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("arguments", [["--", "--llm=m"], ["--other-models=keep"], ["--deleted-modules"]])
def test_what_is_said_of_recordings_needs_them(by_option, capsys, arguments):
    assert main(["prune", "--journal", *arguments]) == 4
    assert "require --recordings" in capsys.readouterr().err


# -- what is removed comes back ------------------------------------------------------------------------------------


@pytest.mark.sampled
def test_what_was_removed_comes_back(suite, capsys):
    path = suite / "cassettes" / "answers" / "test_it.jsonl"
    before = path.read_bytes()
    write(suite, "one", "three")
    assert main(["prune", "--recordings"]) == 0
    write(suite, "one")
    assert main(["prune", "--recordings"]) == 0
    assert len(recorded(suite)) == 3
    assert (suite / ".batcheval" / ".gitignore").read_text() == "*\n"
    assert main(["prune", "--undo"]) == 0
    assert "2 recorded answers brought back\n1 earlier removal can be undone" in capsys.readouterr().out
    assert len(recorded(suite)) == 5
    assert main(["prune", "--undo", "--dry-run"]) == 0
    assert "2 recorded answers would be brought back" in capsys.readouterr().out
    assert main(["prune", "--undo"]) == 0
    assert path.read_bytes() == before
    assert main(["prune", "--undo"]) == 4
    assert "nothing to undo" in capsys.readouterr().err


@pytest.mark.sampled
def test_what_was_recorded_since_stays(suite, capsys):
    path = suite / "cassettes" / "answers" / "test_it.jsonl"
    write(suite, "one")
    assert main(["prune", "--recordings"]) == 0
    newer = Recordings(suite / ".batcheval/pruned/1").places()[0]
    answer = replace(newer.line.answer(newer.line.asked()), response={"status_code": 200, "body": {"id": "newer"}})
    Recordings(suite / "cassettes").export([NewRecording(answer, newer.line.cell, "test_it.py")])
    assert main(["prune", "--undo"]) == 0
    assert "3 recorded answers brought back, 1 are there already" in capsys.readouterr().out
    assert len(recorded(suite)) == 7
    assert '"id":"newer"' in path.read_text()


@pytest.mark.parametrize("arguments", [["--recordings"], ["--journal"]])
def test_an_undo_stands_alone(suite, capsys, arguments):
    assert main(["prune", "--undo", *arguments]) == 4
    assert "--undo stands alone" in capsys.readouterr().err


# -- whatever distributes or selects tests -------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("addopts", "environment"),
    [
        ("-n auto", ""),
        ("-n 2 --dist=loadgroup", ""),
        ("-d --tx 2*popen", ""),
        ("--numprocesses=logical --maxprocesses=2 -x", ""),
        ("", "-n 2"),
        ("--lf", ""),
        ("--sw", ""),
        ("--collect-only", ""),
        ("-p no:xdist", ""),
    ],
)
def test_tests_are_collected_in_one_process_and_as_a_whole(suite, monkeypatch, addopts, environment):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("PYTEST_ADDOPTS", environment)
    write(suite, "one", "two", skip=False)
    (suite / "test_other.py").write_text("def test_fails(): assert False\n")
    (suite / "pytest.ini").write_text("[pytest]\n")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"], env=plain(), check=False, capture_output=True
    )
    (suite / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
    assert main(["prune", "--recordings"]) == 0
    assert len(recorded(suite)) == 5


def plain():
    return {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}


def test_it_never_sends(suite, capsys):
    assert main(["prune", "--recordings", "--", "--batch=send"]) == 4
    assert "--batch=send: prune sends nothing" in capsys.readouterr().err


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


@pytest.mark.sampled
def test_nothing_is_removed_when_a_conftest_drops_tests(suite, capsys):
    (suite / "conftest.py").write_text("def pytest_collection_modifyitems(items):\n    items[:] = items[1:]\n")
    assert main(["prune", "--recordings"]) == 4
    assert "1 test left out" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


@pytest.mark.sampled
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


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", f"{INI}\ntestpaths = test_it.py\n"),
        ("conftest.py", "collect_ignore = ['later']\n"),
        ("later/test_later.py", None),
    ],
)
def test_nothing_is_removed_that_a_module_asks_for_in_whose_name_it_is_not_recorded(suite, capsys, name, text):
    """A request of two modules is recorded for the first by name."""
    (suite / "later").mkdir()
    write(suite / "later", "two")
    write(suite, "one")
    if text is None:
        text = f"import pytest\npytest.skip('not here', allow_module_level=True)\n{(suite / name).read_text()}"
    (suite / name).write_text(text)
    assert main(["prune", "--recordings"]) == 4
    assert "later/test_later.py: not collected" in capsys.readouterr().err
    assert len(recorded(suite)) == 7


def test_it_says_where_it_looked_for_recordings(suite, monkeypatch, capsys):
    (suite / "below").mkdir()
    monkeypatch.chdir(suite / "below")
    assert main(["prune", "--recordings"]) == 4
    assert "there is no cassettes/answers here; change to the folder where pytest runs" in capsys.readouterr().err


@pytest.mark.sampled
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
