"""What continuous integration reads: JUnit properties, GitHub's step summary and annotations."""

import re
from xml.etree import ElementTree

import pytest

ONE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""
TABLE = """
    @pytest.mark.batch(prompt=ask)
    def test_table(answers):
        assert answers
"""
HOSTILE = "no `````` ```\n::error::owned\r::warning::too %0A <b>|\x1b[2J"
"""Of a provider: it closes fences, and begins workflow commands of its own."""


@pytest.fixture
def send(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    return lambda *args: suite.run("--batch=send", f"--batch-backend={batch_server.base_url}", *args)


@pytest.fixture
def github(suite, monkeypatch):
    """As GitHub Actions runs it; returns the file of the summary."""
    path = suite.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path.parent))
    return path


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Not on GitHub unless a test says so, wherever this suite itself runs."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


def properties(suite):
    """The properties of every test in the JUnit file."""
    cases = ElementTree.parse(suite.path / "junit.xml").iter("testcase")
    return {case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases}


def commands(result):
    return [line for line in result.stdout.lines if line.startswith("::")]


def keys(suite):
    return {f"{persona}-{question}": request.custom_id for persona, question, request in suite.bodies()}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("more", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def test_junit_has_key_origin_and_model_of_batch_tests(suite, send, more):
    suite.test_file(ONE + TABLE + "\n    def test_plain(): pass\n")
    send("--junitxml=junit.xml", *more).assert_outcomes(passed=8)
    found = properties(suite)
    assert found.pop("test_plain") == {}
    assert found["test_table"].keys() == {"custom_id", "origin", "model"}
    assert found["test_table"]["custom_id"] in keys(suite).values()
    singles = {name: values["custom_id"] for name, values in found.items() if name.startswith("test_one")}
    assert sorted(singles.values()) == sorted(keys(suite).values())
    assert {(values["origin"], values["model"]) for values in found.values()} == {
        ("simulator:faithful@0", "m-2025-01-01")
    }


def test_junit_has_the_key_of_a_test_without_an_answer(suite):
    suite.record(skip=[("kim", "sleep")])
    suite.test_file(ONE)
    suite.run("--junitxml=junit.xml")
    (missing,) = [values for name, values in properties(suite).items() if "kim" in name and "sleep" in name]
    assert missing == {"custom_id": keys(suite)["kim-sleep"]}


def test_away_from_github_nothing_is_written_for_it(suite):
    suite.test_file(ONE)
    assert commands(suite.run()) == []


def test_the_summary_counts_answers_by_source_and_what_was_sent(suite, send, github, batch_server):
    batch_server.faults.fail_lines("You are kim.*sleep", status_code=400, code="invalid_value", times=9)
    suite.test_file(ONE)
    send().assert_outcomes(passed=5, errors=1)
    text = github.read_text()
    assert "| 5 | sent | the simulator \\(faithful\\@0\\) |" in text
    assert "| 1 | failed | the simulator \\(faithful\\@0\\) |" in text
    assert "6 requests sent, 1 failed, cost $0.00." in text
    assert f"1 x invalid_value (HTTP 400), {keys(suite)['kim-sleep'][:12]}: " in text
    send()
    later = github.read_text().removeprefix(text)
    assert "| 5 | journal |" in later
    assert "Nothing was sent." in later


def test_a_replay_says_what_is_unrecorded(suite, github):
    suite.record(skip=[("kim", "sleep"), ("kim", "work")])
    suite.test_file(ONE)
    suite.run()
    assert "| 4 | recording | the simulator" in github.read_text()
    assert "| 2 | **unrecorded** | |" in github.read_text()


def test_the_summary_says_which_tests_fail_and_what_they_have_in_common(suite, github):
    suite.record()
    suite.test_file(ONE.replace("answer.text", 'persona.id != "kim", "not in character"') + TABLE)
    suite.run()
    text = github.read_text()
    assert re.match(
        r"### Batch tests in \S+\n\n\*\*2 of 7 tests failed\.\*\* Most of it: persona kim \(2 of 2\), ", text
    )
    assert "by persona   kim 2/2\n" in text
    assert "test_it.py::test_one[kim-sleep]: AssertionError: not in character" in text
    github.unlink()
    suite.run("-k", "choi")
    assert "\n\n**None of 2 tests failed.**\n\nAnswers of the simulator" in github.read_text()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("more", [(), ("-p", "xdist", "-n", "1")], ids=["one process", "a worker"])
def test_a_run_that_submits_and_leaves_tells_what_waits(suite, send, github, batch_server, more):
    batch_server.faults.hold_batches()
    suite.test_file(ONE + "\n    def test_plain(): pass\n")
    assert send("--batch-wait=0", "--batch-comment=comment.md", "--junitxml=junit.xml", *more).ret == 10
    text = github.read_text()
    assert "**No test has run yet: 1 batch with 6 requests not ended.** All end by 20" in text
    assert re.search(r"^batch_\w+ validating, 0 of 6 done$", text, re.MULTILINE)
    assert (suite.path / "comment.md").read_text().partition("\n")[2] == text
    cases = {case.get("name"): case for case in ElementTree.parse(suite.path / "junit.xml").iter("testcase")}
    assert len(cases) == (6 if more else 7), "a controller knows the tests of its plan alone"
    for case in cases.values():
        assert case.find("skipped").get("message").startswith("not run: 1 batch still running (batch_")
    assert properties(suite)["test_one[kim-sleep]"] == {"custom_id": keys(suite)["kim-sleep"]}
    batch_server.faults.release()
    github.unlink()
    send("--batch-comment=comment.md", "--junitxml=junit.xml").assert_outcomes(passed=7)
    assert "**None of 6 tests failed.**" in github.read_text()
    assert (suite.path / "comment.md").read_text().partition("\n")[2] == github.read_text()
    assert properties(suite)["test_one[kim-sleep]"].keys() == {"custom_id", "origin", "model"}


def test_a_run_that_is_refused_tells_why(suite, github, unused_port, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    suite.test_file(ONE)
    result = suite.run(
        "--batch=send", f"--batch-backend=http://127.0.0.1:{unused_port}/v1", "--junitxml=junit.xml", "--batch-wait=0"
    )
    assert result.ret == 11
    assert re.search(r"\n\n\*\*No test has run\.\*\*\n\n```\n.*cannot be reached", github.read_text())
    found = list(ElementTree.parse(suite.path / "junit.xml").iter("skipped"))
    assert len(found) == 6
    assert "cannot be reached" in found[0].get("message")


@pytest.mark.sampled
def test_the_next_look_is_when_similar_batches_have_ended(suite, send, github, batch_server):
    suite.test_file(ONE)
    send()
    batch_server.faults.hold_batches()
    github.unlink()
    assert send("--batch-wait=0", "--batch-refresh").ret == 10
    assert re.search(r"All end at about 20\d\d-\d\d-\d\d \d\d:\d\d \w+, as similar batches did: ", github.read_text())


def test_what_changed_since_the_earlier_run(suite, github):
    suite.record()
    wrong = ONE.replace("answer.text", 'persona.id not in ("kim", "park")')
    suite.test_file(wrong)
    suite.run("-k", "sleep")
    assert "that ran on" not in github.read_text(), "there is no earlier run"
    github.unlink()
    suite.test_file(wrong.replace("kim", "choi"))
    suite.run()
    assert re.search(
        r"^Of 3 tests that ran on 20.{14} \w+ too, \*\*1 passed then and does not now\*\*, and 1 the other way round\.\n"
        r"\n```\ntest_it\.py::test_one\[choi-sleep\]\n```$",
        github.read_text(),
        re.MULTILINE,
    )
    github.unlink()
    suite.run("-k", "choi or park")
    assert "Of 4 tests that ran on" in github.read_text()
    assert "none has another outcome." in github.read_text()


@pytest.mark.parametrize("mine", ["# Notes\n", ""])
def test_a_file_that_is_no_comment_is_not_written_over(suite, mine):
    suite.record()
    suite.test_file(ONE)
    (suite.path / "notes.md").write_text(mine)
    result = suite.run("--batch-comment=notes.md")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*batch_comment: notes.md exists and is not a comment of an earlier run; name another*"]
    )
    assert (suite.path / "notes.md").read_text() == mine


def test_a_place_without_a_folder_is_refused_at_once(suite):
    suite.test_file(ONE)
    result = suite.run("--batch-comment=no/such/comment.md")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*there is no folder no/such for the comment comment.md; create it first*"])
    assert suite.run("--batch-comment=.").ret == 4


def test_a_comment_that_cannot_be_written_any_more_fails_no_run(suite, github):
    suite.record()
    suite.test_file(ONE.replace("assert answer.text", "import os; os.makedirs('comment.md', exist_ok=True)"))
    result = suite.run("--batch-comment=comment.md")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["batch: comment.md is a folder; name a file for the comment"])
    assert "None of 6 tests failed" in github.read_text()


