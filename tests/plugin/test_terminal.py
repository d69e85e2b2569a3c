"""The section `batch` at the end, and what a failing test says of its answers."""

import json
import re
from pathlib import Path

import pytest

from pytest_batcheval.journal.store import Journal
from pytest_batcheval.report.commands import resume_command
from pytest_batcheval.report.figures import Figures

RUBRIC = (Path(__file__).parents[2] / "fixtures" / "rubric.yaml").read_text(encoding="utf-8")
EACH = """
    @pytest.mark.batch(prompt=ask)
    def test_each(answer): pass
"""
TWICE = EACH + EACH.replace("test_each", "test_again")
FAILING = """
    @pytest.mark.batch(prompt=ask)
    def test_each(answer, persona, question):
        assert "xyz" in answer.text
"""
TABLE = """
    @pytest.mark.batch(prompt=ask)
    def test_table(answers):
        first = answers.rows[0].answer
        assert not first.text, f"{first.custom_id[:12]} says something"
"""
JUDGED = """
    from pytest_batcheval.quality import Rubric, rubric_request
    from pytest_batcheval import Answer

    RUBRIC = Rubric.load("rubric.yaml")

    def judged(persona, question):
        answer = yield ask(persona, question)
        yield rubric_request(answer, question, RUBRIC, model="judge")

    @pytest.mark.batch(prompt=judged)
    def test_judged(answer):
        assert answer.json() == "no such verdict"
"""


