"""The outcomes of tests that ask for answers are stored beside the journal, of replays and of workers too."""

import os
import re
import sqlite3
from contextlib import closing

import pytest

from pytest_batcheval.journal.outcomes import Outcomes

TESTS = """
        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_passes(answer): pass

        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_fails(answer): assert answer.text == "other", "it is another"

        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_tears_down(answer, broken_end): pass

        @pytest.mark.xfail(reason="later")
        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_xfails(answer): assert 0

        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_skips(answer): pytest.skip("not now")

        @pytest.mark.batch(prompt=ask, persona="park", question="work")
        def test_is_missing(answer): pass

        @pytest.mark.batch(prompt=lambda persona: 1 / 0, persona="kim")
        def test_broken_prompt(answer): pass

        @pytest.mark.batch(prompt=ask, persona=["kim", "choi"])
        def test_table(answers): assert len(answers) == 4

        def test_plain(): pass

        @pytest.fixture
        def broken_end():
            yield
            raise ValueError("cannot end")
"""
EXPECTED = {
    "test_passes[kim-sleep]": "passed",
    "test_passes[kim-work]": "passed",
    "test_fails[kim-work]": "failed",
    "test_tears_down[kim-work]": "error",
    "test_xfails[kim-work]": "xfailed",
    "test_skips[kim-work]": "skipped",
    "test_is_missing[park-work]": "unrecorded",
    "test_broken_prompt[kim]": "error",
    "test_table": "passed",
}


@pytest.fixture
def ran(suite):
    def run(*args):
        suite.record(skip=[("park", "work")])
        suite.test_file(TESTS)
        suite.run_apart(*args)
        return Outcomes.beside(suite.path / ".batcheval" / "journal.sqlite")

    return run


@pytest.mark.sampled(2)
@pytest.mark.parametrize("options", [["-p", "xdist.plugin", "-n1"], []], ids=["worker", "alone"])
def test_every_outcome_is_stored_once(ran, options):
    stored = ran(*options)
    outcomes = stored.of_run(stored.runs()[0][0])
    assert {one.test.partition("::")[2]: one.outcome for one in outcomes} == EXPECTED
    messages = {one.test.partition("::")[2]: one.message for one in outcomes if one.message}
    assert messages["test_fails[kim-work]"].startswith("AssertionError: it is another")
    assert messages["test_tears_down[kim-work]"] == "ValueError: cannot end"
    assert messages["test_is_missing[park-work]"].startswith("unrecorded: its request has no recorded answer")
    assert all(one.seconds >= 0 for one in outcomes)


@pytest.mark.sampled
def test_the_cells_of_an_answer_are_known(suite, ran):
    outcomes = ran()
    key = next(r.custom_id for p, q, r in suite.bodies() if (p, q) == ("kim", "work"))
    found = outcomes.by_key([key])[key]
    assert {one.test.partition("::")[2] for one in found} == {
        name for name in EXPECTED if name not in ("test_passes[kim-sleep]", "test_is_missing[park-work]", "test_broken_prompt[kim]")
    }  # fmt: skip
    assert {tuple(one.cells[key].items()) for one in found} == {(("persona", "kim"), ("question", "work"))}


