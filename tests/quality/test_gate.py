from __future__ import annotations

from collections.abc import Callable

import pytest
from free_text import Speaker, honest, spoken

from pytest_batcheval.quality import differentiation, quality_gate, trait_reflection
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.gate import PARTS
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]

UNKNOWN = ["own_words", "traits", "discriminant", "each_persona", "each_question"]
"""Parts that need profiles, targets and descriptions."""


def test_a_faithful_respondent_passes_every_part(respondent: Build) -> None:
    gate = quality_gate(respondent("faithful", samples=2))
    assert gate.passed, gate.explain()
    assert tuple(part.name for part in gate.parts) == PARTS
    assert (gate.effect, gate.left_out) == (1.0, ())
    assert "warning" not in gate["different"].reason
    assert gate.explain().startswith("quality gate of 550 answers passed\nok form: ")


def test_a_failing_gate_names_part_and_reason(respondent: Build) -> None:
    gate = quality_gate(respondent("inverted"), permutations=999)
    assert gate.failed == ("traits", "discriminant", "each_persona", "each_question")
    assert gate["traits"].reason.startswith("median delta -")
    assert "FAIL discriminant: prompted traits do not raise their own scores" in gate.explain()
    assert "0 of 7 dimensions reflected" in gate.explain()
    assert "left out: samples" in gate.explain()


def test_reading_the_description_aloud_fails_its_part(respondent: Build) -> None:
    rows = [
        {"persona": r.cell["persona"], "question": r.cell["question"]}
        | {"text": f"저는 {r.cell['persona'].describe('ko', 'short')} 사람이에요. {r.answer.text}"}
        for r in respondent("faithful").rows
    ]
    gate = quality_gate(Answers.from_records(rows), permutations=999)
    assert gate.failed == ("own_words",)
    assert "저는" not in gate["own_words"].result.explain()
    assert "echo lift" in gate["own_words"].reason


def test_personas_told_apart_by_their_descriptions_alone_are_a_warning(respondent: Build) -> None:
    rows = [
        {"persona": r.cell["persona"], "question": r.cell["question"]}
        | {"text": f"{r.answer.text} 저는 {r.cell['persona'].describe('ko', 'short')} 사람이에요."}
        for r in respondent("blind").rows
    ]
    part = quality_gate(Answers.from_records(rows), permutations=199)["different"]
    assert part.passed
    assert "; warning: without the words of the descriptions and ids no longer told apart" in part.reason


def test_repeated_samples_fail_their_part(respondent: Build) -> None:
    rows = [
        {"persona": r.cell["persona"], "question": r.cell["question"], "sample": s, "text": r.answer.text}
        for r in respondent("faithful").rows
        for s in (0, 1)
    ]
    gate = quality_gate(Answers.from_records(rows), permutations=999)
    assert gate.failed == ("samples",)
    assert gate["samples"].reason.startswith("50.0% of the samples repeat another of their cell")


def test_what_cannot_be_measured_is_an_error_that_says_how_to_leave_it_out(respondent: Build) -> None:
    few = Answers(row for row in respondent("faithful").rows if row.id("question") in ("goals", "family", "meaning"))
    with pytest.raises(TableError) as error:
        quality_gate(few, permutations=99)
    one, every = str(error.value).splitlines()
    assert one.startswith("different: 24 personas (without average) and 3 questions are too few")
    assert every.startswith(
        "traits, discriminant, each_persona, each_question: 25 personas and 3 questions are too few"
    )
    parts = ["different", "traits", "discriminant", "each_persona", "each_question"]
    assert every.endswith(f"(leave parts out with leave_out={parts!r})")


def test_a_table_without_profiles_is_judged_by_the_parts_that_can_look(words: Build) -> None:
    gate = quality_gate(words(), permutations=99)
    assert list(gate.unseen) == UNKNOWN
    assert [part.name for part in gate.parts] == ["form", "diverse", "different", "copies"]
    assert "cannot look: traits: personas without levels (declare a `profile`" in gate.explain()
    assert "cannot look: own_words, traits, discriminant" in repr(quality_gate(words(), leave_out=["different"]))


