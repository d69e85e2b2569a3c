"""html, allure, json-report, instafail, sugar, rich, cov, timeout: what a report of theirs sees of ours."""

import html
import json
import re

import pytest

XFAIL = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text

    @pytest.mark.xfail(reason="not yet")
    @pytest.mark.batch(prompt=ask)
    def test_xfail(persona, question, answer):
        assert answer.text == "kim/sleep"

    @pytest.mark.xfail(strict=True, raises=AssertionError)
    @pytest.mark.batch(prompt=ask, persona="park", question="work")
    def test_strict(answer):
        assert answer.text == "kim/sleep"

    @pytest.mark.xfail
    @pytest.mark.batch(prompt=ask, persona="park")
    def test_table(answers):
        assert not answers

    @pytest.mark.xfail
    @pytest.mark.batch
    def test_conversation(batch_conversation):
        assert not batch_conversation
"""
"""Five unrecorded tests beside ten others, where park/work is not recorded."""

OUTCOMES = {"passed": 5, "unrecorded": 5, "xfailed": 4, "xpassed": 1}
UNRECORDED = [
    "test_conversation",
    "test_one[park-work]",
    "test_strict[park-work]",
    "test_table",
    "test_xfail[park-work]",
]
WRONG = ("broken", "failed")
"""What allure calls an error, by the class of the exception."""
MESSAGE = "unrecorded: its request has no recorded answer ("
REFUSED = """
    @pytest.mark.xfail
    @pytest.mark.batch(prompt=ask, persona="kim", question="sleep")
    def test_refused(answer):
        assert not answer
