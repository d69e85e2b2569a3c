"""`--batch-mutants`: which tests notice that the wrong thing was asked."""

import pytest

from pytest_batcheval.journal.outcomes import Outcomes

SEES = """
    @pytest.mark.batch(prompt=ask)
    def test_persona(persona, question, answer):
        assert persona.description in str(answer.request.body), "another persona"

    @pytest.mark.batch(prompt=ask)
    def test_questions_differ(answers):
        assert len({str(row.answer.request.body["messages"][-1]) for row in answers.rows}) == 2
"""
BLIND = """
    @pytest.mark.batch(prompt=ask)
    def test_anything(persona, question, answer):
        assert answer.response
"""


def rows_of(result):
    """The cells of the table of tests, by test."""
    lines = result.stdout.str().splitlines()
    first = next(place for place, line in enumerate(lines) if line.split()[:2] == ["test", "1"])
    return {line.split()[0]: line.split()[1:] for line in lines[first + 1 :] if line.startswith("test_")}


def test_recordings_suffice_to_see_who_notices(suite):
    suite.record()
    suite.test_file(SEES)
    result = suite.run("--batch-mutants")
    assert result.ret == 1, "questions exchanged between two places are noticed by neither test"
    assert rows_of(result) == {
        "test_persona": ["6/6", "4/4", "0/6", "0/3"],  # the first persona's requests are right with persona:one
        "test_questions_differ": ["no", "no", "no", "yes"],
    }
    out = result.stdout.str()
    assert "question:swapped                    0  survives" in out
    assert "the tests catch 3 of 4 mutants: 75% (95 %: 30% to 95%" in out
    assert "requests for" not in out, "nothing is sent"


def test_all_caught_ends_well_and_a_blind_test_is_named(suite):
    suite.record()
    suite.test_file(SEES + BLIND)
    result = suite.run("--batch-mutants=persona:swapped,question:one")
    assert result.ret == 0
    out = result.stdout.str()
    assert "the tests catch 2 of 2 mutants" in out
    assert "tests that catch none: test_anything" in out


def test_a_test_that_fails_as_it_is_catches_nothing(suite):
    suite.record()
    suite.test_file(SEES.replace("persona.description in", "'kim' in"))
    result = suite.run("--batch-mutants=persona:swapped", "-k", "test_persona")
    assert result.ret == 1
    assert rows_of(result) == {"test_persona": ["2/2"]}, "of choi and park nothing is known"


def test_mutants_are_no_tests_of_the_run(suite):
    """Neither its outcomes nor its failures; the ids of the tests themselves stay."""
    suite.record()
    suite.test_file(SEES)
    suite.run("--batch-mutants", "--batch-report=report.html")
    stored = Outcomes.beside(suite.path / ".batcheval" / "journal.sqlite")
    tests = [one.test for one in stored.of_run(stored.runs()[0][0])]
    assert len(tests) == 7
    assert not [name for name in tests if ":" in name.partition("[")[2]]
    assert "persona:one" not in (suite.path / "report.html").read_text(encoding="utf-8")


def test_what_is_not_recorded_is_sent_once(suite, batch_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    suite.test_file(SEES)
    sends = ("--batch=send", f"--batch-backend={batch_server.base_url}")
    result = suite.run("--batch-mutants=cut", *sends)
    assert rows_of(result) == {"test_persona": ["6/6"], "test_questions_differ": ["no"]}
    keys = [one.custom_id for one in batch_server.ledger.executions]
    assert len(keys) == len({*keys}) == 6 + 2, "without instructions only two questions are left"


def test_a_mutant_without_an_answer_is_not_judged(suite):
    suite.record()
    suite.test_file(SEES)
    result = suite.run("--batch-mutants=cut", "-rs")
    assert result.ret == 0
    out = result.stdout.str()
    assert "not judged" in out
    assert "the mutant has no answer: unrecorded" in out


@pytest.mark.sampled
def test_workers_give_the_same_table(suite):
    suite.record()
    suite.test_file(SEES)
    alone = rows_of(suite.run("--batch-mutants"))
    assert rows_of(suite.run_apart("-p", "xdist", "-n", "2", "--batch-mutants")) == alone


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--batch-mutants=persona:upside"], "no selected test has persona:upside; known are exchanged, cut"),
        (["--batch-mutants", "--batch=record", "--batch-backend=simulator"], "with --batch=send they stay in the"),
    ],
)
def test_what_cannot_be_is_refused(suite, arguments, words):
    suite.test_file(SEES)
    result = suite.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str() + result.stdout.str()