@pytest.fixture
def served(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", batch_server.base_url)
    return suite


def section(result, name="batch"):
    """The lines of a section of the terminal's summary, without times and sizes."""
    lines = result.stdout.str().split("\n")
    start = next(i for i, line in enumerate(lines) if re.fullmatch(rf"=+ {name} =+", line))
    end = next(i for i, line in enumerate(lines[start + 1 :], start + 1) if line.startswith(("=", "batch: ")))
    return lines[start + 1 : end]


# -- a run that sends ---------------------------------------------------------------------------------------------


def test_a_run_that_sent_tells_what_came_of_it(served):
    served.test_file(TWICE)
    lines = section(served.run("--batch=send"))
    assert [line[:11].strip() for line in lines] == ["requests", "tokens", "cost", "time", "machine", "duplicate"]
    assert lines[0] == "requests   6 in 1 batch: 6 answered, 0 failed"
    assert re.fullmatch(r"tokens     \d+ in, \d+ out", lines[1])
    assert lines[2] == "cost       nothing is paid at a simulator"
    assert re.fullmatch(r"time       .+: queue .+, run .+", lines[3])
    assert re.fullmatch(r"machine    CPU .+, memory .+ at most, .+B sent, .+B received", lines[4])
    assert lines[5].startswith("duplicate  6 more uses of the same answers: ")


def test_quiet_runs_tell_all_in_one_line(served):
    served.test_file(EACH)
    out = served.run("--batch=send", "-q").stdout.str()
    assert "batch: 6 answers sent to the simulator (faithful@0), cost: $0.00\n" in out
    assert " batch =" not in out


def test_answers_from_before_are_counted_beside_those_that_were_sent(served):
    served.test_file(EACH)
    served.run("--batch=send", "-k", "kim")
    lines = section(served.run("--batch=send"))
    assert lines[0].startswith("requests   4 in 1 batch: 4 answered")
    assert lines[-1].startswith("stored     2 answers known before: ")


def test_a_run_that_sends_nothing_has_no_section_unless_asked(served):
    served.test_file(EACH)
    served.run("--batch=send")
    assert " batch =" not in served.run("--batch=send").stdout.str()
    assert section(served.run("--batch=send", "-v"))[0].startswith("stored     6 answers known before: ")


def test_failures_are_listed_by_cause_with_an_example_and_a_next_step(served, batch_server):
    batch_server.faults.fail_lines("sleep", status_code=400, code="bad_request", message="\x1b[2Jno", times=9)
    batch_server.faults.fail_lines("일하", status_code=500, times=1)
    served.test_file(EACH)
    lines = section(served.run("--batch=send"))
    assert lines[0] == "requests   6 in 2 batches, with 3 repeats: 3 answered, 3 failed"
    failing = lines[lines.index("failing") + 1 :]
    assert re.fullmatch(r"  3 x bad_request \(HTTP 400\), such as [0-9a-f]{12}: \\x1b\[2Jno", failing[0])
    assert (
        failing[1].strip()
        == "The request was refused and is not sent again: change the prompt; a changed body is a new request."
    )


@pytest.mark.sampled
def test_waves_and_workers_are_reported_as_one_run(served):
    (served.path / "rubric.yaml").write_text(RUBRIC, encoding="utf-8")
    served.test_file(JUDGED)
    lines = section(served.run("--batch=send", "-p", "xdist", "-n", "2"))
    assert lines[0].startswith("requests   12 in 2 batches: 12 answered")
    assert " in 2 waves: " in next(line for line in lines if line.startswith("time"))


def test_each_stage_of_a_run_is_in_the_journal(served):
    served.test_file(EACH)
    served.run("--batch=send")
    reader = Journal.read(served.path / ".batcheval" / "journal.sqlite")
    (run,) = Figures(reader).runs()
    reader.close()
    assert [stage.name for stage in run.stages] == ["plan", "upload", "queue", "run", "download", "settle"]
    stages = {stage.name: stage for stage in run.stages}
    assert stages["run"].wall > stages["upload"].wall
    assert stages["upload"].sent > 6 * 150, "the input file"
    assert stages["download"].received > 6 * 150, "the output file"
    assert all(stage.memory > 10_000_000 for stage in run.stages)
    assert sum(stage.cpu for stage in run.stages) > 0


# -- unused recordings --------------------------------------------------------------------------------------------


NO_TEST = "recorded answers that no test asks for"
UNUSED = f"unused     2 {NO_TEST}"


def test_recordings_that_no_test_asks_for_are_reported_with_the_command_that_removes_them(suite):
    suite.record()
    suite.test_file(EACH.replace("prompt=ask", 'prompt=ask, persona=["kim", "choi"]'))
    (line,) = section(suite.run())
    assert line == f"{UNUSED}, in cassettes/answers/test_it.jsonl: batcheval prune --recordings"
    assert " batch =" not in suite.run("-q").stdout.str()


def test_a_cell_that_asks_something_else_makes_its_recording_stale(suite):
    suite.record()
    questions = json.loads((suite.path / "questions.json").read_text())
    questions[0]["text"] += " And since when?"
    (suite.path / "questions.json").write_text(json.dumps(questions))
    suite.test_file(EACH)
    lines = section(suite.run())
    assert lines[0].startswith("unused     3 recorded answers that no test asks for, 3 of them by cells that ask ")


@pytest.mark.parametrize(
    "selection",
    [["-k", "kim"], ["test_it.py::test_each[kim-sleep]"], ["--deselect", "test_it.py::test_each[kim-sleep]"]],
)
def test_a_part_of_the_suite_calls_nothing_unused(suite, selection):
    suite.record()
    suite.test_file(EACH)
    assert NO_TEST not in suite.run(*selection).stdout.str()


def test_a_conftest_that_drops_tests_makes_a_part_of_the_suite(suite):
    suite.record()
    (suite.path / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items):\n    items[:] = [item for item in items if 'kim' in item.name]\n"
    )
    suite.test_file(EACH)
    assert NO_TEST not in suite.run().stdout.str()


def test_another_module_may_ask_for_what_this_one_does_not(suite):
    suite.record()
    suite.test_file(EACH.replace("prompt=ask", 'prompt=ask, persona="kim"'))
    suite.test_file(EACH, name="test_other.py")
    assert NO_TEST not in suite.run().stdout.str()
    assert NO_TEST not in suite.run("test_it.py").stdout.str()
    (suite.path / "test_other.py").unlink()
    assert "unused     4 recorded answers" in suite.run().stdout.str()


def test_a_skipped_test_asks_too(suite):
    suite.record()
    suite.test_file(EACH.replace('(answer): pass', '(answer, persona): pass').replace(
        "@pytest.mark.batch", '@pytest.mark.skip(reason="not today")\n    @pytest.mark.batch'))  # fmt: skip
    assert NO_TEST not in suite.run().stdout.str()


@pytest.mark.sampled
def test_workers_find_the_same_unused_recordings(suite):
    suite.record()
    suite.test_file(EACH.replace("prompt=ask", 'prompt=ask, persona=["kim", "choi"]'))
    assert section(suite.run("-p", "xdist", "-n", "2"))[0].startswith(UNUSED)


# -- a failing test -----------------------------------------------------------------------------------------------


