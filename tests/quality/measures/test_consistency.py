from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.quality import consistency
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.stats.text_distance import tfidf_gram
from pytest_batcheval.quality.stats.variance_components import TRUSTED, components_of
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


def answered(text: Callable[[int, int, int], str], personas: int = 8, questions: int = 4, samples: int = 3) -> Answers:
    people = [
        Persona(f"p{i}", {"description": "x", "profile": {"HA": ("low", "high")[i % 2]}}) for i in range(personas)
    ]
    asked = [Question(f"q{j}", {"text": "?", "targets": ["HA"]}) for j in range(questions)]
    return Answers.from_records(
        {"persona": p, "question": q, "sample": s, "text": text(i, j, s)}
        for i, p in enumerate(people)
        for j, q in enumerate(asked)
        for s in range(samples)
    )


def words(seed: int, cell: float = 0.0) -> Callable[[int, int, int], str]:
    """Random words, a share of them the cell's own."""

    def text(i: int, j: int, s: int) -> str:
        own = np.random.default_rng([seed, i, j]).integers(0, 40, 12)
        drawn = np.random.default_rng([seed, i, j, s]).integers(0, 40, 12)
        keep = np.random.default_rng([seed, i, j, s, 1]).random(12) < cell
        return " ".join(f"{chr(0xAC00 + int(w) * 97)}{chr(0xAC00 + int(w) * 61)}" for w in np.where(keep, own, drawn))

    return text


def test_cell_icc_agrees_with_its_definition() -> None:
    answers = answered(words(0, 0.4))
    table = table_of(answers)
    gram = tfidf_gram(table.texts)
    inside, between = 0.0, 0.0
    for j in range(4):
        members = [np.flatnonzero(table.cell == j * 8 + i) for i in range(8)]
        for rows in members:
            block = gram[np.ix_(rows, rows)]
            inside += np.trace(block) - block.sum() / 3
        means = np.array([[gram[np.ix_(a, b)].mean() for b in members] for a in members])
        between += 3 * (np.trace(means) - means.sum() / 8)
    outer, inner = between / (4 * 7), inside / (4 * 8 * 2)
    assert consistency(answers).cell_icc == pytest.approx((outer - inner) / (outer + 2 * inner))


def test_random_samples_have_no_icc_and_alike_ones_have() -> None:
    blind, faithful = consistency(answered(words(1))), consistency(answered(words(1, 0.6)))
    assert blind.interval[0] < 0 < blind.interval[1]
    assert faithful.interval[0] > 0.1


@pytest.mark.parametrize("share", [1 / 12, 1.0])
def test_repeated_samples_leave_nothing_to_measure(share: float) -> None:
    fresh = words(2)
    answers = answered(lambda i, j, s: fresh(i, j, 0 if (i * 4 + j) % 12 < 12 * share else s))
    result = consistency(answers)
    assert result.duplicate == pytest.approx(share * 2 / 3, abs=0.01)
    assert result.verdict == "not measurable"
    assert result.repeated[0].endswith("(2)")


@pytest.mark.parametrize(
    "copied", ["{} ", " {}", "{}\n\n", "e\u0301 {}"], ids=["space", "indent", "lines", "normal form"]
)
def test_a_copy_with_other_white_space_is_a_copy(copied: str) -> None:
    fresh = words(2)
    answers = answered(lambda i, j, s: copied.format(fresh(i, j, 0)) if s else f"é {fresh(i, j, 0)}"
                       if "e\u0301" in copied else fresh(i, j, 0))  # fmt: skip
    assert consistency(answers).verdict == "not measurable"


def test_a_single_sample_says_what_to_set() -> None:
    with pytest.raises(TableError, match=r"samples=2 or more"):
        consistency(answered(words(0), samples=1))
    mixed = [r for r in answered(words(0), samples=2).rows if r.sample == 0 or r.id("persona") == "p0"]
    with pytest.raises(TableError, match=r"28 of 32 cells have a single sample, such as p1 x q0"):
        consistency(Answers(mixed))


def test_contradictions_by_hand() -> None:
    """Scores 1, 5 and 3 in one cell: one of its three pairs; 32 cells have 96 pairs."""
    answers = answered(words(3))
    scores = np.full(len(answers), 3.0)
    scores[:3] = 1, 5, 3
    result = consistency(answers, scores={"HA": scores})
    assert result.contradiction == pytest.approx(1 / 96)
    assert result.contradicting == ("p0 x q0 (1)",)


def test_without_targets_no_scores_are_looked_at() -> None:
    rows = [
        {"persona": f"p{i}", "question": f"q{j}", "sample": s, "text": words(5)(i, j, s)}
        for i in range(8)
        for j in range(4)
        for s in range(2)
    ]
    result = consistency(Answers.from_records(rows))
    assert (result.components, result.contradiction) == ({}, None)