def test_a_folder_that_may_not_be_written_to_fails_no_run(suite):
    suite.record()
    suite.test_file(ONE)
    result = suite.run("--batch-comment=/proc/comment.md")  # closed to root too
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: cannot write /proc/comment.md (*)"])


@pytest.mark.sampled
def test_the_comment_of_an_ini_key_lies_beside_the_suite(suite):
    suite.record()
    suite.test_file(ONE)
    with (suite.path / "pytest.ini").open("a") as file:
        file.write("\nbatch_comment = comment.md\n")
    for more in ((), ("-p", "xdist", "-n", "1")):
        suite.run(*more).assert_outcomes(passed=6)
        text = (suite.path / "comment.md").read_text()
        assert text.startswith("<!-- pytest-batcheval comment: . -->\n### Batch tests\n\n**None of 6 tests failed.**")


def test_annotations_point_at_the_test_once_for_all_its_cells(suite, github):
    suite.record(skip=[("kim", "sleep"), ("kim", "work")])
    path = suite.test_file(ONE + "\n    def test_wrong(): assert 0\n")
    found = commands(suite.run())
    line = path.read_text().splitlines().index("@pytest.mark.batch(prompt=ask)") + 1
    assert len(found) == 1
    assert found[0].startswith(
        f"::error file={suite.path.name}/test_it.py,line={line},title=unrecorded::2 tests, the first: unrecorded: its"
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize("more", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def test_hostile_words_stay_words(suite, send, github, batch_server, monkeypatch, more):
    monkeypatch.setenv("GATEWAY_API_KEY", "gateway-4f2a91c07d")
    words = f"{HOSTILE} gateway-4f2a91c07d"
    batch_server.faults.fail_lines("You are kim.*sleep", status_code=400, code="c", message=words, times=9)
    suite.test_file(ONE)
    result = send("--tb=no", "-rN", *more)
    (command,) = commands(result)
    assert "title=request failed::the request of this test failed: c (HTTP 400): no" in command
    assert "%0A\\x3a:error::owned\\x0d::warning::too %250A" in command
    text = github.read_text()
    assert "4f2a91c07d" not in command + text
    assert not set("\x1b\r") & set(command + text)
    opened, inside, closed = re.search(r"^(`{3,})\n(.*?)^(`{3,})$", text, re.MULTILINE | re.DOTALL).groups()
    assert opened == closed == "`" * 7
    assert inside.count("\n") == 1


def test_what_a_model_wrote_is_no_workflow_command(suite, github):
    suite.record()
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, persona="kim", question="sleep")
        def test_prints(answer):
            print("::add-mask::e")
            print("  ::stop-commands::x")
            print("so ##[add-mask]e")
            assert 0, "why: ::this"
    """)
    out = suite.run().stdout.str()
    assert "\\x3a:add-mask::e" in out
    assert "  \\x3a:stop-commands::x" in out
    assert "so \\x23#[add-mask]e" in out
    assert "why: ::this" in out


def test_the_words_of_a_refusal_are_no_workflow_command(suite, send, github, batch_server):
    batch_server.faults.fail_lines("You are", status_code=400, code="c", message="no\n::add-mask::e", times=9)
    suite.test_file(ONE)
    result = send("-k", "kim and sleep")
    assert "\\x3a:add-mask::e" in result.stdout.str()
    assert not [line for line in result.stdout.lines if line.lstrip().startswith("::add-mask")]


def test_a_summary_that_cannot_be_written_stops_nothing(suite, github, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "no" / "such.md"))
    suite.record()
    suite.test_file(ONE)
    result = suite.run()
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["batch: the summary for GitHub cannot be written: *"])


def test_a_plan_writes_no_summary(suite, github):
    suite.test_file(ONE)
    suite.run("--batch=plan", "--batch-backend=simulator")
    assert not github.exists()
