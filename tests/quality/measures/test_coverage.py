"""A figure from no data is never a verdict; which answers have scores is a result of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from free_text import Speaker, hiding, honest, one_sided, spoken

from pytest_batcheval.quality import (
    alignment,
    cell_values,
    compare,
    consistency,
    coverage,
    discriminant,
    persona_echo,
    quality_gate,
    regression,
    trait_reflection,
)
from pytest_batcheval.quality.axes import NotMeasurable, TableError
from pytest_batcheval.quality.measures._scored_answers import TooFewScores
from pytest_batcheval.quality.word_scores import word_scores
from pytest_batcheval.recordings.answer_table import Answers

LANGUAGES = ("ko", "en")
NOTHING = {"ko": "몰라요.", "en": "No idea."}


def silent(language: str) -> Answers:
    rows = spoken(Speaker(language), 1).answers.rows
    return Answers.from_records({**row.cell, "sample": row.sample, "text": NOTHING[language]} for row in rows)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_word_list_sees_nothing_in_words_of_ones_own(language: str) -> None:
    for speaker in (Speaker(language), Speaker(language, counsellor=0.3, refusing=0.3)):
        assert all(np.isnan(column).all() for column in word_scores(spoken(speaker, 1).answers).values())


@pytest.mark.sampled(4)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("function", [compare, regression])
def test_nothing_is_never_as_good_as_something(function: Callable[..., Any], language: str) -> None:
    one = spoken(Speaker(language), 1).answers
    with pytest.raises(TooFewScores, match=r"scores in 0 of 264 answers, less than 50%: .* let a judge score them"):
        function(one, silent(language))
    for values in (alignment(one), [0.0] * 275):
        with pytest.raises(TooFewScores, match=r"scores in 0 of 2.. answers"):
            cell_values(one, values, metric=cell_values(*judged(language)[:1], scores=judged(language)[1]).metric)


def judged(language: str) -> tuple[Answers, dict[str, np.ndarray]]:
    said = spoken(Speaker(language), 1)
    return said.answers, honest(said, 1)


def test_scores_of_some_answers_only_are_too_few() -> None:
    answers, scores = judged("ko")
    some = {code: np.where(np.arange(275) % 5 < 2, column, np.nan) for code, column in scores.items()}
    with pytest.raises(TooFewScores, match=r"scores in 1\d\d of 264 answers, less than 50%"):
        cell_values(answers, scores=some)
    most = {code: np.where(np.arange(275) % 5 < 3, column, np.nan) for code, column in scores.items()}
    values = cell_values(answers, scores=most)
    assert values.scored is not None
    assert 0.5 <= values.scored.scored / values.scored.asked < 0.61
    with pytest.raises(TableError, match="values of your own, or scores"):
        cell_values(answers, [1.0] * 275, metric="x/1", scores=scores)


@pytest.mark.sampled
def test_every_result_of_scores_says_of_how_many_answers() -> None:
    answers, scores = judged("ko")
    values = cell_values(answers, scores=scores)
    assert "scores in 262 of 264 answers, against scores in 262 of 264 answers" in compare(values, values).explain()
    assert "scores in 262 of 264 answers" in regression(values, values).explain()
    assert type(values).from_dict(values.to_dict()) == values
    for measure in (trait_reflection, discriminant):
        assert "scores in 267 of 275 answers" in measure(answers, scores=scores, permutations=99).explain()
    twice = spoken(Speaker("ko", samples=2), 1)
    assert "of 550 answers" in consistency(twice.answers, scores=honest(twice, 1)).explain()
    gate = quality_gate(answers, permutations=99)
    assert "scores in 0 of 275 answers" in gate["traits"].reason
    assert "traits" in gate.failed


def test_contradictions_of_no_pair_are_no_figure() -> None:
    twice = spoken(Speaker("ko", samples=2), 1).answers
    found = consistency(twice)
    assert (found.contradiction, found.scored_pairs) == (None, 0)
    assert "contradictions" not in found.explain()
    assert "by wording only" in found.explain()


def test_descriptions_without_a_run_cannot_be_recited() -> None:
    class Short(str):
        description = "x"

    rows = [{"persona": Short(f"p{i}"), "question": f"q{j}", "text": f"t{i}{j}"} for i in range(8) for j in range(4)]
    with pytest.raises(NotMeasurable, match="too short to be repeated"):
        persona_echo(Answers.from_records(rows))
    assert "own_words" in quality_gate(Answers.from_records(rows), permutations=99, language="en").unseen


def test_coverage_by_trait_persona_and_level() -> None:
    answers, scores = judged("ko")
    found = coverage(answers, scores=scores, permutations=999)
    assert (found.verdict, found.uneven) == ("even", ())
    assert str(found.scored) == "scores in 267 of 275 answers"
    assert next(iter(found.personas)) == "average"
    assert [t.share for t in found.traits] == sorted(t.share for t in found.traits)
    aimed = [n for n, row in enumerate(answers.rows) if "HA" in row.cell["question"].targets]
    assert found["HA"].asked == len(aimed)
    assert found["HA"].scored == np.count_nonzero(~np.isnan(scores["HA"][aimed]))
    assert found.to_dict()["uneven"] == []
    none = coverage(answers, permutations=99)
    assert (none.effect, none.interval, none.p_value, none.verdict) == (0.0, (0.0, 0.0), 1.0, "even")


@pytest.mark.sampled(2)
def test_scores_that_are_missing_by_level_are_named() -> None:
    said = spoken(Speaker("ko"), 1)
    found = coverage(said.answers, scores=one_sided(said, 1), permutations=999)
    assert found.verdict == "uneven"
    assert len(found.uneven) >= 4
    assert "look at the judge" in found.explain()
    gate = quality_gate(said.answers, scores=one_sided(said, 1), permutations=999)
    assert "warning: scores are missing by the prompted level" in gate["traits"].reason


def test_a_judge_that_hides_both_levels_alike_is_seen_by_those_prompted_neither_way() -> None:
    """Half of the personas are told nothing of a trait: theirs have no persona to fit."""
    said = spoken(Speaker("ko", blind=True), 1)
    people = said.answers.axis("persona")
    levels = {
        p.id: {code: (level if (n + place) % 2 else 0) for place, (code, level) in enumerate(p.levels.items())}
        for n, p in enumerate(people)
    }
    said.levels = np.array([[levels[row.id("persona")][c] for c in honest(said, 1)] for row in said.answers.rows])
    found = coverage(said.answers, scores=hiding(said, 1), levels=levels)
    assert found.verdict == "uneven"
    assert coverage(said.answers, scores=honest(said, 1), levels=levels, permutations=999).verdict == "even"
