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
    assert text.startswith("### Batch tests\n\n**2 of 7 tests failed.**\n\n```\n")
    assert "by persona   kim 2/2\n" in text
    assert "test_it.py::test_one[kim-sleep]: AssertionError: not in character" in text
    github.unlink()
    suite.run("-k", "choi")
    assert github.read_text().startswith("### Batch tests\n\n**None of 2 tests failed.**\n\n| requests |")


def test_a_run_that_submits_and_leaves_has_a_summary(suite, send, github, batch_server):
    batch_server.faults.hold_batches()
    suite.test_file(ONE)
    assert send("--batch-wait=0").ret == 10
    text = github.read_text()
    assert text.startswith("### Batch tests\n\nNo test has run yet.\n\n```\n")
    assert re.search(r"batch_\w+", text)
    batch_server.faults.release()
    github.unlink()
    send().assert_outcomes(passed=6)
    assert github.read_text().startswith("### Batch tests\n\n**None of 6 tests failed.**")


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