@pytest.mark.sampled
def test_the_newest_run_counts(suite, ran):
    outcomes = ran()
    path = suite.path / "test_it.py"
    path.write_text(path.read_text().replace('== "other"', '== "kim/work"'))
    suite.run("-k", "test_fails")
    found = {
        one.test: one for uses in outcomes.by_key([r.custom_id for *_, r in suite.bodies()]).values() for one in uses
    }
    assert found["test_it.py::test_fails[kim-work]"].outcome == "passed"
    assert {test.partition("::")[2] for test in found} == EXPECTED.keys() - {"test_broken_prompt[kim]"}
    with closing(sqlite3.connect(suite.path / ".batcheval" / "outcomes.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (2,)


def test_nothing_is_written_for_other_tests(suite):
    suite.test_file("def test_plain(): pass")
    suite.run()
    assert not (suite.path / ".batcheval").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_tree_that_cannot_be_written_is_no_failure(suite):
    suite.record()
    suite.test_file("@pytest.mark.batch(prompt=ask)\n        def test_it(answer): pass")
    suite.path.chmod(0o500)
    try:
        suite.run("-p", "no:cacheprovider").assert_outcomes(passed=6)
    finally:
        suite.path.chmod(0o700)


def test_a_file_that_is_no_database_is_no_failure(suite):
    suite.record()
    (suite.path / ".batcheval").mkdir()
    (suite.path / ".batcheval" / "outcomes.sqlite").write_text("no database" * 100)
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_it(answer): pass
    """)
    suite.run().assert_outcomes(passed=6)


@pytest.mark.sampled
@pytest.mark.parametrize("options", [["-p", "xdist.plugin", "-n1"], []], ids=["worker", "alone"])
def test_a_run_writes_its_report(suite, options):
    suite.record(skip=[("park", "work")])
    suite.test_file(TESTS)
    result = suite.run_apart("--batch-report=report.html", *options)
    result.stdout.fnmatch_lines(["batch: report: report.html"])
    text = (suite.path / "report.html").read_text(encoding="utf-8")
    assert "3 of 9 tests fail." in text
    assert "1 test could not run: no recorded answer." in text
    assert text.count('<div id="a-') == 4


@pytest.mark.parametrize("option", ["--collect-only", "--batch=plan"])
def test_no_report_is_written_where_no_test_ran(suite, option):
    suite.record()
    suite.test_file(TESTS)
    result = suite.run("--batch-report=report.html", option)
    assert not (suite.path / "report.html").exists()
    result.stdout.no_fnmatch_line("batch: report: report.html")


def test_a_report_that_cannot_be_written_is_refused_at_once(suite):
    suite.test_file(TESTS)
    (suite.path / "mine.html").write_text("mine")
    for name, message in (
        ("mine.html", "exists and is not a report of an earlier run"),
        ("no/report.html", "there is no folder"),
    ):
        result = suite.run(f"--batch-report={name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: batch_report: *{message}*"])


def test_the_verb_reports_on_a_run_after_the_fact(suite, monkeypatch, capsys):
    from pytest_batcheval.cli import main

    suite.record(skip=[("park", "work")])
    suite.test_file(TESTS)
    suite.run()
    suite.run("-k", "test_passes")
    monkeypatch.chdir(suite.path)
    assert main(["report"]) == 0
    assert "None of 2 tests fails." in (suite.path / "report.html").read_text(encoding="utf-8")
    runs = Outcomes.beside(suite.path / ".batcheval" / "journal.sqlite").runs()
    assert main(["report", runs[1][0], "--output", "first.html"]) == 0
    assert "3 of 9 tests fail." in (suite.path / "first.html").read_text(encoding="utf-8")
    (suite.path / "test_it.py").write_text(
        (suite.path / "test_it.py").read_text().replace('== "other"', '== "kim/work"')
    )
    suite.run("-k", "test_fails")
    capsys.readouterr()
    assert main(["report", "--against", "previous", "--output", "second.html"]) == 0
    _, verdict, since = capsys.readouterr().out.splitlines()
    assert verdict == "None of 1 test fails."
    assert re.fullmatch(
        r"Of 1 test that ran on \S+ \S+ \S+ too, 0 passed then and do not now, and 1 the other way round\.", since
    )
    text = (suite.path / "second.html").read_text(encoding="utf-8")
    assert "0 of 1 tests that both runs have fail now and did not then; 1 failed then and do not now" in text
    assert "8 are not in this run" in text
    assert main(["report", runs[1][0], "--against", "previous"]) == 4
    assert "no earlier run has a test of this one" in capsys.readouterr().err
    assert main(["report", "nobody"]) == 4
    assert "no run of tests begins with 'nobody'" in capsys.readouterr().err


@pytest.mark.sampled
@pytest.mark.parametrize("options", [["-p", "xdist.plugin", "-n1"], []], ids=["worker", "alone"])
def test_quality_results_are_kept_with_the_test_that_computed_them(suite, options):
    suite.record()
    suite.test_file("""
        from pytest_batcheval.quality import format_checks

        def test_of_no_answers(): pass

        @pytest.mark.batch(prompt=ask)
        def test_two(answers):
            format_checks(answers)
            assert format_checks(answers, language="en").failing == ()

        @pytest.mark.batch(prompt=ask)
        def test_none(answers): pass
    """)
    suite.run_apart(*options)
    outcomes = Outcomes.beside(suite.path / ".batcheval" / "journal.sqlite")
    kept = {one.test.partition("::")[2]: one.results for one in outcomes.of_run(outcomes.runs()[0][0])}
    assert [result.kind for result in kept["test_two"]] == ["FormatChecks", "FormatChecks"]
    english = kept["test_two"][1]
    assert english.figures["n"] == 6
    assert english.summary.startswith("<FormatChecks ")
    assert english.words.startswith("0.0% of 6 answers fail a check")
    assert not kept["test_none"]


@pytest.mark.sampled
def test_explanations_speak_the_language_of_the_ini_key_and_are_kept_in_each(suite, monkeypatch):
    from pytest_batcheval.cli import main
    from pytest_batcheval.quality.result import Result

    suite.record()
    suite.test_file("""
        from pytest_batcheval.quality import format_checks

        @pytest.mark.batch(prompt=ask)
        def test_form(answers):
            found = format_checks(answers)
            assert not found.failing, found.explain()
    """)
    result = suite.run("-o", "batch_lang=ko", "--batch-report=now.html")
    result.stdout.fnmatch_lines(["*AssertionError: 답변 6개 중 100.0% 형식 검사 위반"])
    assert Result.lang == "en"
    outcomes = Outcomes.beside(suite.path / ".batcheval" / "journal.sqlite")
    [test] = outcomes.of_run(outcomes.runs()[0][0])
    assert test.results[0].words.startswith("100.0% of 6 answers fail a check\n")
    monkeypatch.chdir(suite.path)
    assert main(["report", "--lang", "ko", "--output", "later.html"]) == 0
    for name in ("now.html", "later.html"):
        text = (suite.path / name).read_text(encoding="utf-8")
        assert "답변 6개 중 100.0% 형식 검사 위반: 한도 초과 - 다른 문자(other_script)" in text
        assert "[실패] 다른 문자(other_script): 6개 중 6개" in text
        assert "없음: 비율을 한도와 비교함" in text
        assert "fail a check" not in text
    assert main(["report", "--output", "english.html"]) == 0
    assert "100.0% of 6 answers fail a check" in (suite.path / "english.html").read_text(encoding="utf-8")
    with closing(sqlite3.connect(suite.path / ".batcheval" / "outcomes.sqlite")) as connection, connection:
        connection.execute("DROP TABLE translation")  # as a run of an earlier version left it
    assert main(["report", "--lang", "ko", "--output", "later.html"]) == 0
    assert "100.0% of 6 answers fail a check" in (suite.path / "later.html").read_text(encoding="utf-8")