"""


@pytest.fixture
def xfailing(repository):
    repository.test_file(XFAIL)
    repository.record(skip=["park/work"])
    return repository


@pytest.fixture
def refused(repository, batch_server):
    """A repository with a test marked xfail whose request fails at the server."""
    repository.test_file(REFUSED)
    batch_server.faults.fail_lines("kim", status_code=400, code="invalid_request_error")
    return repository


def allure_results(repository):
    """By name of a test: status, message and trace, and the states of its fixtures before it."""
    results = [json.loads(path.read_text("utf-8")) for path in (repository.path / "allure").glob("*-result.json")]
    details = {found["name"]: found.get("statusDetails", {}) for found in results}
    return {
        found["name"]: (
            found["status"],
            details[found["name"]].get("message", ""),
            details[found["name"]].get("trace", ""),
        )
        for found in results
    }


@pytest.mark.chosen
@pytest.mark.neighbours("allure")
@pytest.mark.parametrize("ours_last", [False, True])
def test_allure_sees_an_error_of_one_line(xfailing, ours_last):
    done = xfailing.run("--alluredir=allure", ours_last=ours_last)
    done.assert_outcomes(**OUTCOMES)
    results = allure_results(xfailing)
    assert len(results) == 15
    assert sorted(name for name, (status, *_) in results.items() if status in WRONG) == UNRECORDED
    assert MESSAGE in results["test_one[park-work]"][1] + results["test_one[park-work]"][2]
    assert "pytest_batcheval/plugin" not in "".join(trace for _, _, trace in results.values())
    assert results["test_xfail[kim-sleep]"][0] == "passed"


@pytest.mark.neighbours("allure")
@pytest.mark.parametrize("ours_last", [False, True])
def test_allure_sees_no_traceback_of_ours_in_a_fixture(xfailing, ours_last):
    xfailing.run("--alluredir=allure", ours_last=ours_last)
    containers = [path.read_text("utf-8") for path in (xfailing.path / "allure").glob("*-container.json")]
    assert any(MESSAGE in text for text in containers)
    assert [text for text in containers if "pytest_batcheval/plugin" in text] == []


@pytest.mark.neighbours("allure")
@pytest.mark.parametrize("ours_last", [False, True])
def test_allure_sees_a_failed_request_of_an_xfail_as_an_error(refused, batch_server, ours_last):
    done = refused.send(batch_server, "--alluredir=allure", ours_last=ours_last)
    assert done.status == 1
    done.assert_outcomes(errors=1)
    status, message, trace = allure_results(refused)["test_refused[kim-sleep]"]
    assert status in WRONG
    assert "the request of this test failed" in message + trace
    assert "pytest_batcheval/plugin" not in message + trace


@pytest.mark.chosen
@pytest.mark.neighbours("json-report", "metadata")
@pytest.mark.parametrize("ours_last", [False, True])
def test_a_json_report_sees_an_error_of_one_line(xfailing, ours_last):
    done = xfailing.run("--json-report", "--json-report-file=report.json", ours_last=ours_last)
    done.assert_outcomes(**OUTCOMES)
    report = json.loads((xfailing.path / "report.json").read_text("utf-8"))
    found = {test["nodeid"].partition("::")[2]: test for test in report["tests"]}
    assert sorted(name for name, test in found.items() if test["setup"]["outcome"] == "failed") == UNRECORDED
    assert sorted(name for name, test in found.items() if test["outcome"] == "unrecorded") == UNRECORDED
    assert report["summary"]["total"] == 15
    assert report["exitcode"] == 1
    assert found["test_one[park-work]"]["setup"]["longrepr"].startswith(MESSAGE)
    for name in UNRECORDED:
        assert "pytest_batcheval/plugin" not in json.dumps(found[name]), name


@pytest.mark.neighbours("html", "metadata")
@pytest.mark.parametrize("ours_last", [False, True])
def test_html_sees_an_error_of_one_line(xfailing, ours_last):
    done = xfailing.run("--html=report.html", "--self-contained-html", ours_last=ours_last)
    done.assert_outcomes(**OUTCOMES)
    page = (xfailing.path / "report.html").read_text("utf-8")
    data = json.loads(html.unescape(re.search(r'data-jsonblob="([^"]*)"', page)[1]))
    results = {name.partition("::")[2]: entries for name, entries in data["tests"].items()}
    wrong = sorted(
        name for name, (entry, *_) in results.items() if entry["result"] not in ("Passed", "XFailed", "XPassed")
    )
    assert [name.removesuffix("::setup") for name in wrong] == UNRECORDED
    assert {results[name][0]["result"] for name in wrong} == {"Error"}
    assert MESSAGE in json.dumps(data)
    assert "pytest_batcheval/plugin" not in json.dumps(data)


@pytest.mark.neighbours("instafail")
@pytest.mark.parametrize("ours_last", [False, True])
def test_instafail_says_one_line_of_each(xfailing, ours_last):
    done = xfailing.run("--instafail", ours_last=ours_last)
    done.assert_outcomes(**OUTCOMES)
    assert "5 tests could not run: 1 request without a recorded answer" not in done.stdout
    assert "4 tests could not run: 1 request without a recorded answer" in done.stdout
    assert "1 test could not run: no recorded conversation" in done.stdout


@pytest.mark.neighbours("sugar")
@pytest.mark.parametrize("ours_last", [False, True])
def test_sugar_counts_and_lists_the_unrecorded(xfailing, ours_last):
    done = xfailing.run(ours_last=ours_last, variables={"COLUMNS": "100"})
    assert done.status == 1
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert "4 tests could not run: 1 request without a recorded answer" in plain
    assert re.search(r"\b5 passed", plain)
    assert re.search(r"\b4 xfailed", plain)


@pytest.mark.neighbours("rich")
@pytest.mark.parametrize("ours_last", [False, True])
def test_rich_counts_and_lists_the_unrecorded(xfailing, ours_last):
    done = xfailing.run("--rich", ours_last=ours_last, variables={"COLUMNS": "100"})
    assert done.status == 1
    assert "5 passed" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.mark.parametrize("options", [(), ("--tb=long", "-v"), ("--tb=native",), ("--tb=auto", "-vv", "--showlocals")])
def test_no_way_to_show_tracebacks_shows_one_of_ours(xfailing, options):
    done = xfailing.run(*options, "--junitxml=junit.xml", "-rA")
    done.assert_outcomes(**OUTCOMES)
    assert sorted(name for name, parts in xfailing.junit().items() if "error" in dict(parts)) == UNRECORDED
    assert MESSAGE in dict(xfailing.junit()["test_one[park-work]"])["error"]


@pytest.mark.neighbours("cov")
def test_cov_sees_a_prompt_in_a_replay_and_in_workers(repository):
    repository.test_file()
    repository.record(skip=["park/work"])
    options = ("--cov=prompts", "--cov-report=json:cov.json", "--cov-fail-under=50")
    done = repository.run(*options)
    done.assert_outcomes(passed=5, unrecorded=1)
    lines = json.loads((repository.path / "cov.json").read_text("utf-8"))["files"]["prompts.py"]["executed_lines"]
    assert 3 in lines


@pytest.mark.neighbours("cov", "xdist")
def test_cov_sees_a_prompt_in_workers(repository, batch_server, sent):
    repository.test_file()
    done = repository.send(batch_server, "-n2", "--cov=prompts", "--cov-report=json:cov.json")
    done.assert_outcomes(passed=6)
    lines = json.loads((repository.path / "cov.json").read_text("utf-8"))["files"]["prompts.py"]["executed_lines"]
    assert 3 in lines
    assert sent() == [1] * 6


@pytest.mark.neighbours("timeout")
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_timeout_counts_the_test_and_not_what_is_sent(repository, batch_server, sent, method):
    repository.test_file("""
        import time

        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            if (persona.id, question.id) == ("park", "work"):
                time.sleep(60)
    """)
    done = repository.send(batch_server, "--timeout=1", f"--timeout-method={method}", "-v")
    assert done.status == 1
    if method == "signal":
        done.assert_outcomes(passed=5, failed=1)
        assert "answered, 0 failed" in done.stdout
    assert sent() == [1] * 6
    again = repository.send(batch_server, "-k", "not park")
    again.assert_outcomes(passed=4)
    assert sent() == [1] * 6


@pytest.mark.neighbours("timeout")
def test_a_timeout_of_a_test_shows_its_answer(repository):
    repository.test_file("""
        import time

        @pytest.mark.timeout(1)
        @pytest.mark.batch(prompt=ask, persona="park", question="work")
        def test_one(answer):
            time.sleep(60)
    """)
    repository.record()
    done = repository.run()
    done.assert_outcomes(failed=1)
    assert "Timeout" in done.stdout
    assert done.stdout.count("- batch -") == 1