def shown(result):
    """The lines of the first section of a failing test, below its header."""
    lines = result.stdout.str().split("\n")
    start = next(i for i, line in enumerate(lines) if re.fullmatch(r"-+ batch -+", line))
    return lines[start + 1 :]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("more", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two workers"])
def test_a_failing_test_shows_who_was_asked_what_and_answered_what(suite, more):
    suite.record()
    suite.test_file(FAILING)
    result = suite.run(*more, "-k", "kim and work")
    *_, request = (request for persona, question, request in suite.bodies() if (persona, question) == ("kim", "work"))
    assert shown(result)[:8] == [
        "persona    kim: You are kim.",
        "question   work: 어떻게 일하세요?",
        f"custom_id  {request.custom_id}",
        "from       the simulator (faithful@0), model ",
        "request    system: You are kim.",
        "           user: 어떻게 일하세요?",
        "answer     kim/work",
        f"all of it  batcheval show {request.custom_id[:12]}",
    ]


def test_a_passing_test_shows_nothing(suite):
    suite.record()
    suite.test_file(EACH)
    assert "custom_id" not in suite.run("-rA").stdout.str()


def test_a_table_shows_the_answers_that_the_failure_names(suite):
    suite.record()
    suite.test_file(TABLE)
    lines = shown(suite.run())
    assert lines[0] == "a table of 6 answers from the simulator (faithful@0); 1 that the failure names:"
    assert lines[2] == "persona    kim: You are kim."
    assert "answer     kim/sleep" in lines


@pytest.mark.sampled
def test_a_long_text_is_cut_until_it_is_asked_for(suite):
    long = " ".join(f"word{number}" for number in range(400))
    (suite.path / "questions.json").write_text(json.dumps([{"id": "long", "text": long}]))
    suite.test_file(FAILING)
    suite.run("--batch=record", "--batch-backend=simulator")
    request = next(line for line in shown(suite.run("-k", "kim")) if "user: word0" in line)
    assert "word399" not in request
    assert "more characters: -vv shows them" in suite.run("-k", "kim").stdout.str()
    assert any("word399" in line for line in shown(suite.run("-k", "kim", "-vv")))


@pytest.mark.sampled
def test_a_judges_verdict_is_called_one(suite):
    (suite.path / "rubric.yaml").write_text(RUBRIC, encoding="utf-8")
    suite.test_file(JUDGED)
    suite.run("--batch=record", "--batch-backend=simulator")
    labels = [line[:11].strip() for line in shown(suite.run("-k", "kim and sleep")) if line[:11].strip()]
    assert labels[:8] == ["persona", "question", "custom_id", "from", "request 1", "answer 1", "request 2", "verdict 2"]


def test_a_journal_elsewhere_is_named_in_the_command(suite):
    suite.record()
    suite.test_file(FAILING)
    result = suite.run("--batch-journal=kept/journal.sqlite", "-k", "kim and work")
    assert re.search(r"all of it  batcheval show [0-9a-f]{12} --journal kept/journal.sqlite\n", result.stdout.str())


# -- the page -----------------------------------------------------------------------------------------------------


PAGE = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text(encoding="utf-8")


def pictures(title):
    return re.findall(
        r"^```text\n(.*?)^```$", PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0], re.MULTILINE | re.DOTALL
    )


