"""Everything that is installed, loaded as pytest loads it."""

import json
import re

import pytest

EVERYTHING = (
    *("allure", "bdd", "check", "cov", "django", "forked", "freezer", "html", "inline-snapshot", "instafail"),
    *("json-report", "lazy-fixtures", "mock", "order", "picked", "randomly", "repeat", "rerunfailures", "retry"),
    *("run-parallel", "socket", "split", "subtests", "sugar", "syrupy", "testmon", "time-machine", "timeout"),
    *("xdist", "xprocess"),
)
UNREADABLE = (
    ("-p", "no:cases", "-p", "no:sugar", "-p", "no:rich") if pytest.version_tuple >= (9, 2) else ("-p", "no:sugar")
)
"""What pytest 9.2 cannot load; and what writes a last line of its own, that has no numbers to compare."""
UNRECORDED = "1 test could not run: 1 request without a recorded answer"

pytestmark = pytest.mark.neighbours(*EVERYTHING)


def plain(done):
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.mark.chosen
def test_all_at_once_replay(repository):
    repository.test_file()
    repository.record(skip=["park/work"])
    options = ("--html=report.html", "--alluredir=allure", "--json-report", "--junitxml=junit.xml", "--cov=prompts")
    done = repository.run(*UNREADABLE, *options, autoload=True)
    done.assert_outcomes(passed=5, unrecorded=1)
    assert done.status == 1
    assert UNRECORDED in done.stdout
    assert [tag for tag, _ in repository.junit()["test_one[park-work]"]] == ["error"]
    states = [json.loads(path.read_text("utf-8"))["status"] for path in repository.path.glob("allure/*-result.json")]
    assert states.count("passed") == 5
    assert len(states) == 6
    assert set(states) <= {"passed", "failed", "broken"}
    outcomes = [test["outcome"] for test in json.loads((repository.path / ".report.json").read_text("utf-8"))["tests"]]
    assert sorted(outcomes) == ["passed"] * 5 + ["unrecorded"]


@pytest.mark.chosen
def test_all_at_once_send_each_request_once(repository, batch_server, sent):
    repository.test_file()
    options = ("-n2", "--dist=loadgroup", "--reruns=1", "--count=2", "--randomly-seed=5", "--timeout=60")
    done = repository.send(batch_server, *UNREADABLE, *options, mode="record", autoload=True)
    done.assert_outcomes(passed=12)
    assert sent() == [1] * 6
    assert [sorted(line["cell"]) for line in repository.recorded()] == [["persona", "question"]] * 6
    again = repository.send(batch_server, *UNREADABLE, autoload=True)
    again.assert_outcomes(passed=6)
    assert sent() == [1] * 6


def test_all_at_once_with_their_own_last_lines(repository):
    repository.test_file()
    repository.record(skip=["park/work"])
    options = ("-p", "no:cases") if pytest.version_tuple >= (9, 2) else ()
    done = repository.run(*options, autoload=True)
    assert done.status == 1
    assert "5 passed" in plain(done)
    assert UNRECORDED in plain(done)