def judged(persona: float, cell: float, questions: int = 4) -> Any:
    """Consistency of answers whose samples differ by a word, and whose scores vary with persona and with cell."""
    answers = answered(lambda i, j, s: f"{words(6, 0.4)(i, j, 0)} {s}", questions=max(questions, 4))
    level = np.tile([-1.0, 1.0], 4)[:, None]
    scores = 3 + persona * level + cell * level * [-1.0, 1.0, -1.0, 1.0]
    columns = {(f"p{i}", f"q{j}"): scores[i, j] for i in range(8) for j in range(4)}
    given = [columns[r.id("persona"), r.id("question")] for r in answers.rows]
    targets = {f"q{j}": ["HA"] if j < questions else [] for j in range(4)}
    return consistency(answers, scores={"HA": given}, targets=targets)


def test_samples_that_agree_are_no_consistency_where_a_persona_says_something_else_at_every_question() -> None:
    steady, unsteady = judged(persona=1, cell=0), judged(persona=0, cell=2)
    assert steady.verdict == "consistent", steady.explain()
    assert (unsteady.duplicate, unsteady.contradiction) == (0.0, 0.0)
    assert unsteady.interval[0] > 0.9
    assert unsteady.generalizability is not None
    assert unsteady.generalizability < TRUSTED
    assert unsteady.verdict == "inconsistent"
    assert "generalizability G = 0.00 in the median dimension (at least 0.7); least: HA (0.00)" in unsteady.explain()


def test_one_question_tells_nothing_of_a_persona_over_questions() -> None:
    result = judged(persona=0, cell=2, questions=1)
    assert (result.generalizability, result.verdict) == (None, "consistent")
    assert "HA: G unknown: at least two questions must aim at it" in result.explain()


def components(scores: np.ndarray) -> Any:
    """Of scores with shape (personas, questions, samples)."""
    personas, questions, samples = scores.shape
    table = table_of(answered(lambda i, j, s: "x", personas, questions, samples))
    ids = [int(name[1:]) for name in table.row_ids]
    flat = [scores[ids[cell % personas], cell // personas] for cell in range(personas * questions)]
    column = np.concatenate(flat).astype(float)
    return components_of(table, column, range(questions))


def test_components_agree_with_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(9, 5, 3)) + rng.normal(size=(9, 5, 1)) + 2 * rng.normal(size=(9, 1, 1))
    found = components(scores)
    cell = scores.mean(axis=2)
    sample = ((scores - cell[..., None]) ** 2).sum() / (9 * 5 * 2)
    centred = cell - cell.mean(axis=0)
    persona_ms = 5 * (centred.mean(axis=1) ** 2).sum() / 8
    rest_ms = ((centred - centred.mean(axis=1, keepdims=True)) ** 2).sum() / (8 * 4)
    assert found.sample == pytest.approx(sample)
    assert found.persona == pytest.approx((persona_ms - rest_ms) / 5)
    assert found.interaction == pytest.approx(rest_ms - sample / 3)
    assert found.generalizability == pytest.approx(1 - rest_ms / persona_ms)
    assert found.expected(5, 3) == pytest.approx(found.generalizability)


@pytest.mark.sampled
def test_components_are_recovered_on_average_with_gaps() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        scores = 3 + rng.normal(0, 1, (24, 1, 1)) + rng.normal(0, 0.5, (24, 6, 1)) + rng.normal(0, 0.8, (24, 6, 3))
        scores[rng.random(scores.shape) < 0.25] = np.nan
        one = components(scores)
        found.append((one.persona, one.interaction, one.sample))
    assert np.mean(found, axis=0) == pytest.approx((1.0, 0.25, 0.64), abs=0.1)


def test_more_questions_make_a_score_trustworthy() -> None:
    rng = np.random.default_rng(2)
    found = components(rng.normal(0, 0.5, (12, 1, 1)) + rng.normal(size=(12, 4, 2)))
    needed = found.questions_needed(2)
    assert needed is not None
    assert found.expected(needed, 2) >= TRUSTED > found.expected(needed - 1, 2)


def test_no_scores_are_no_components() -> None:
    found = components(np.full((8, 4, 2), np.nan))
    assert (found.persona, found.generalizability, found.questions_needed(2)) == (0.0, None, None)
    assert str(found) == "G unknown: fewer than 8 personas have scores"


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(64)))
def test_the_order_of_answers_changes_nothing(order: list[int]) -> None:
    answers = answered(words(4, 0.3), samples=2)
    scores = np.random.default_rng(0).integers(1, 6, 64).astype(float)
    a = consistency(answers, scores={"HA": scores})
    b = consistency(Answers(answers.rows[n] for n in order), scores={"HA": scores[order]})
    assert (a.effect, a.contradiction) == pytest.approx((b.effect, b.contradiction))
    assert a.repeated == b.repeated