def levelled(text):
    """Without keys, times, sizes and words of the simulator's patients."""
    text = re.sub(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b", "…", text)
    text = re.sub(r"^(time|machine|tokens|answer) .*$", r"\1 …", text, flags=re.MULTILINE)
    return re.sub(r"[\d,]+ tokens in, [\d,]+ out", "… tokens", text)


def test_the_page_shows_the_section_of_a_real_run(served, batch_server):
    served.test_file(EACH)
    served.run("--batch=send", "-k", "kim")
    batch_server.faults.fail_lines(
        "choi", status_code=400, code="bad_request", message="the words were not liked", times=1
    )
    batch_server.faults.fail_lines("park", status_code=500, times=1)
    picture, _ = pictures("The summary")
    assert levelled(picture) in levelled(served.run("--batch=send").stdout.str())


OUT_OF_CHARACTER = """
    import pytest
    from prompts import ask

    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        good = persona.id == "park" or (persona.id, question.id) == ("kim", "sleep")
        assert good, "out of character"
"""


def test_a_run_ends_with_what_failing_tests_have_in_common(suite):
    suite.test_file(OUT_OF_CHARACTER)
    run = suite.run("--batch=record", "--batch-backend=simulator")
    _, picture = pictures("The summary")
    *own, last = run.outlines
    assert own[-picture.count("\n") :] == picture.splitlines()
    assert own[-picture.count("\n") - 1].startswith("FAILED test_it.py::test_one[")
    assert "3 failed, 3 passed" in last
    quiet = suite.run("-q", "-p", "no:randomly").outlines
    assert quiet[-3:-1] == picture.splitlines()[-2:]
    assert "failing tests" not in "".join(quiet)


def test_the_page_shows_a_real_failure(suite):
    suite.test_file(FAILING)
    suite.run("--batch=record", "--batch-backend=simulator")
    (picture,) = pictures("A failing test")
    assert levelled(picture) in levelled(suite.run("-k", "kim and work").stdout.str())


# -- what came of it, in odd cases --------------------------------------------------------------------------------


def test_a_run_that_comes_back_tells_what_it_collected(served, batch_server):
    batch_server.faults.hold_batches()
    batch_server.faults.fail_lines("kim", status_code=400, code="bad_request", times=9)
    served.test_file(EACH)
    assert served.run("--batch=send", "--batch-wait=0").ret == 10
    batch_server.faults.release()
    result = served.run("--batch=send")
    lines = section(result)
    assert lines[:2] == [
        "requests   6 in 1 batch: 4 answered, 2 failed",
        "           including 1 batch of an earlier run",
    ]
    assert any(line.startswith("  2 x bad_request") for line in lines)
    assert not [line for line in lines if line.startswith("stored")]
    assert "nothing to send" not in result.stdout.str()


@pytest.mark.ledger(paid=2)
def test_a_refresh_that_fails_leaves_the_older_answers_and_says_so(served, batch_server):
    served.test_file(EACH)
    served.run("--batch=send")
    batch_server.faults.fail_lines("kim", status_code=400, code="bad_request", times=9)
    out = served.run("--batch=send", "--batch-refresh").stdout.str()
    assert "batch: 2 requests could not be refreshed; the older answers were used" in out
    assert "batch: 2 answers journaled from the simulator (faithful@0), 4 answers sent to the simulator" in out


def test_an_object_that_cannot_be_shown_ends_no_run(suite):
    suite.record()
    (suite.path / "conftest.py").write_text(
        "class Odd:\n    id = 'odd'\n    text = property(lambda self: 1 / 0)\n    description = 'You are kim.'\n"
        "    def __getattr__(self, name): raise RuntimeError(name)\n"
        "def pytest_batch_axes(config): return {'persona': [Odd()]}\n"
    )
    suite.test_file(FAILING)
    result = suite.run("--batch=record", "--batch-backend=simulator")
    assert "INTERNALERROR" not in result.stdout.str()
    assert result.ret in (1, 4)


@pytest.mark.parametrize("more", [["--show-capture=no"], ["--tb=short"], ["-p", "no:terminal"]])
def test_the_section_of_a_failing_test_does_not_depend_on_what_else_is_shown(suite, more):
    suite.record()
    suite.test_file(FAILING)
    result = suite.run("-k", "kim and work", *more)
    assert result.ret == 1
    assert "no:terminal" in more or "answer     kim/work" in result.stdout.lines


def test_last_failed_calls_nothing_unused(suite):
    suite.record()
    suite.test_file(FAILING.replace('assert "xyz" in answer.text', 'assert persona.id != "kim"'))
    suite.run()
    result = suite.run("--lf")
    assert NO_TEST not in result.stdout.str()
    result.assert_outcomes(failed=2)


def test_nobody_is_invited_to_remove_the_answers_of_another_model(suite):
    suite.record()
    (suite.path / "prompts.py").write_text((suite.path / "prompts.py").read_text().replace('"m"', 'MODEL', 1).replace(
        "def ask(", 'MODEL = "other"\n\n\ndef ask(', 1))  # fmt: skip
    suite.test_file(EACH)
    suite.run("--batch=record", "--batch-backend=simulator")
    (line,) = section(suite.run())
    assert line == "unused     6 recorded answers of m, in cells that ask another model in this run"


def test_a_password_in_a_url_is_proposed_to_nobody():
    proposed = resume_command(Path(".batcheval/journal.sqlite"), "https://user:hunter2@host.test/v1")
    assert proposed == "batcheval resume --backend https://host.test/v1"