def test_parts_can_be_left_out(words: Build) -> None:
    gate = quality_gate(words(), leave_out=UNKNOWN, permutations=99)
    assert gate.left_out == (*UNKNOWN, "samples")
    assert gate.failed == ("different",)
    with pytest.raises(KeyError, match="part 'traits' was not checked"):
        gate["traits"]
    with pytest.raises(TableError, match="unknown part tone; the parts are form"):
        quality_gate(words(), leave_out=["tone"])


def test_a_gate_is_neither_true_nor_false(words: Build) -> None:
    with pytest.raises(TypeError, match=r"a QualityGate is neither.*assert gate\.passed, gate\.explain\(\)"):
        assert quality_gate(words(), leave_out=UNKNOWN, permutations=99)


@pytest.mark.sampled
def test_a_judges_role_labels_fail_the_form() -> None:
    said = spoken(Speaker("ko", counsellor=0.3), 1)
    unlabelled = quality_gate(said.answers, scores=honest(said, 1), permutations=199)
    assert "form" not in unlabelled.failed
    gate = quality_gate(said.answers, scores=honest(said, 1), roles=said.roles, permutations=199)
    assert "form" in gate.failed
    assert "role_flip 2" in gate["form"].reason or "role_flip 3" in gate["form"].reason


@pytest.mark.sampled
def test_limits_of_ones_own(respondent: Build) -> None:
    answers = respondent("faithful", samples=2)
    limits = {"vendi": 0.99, "top3": 9, "echo": 0.0, "median_delta": 1.01, "leak": 0.0, "question_echo": 0.0}
    plain = quality_gate(answers, permutations=99)
    assert plain.passed
    strict = quality_gate(answers, permutations=99, limits=limits)
    assert {"diverse", "different", "traits"} <= set(strict.failed)
    assert "at least 0.99" in strict["diverse"].result.explain()
    with pytest.raises(TableError, match="unknown limit Vendi; the limits are other_script, "):
        quality_gate(answers, limits={"Vendi": 0.2})
    for wrong in ("0.2", float("nan"), -1):
        with pytest.raises(TableError, match="the limit vendi must be a number, at least 0, not "):
            quality_gate(answers, limits={"vendi": wrong})
    with pytest.raises(TableError, match="limits must be given by name"):
        quality_gate(answers, limits=[0.2])


def without(answers: Answers, share: float) -> Answers:
    """The table without the answers of every so many cells."""
    return Answers(row for n, row in enumerate(answers.rows) if (n * 7) % 100 >= 100 * share)


def test_missing_cells_are_told_by_form_with_what_to_do(respondent: Build) -> None:
    gate = quality_gate(without(respondent("faithful"), 0.08), permutations=99)
    assert gate.failed == ("form",)
    assert gate["form"].reason.startswith("missing 8.")
    assert "ask again for what failed or is missing" in gate.explain()
    assert "different" in gate.unseen
    assert "cells have no answer, more than 2%" in gate.unseen["different"]
    with pytest.raises(TableError, match="of 275 cells have no answer"):
        quality_gate(without(respondent("faithful"), 0.08), permutations=99, leave_out=["form"])


def test_answers_that_failed_are_told_by_form_too(respondent: Build) -> None:
    rows = [
        {"persona": r.cell["persona"], "question": r.cell["question"]}
        | ({"error": "expired"} if n % 12 == 0 else {"text": r.answer.text})
        for n, r in enumerate(respondent("faithful").rows)
    ]
    gate = quality_gate(Answers.from_records(rows), permutations=99)
    assert gate.failed == ("form",)
    assert gate["form"].reason.startswith("failed 8.4%")


def test_all_that_is_wrong_with_a_design_is_one_error_and_lists_are_short(words: Build) -> None:
    answers = words(40)
    with pytest.raises(
        TableError, match=r"personas without levels .*: p0, .* and 30 more; questions without `targets`"
    ):
        trait_reflection(answers)


def test_the_average_persona_is_known_by_its_profile(respondent: Build) -> None:
    class Renamed(str):
        pass

    rows = []
    for r in respondent("faithful").rows:
        person = Renamed("middle" if r.id("persona") == "average" else r.id("persona"))
        person.levels, person.description = r.cell["persona"].levels, r.cell["persona"].description
        rows.append({"persona": person, "question": r.cell["question"], "text": r.answer.text})
    found = differentiation(Answers.from_records(rows), permutations=99)
    assert found.personas == 24
    assert "middle" not in found.hits
    assert differentiation(Answers.from_records(rows), permutations=99, without=()).personas == 25
