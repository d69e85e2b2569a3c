from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from free_text import Speaker, spoken
from hypothesis import given, settings
from hypothesis import strategies as st
from respondent_tables import CODES
from scipy import stats

from pytest_batcheval.quality import CellValues, alignment, cell_values, compare, regression
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.comparing._clustered_difference import clustered_error
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted

Build = Callable[..., Answers]


def run(values: np.ndarray, samples: int = 1, noise: float | None = None, metric: str = "points/1") -> CellValues:
    questions, personas = values.shape
    return CellValues(
        metric,
        tuple(f"p{i}" for i in range(personas)),
        tuple(f"q{j}" for j in range(questions)),
        tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in values),
        ((samples,) * personas,) * questions,
        noise,
    )


def noise(seed: int, shape: tuple[int, int] = (11, 25), sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, shape)


def both(questions: int, personas: int) -> list[np.ndarray]:
    """The persona and the question of each cell."""
    return [np.tile(np.arange(personas), questions), np.repeat(np.arange(questions), personas)]


def test_the_error_agrees_with_its_definition() -> None:
    residuals = noise(0, (4, 6))
    residuals -= residuals.mean()
    personas = 6 / 5 * sum(residuals[:, i].sum() ** 2 for i in range(6))
    questions = 4 / 3 * sum(residuals[j].sum() ** 2 for j in range(4))
    cells = 24 / 23 * (residuals**2).sum()
    expected = np.sqrt(max(personas + questions - cells, personas, questions)) / 24
    assert clustered_error(residuals.ravel(), both(4, 6)) == pytest.approx(expected)


def test_the_error_never_falls_below_either_cluster() -> None:
    """Rows that cancel: nothing is left of the questions' variance, and the cells' would take more away."""
    residuals = np.tile([[1.0, -1.0], [-1.0, 1.0]], (4, 4))
    assert clustered_error(residuals.ravel(), both(8, 8)) == 0.0
    shifted = residuals + np.linspace(-1, 1, 8)[:, None]
    by_question = np.sqrt(8 / 7 * (shifted.sum(axis=1) ** 2).sum()) / 64
    assert clustered_error(shifted.ravel(), both(8, 8)) == pytest.approx(by_question)


def test_persona_and_question_effects_alone_give_the_wider_error() -> None:
    d = noise(1, (11, 25), 0.1) + noise(2, (1, 25)) + 0.3
    found = compare(run(d), run(np.zeros_like(d)))
    assert found.error == pytest.approx(stats.sem(d.mean(axis=0)), rel=0.05)
    assert found.freedom == 10
    assert found.standardised == pytest.approx(d.mean() / d.std(ddof=1))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.effect / found.error), 10))
    assert found.interval == pytest.approx(stats.t.interval(0.95, 10, found.effect, found.error))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(-1, 1))
def test_comparing_is_symmetric(seed: int, shift: float) -> None:
    a, b = run(noise(seed) + shift), run(noise(seed + 1))
    one, other = compare(a, b), compare(b, a)
    assert other.effect == pytest.approx(-one.effect)
    assert (other.p_value, other.p_equivalence) == pytest.approx((one.p_value, one.p_equivalence))
    assert other.narrow == pytest.approx((-one.narrow[1], -one.narrow[0]))
    assert {one.verdict, other.verdict} in ({"better", "worse"}, {"equivalent"}, {"not decided"})


def test_the_verdicts() -> None:
    still = run(noise(0, sd=0.1))
    assert compare(still, run(noise(1, sd=0.1))).verdict == "equivalent"
    assert compare(run(noise(0, sd=0.1) + 0.5), still).verdict == "better"
    assert compare(run(noise(0, sd=0.1) - 0.5), still).verdict == "worse"
    wild = compare(run(noise(2, sd=4)), run(noise(3, sd=4)))
    assert (wild.verdict, wild.equivalent) == ("not decided", False)


def test_a_run_equals_itself() -> None:
    same = run(noise(0))
    found = compare(same, same)
    assert (found.effect, found.interval, found.p_value, found.standardised) == (0.0, (0.0, 0.0), 1.0, None)
    assert found.verdict == "equivalent"
    kept = regression(same, same)
    assert (kept.verdict, kept.effect, kept.p_value, kept.fallen) == ("PASS", 0.0, 1.0, ())


def test_a_constant_drop_is_certain() -> None:
    same = run(noise(0))
    lower = run(noise(0) - 0.2)
    assert regression(same, lower).verdict == "FAIL"
    assert compare(lower, same, margin=0.1).verdict == "worse"
    assert compare(lower, same, margin=0.3).verdict == "equivalent"


def test_the_three_verdicts_of_a_regression() -> None:
    base = run(noise(0, sd=0.5))
    verdicts = {drop: regression(base, run(noise(1, sd=0.5) - drop)).verdict for drop in (0.0, 0.5)}
    assert verdicts == {0.0: "PASS", 0.5: "FAIL"}
    small = regression(base, run(noise(0, sd=0.5) - 0.05))
    assert (small.verdict, small.undecided, small.more_samples) == ("WARN", False, None)
    assert small.p_value < 1e-6
    assert "there is a drop, but not one that fails" in small.explain()
    assert regression(base, run(noise(0, sd=0.5) - 0.05), tolerated=0.0).verdict == "FAIL"


def test_a_pass_says_what_it_does_not_exclude() -> None:
    found = regression(run(noise(0, (4, 12))), run(noise(1, (4, 12))))
    assert (found.verdict, found.undecided) == ("PASS", True)
    assert found.not_excluded == pytest.approx(-found.interval[0])
    assert found.not_excluded > 0.3
    assert f"a drop of {found.not_excluded:.3f} is not excluded" in found.explain()
    assert "PASS, undecided" in repr(found)
    sure = regression(run(noise(0, sd=0.1)), run(noise(1, sd=0.1)))
    assert (sure.verdict, sure.undecided, sure.more_samples, sure.more_of_both) == ("PASS", False, None, None)
    assert "is not excluded" in sure.explain()
    assert not regression(run(noise(0, (4, 12))), run(noise(1, (4, 12))), beyond=9).undecided
    with pytest.raises(TableError, match="beyond must be a number, at least 0, not -1"):
        regression(run(noise(0)), run(noise(1)), beyond=-1)


@pytest.mark.sampled
def test_what_is_not_decided_says_how_many_samples_would() -> None:
    pairs = [(run(noise(seed)), run(noise(seed + 1000) - 0.15)) for seed in range(60)]
    open_ = [found for one in pairs if (found := regression(*one)).undecided]
    assert len(open_) > 10
    of_both = [found for found in open_ if found.more_of_both]
    assert of_both
    for found in of_both:
        more = counted(found.more_of_both, "more sample")
        assert f"undecided: {more} per cell of run and baseline would decide with a chance of 80%" in found.explain()
    compared = [found for a, b in pairs if (found := compare(b, a)).verdict == "not decided" and found.more_samples]
    assert len(compared) > 5
    for one in compared:
        assert f"{counted(one.more_samples, 'more sample')} per cell of both would decide" in one.explain()
        assert 1 <= (one.more_samples or 0) <= 20


def test_a_margin_below_the_interval_is_told() -> None:
    found = compare(run(noise(2, sd=4)), run(noise(3, sd=4)))
    assert "wider than the margin: no runs could be equivalent" in found.explain()
    assert "even 20 more samples per cell of both would not decide" in found.explain()


@pytest.mark.sampled
def test_more_samples_do_not_help_where_samples_do_not_vary() -> None:
    base = run(noise(0), 1, 0.0)
    warned = [found for seed in range(300) if (found := regression(base, run(noise(seed) - 0.18, 1, 0.0))).undecided]
    assert warned
    assert all(found.more_samples is None and found.more_of_both is None for found in warned)
    assert "even 20 more samples per cell would not decide" in warned[0].explain()


def test_what_fell_is_named() -> None:
    lower = noise(0)
    lower[3, 7] -= 9
    found = regression(run(noise(0)), run(lower))
    assert found.fallen[0] == "p7 x q3 (-9.00)"
    assert "p7 x q3" in found.explain()
    assert "p7 x q3" in compare(run(lower), run(noise(0))).explain()


def test_cells_without_a_value_in_both_are_left_out() -> None:
    a, b = noise(0), noise(1)
    a[:, 0] = b[:, 0] = np.nan
    assert compare(run(a), run(b)).n == 264


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (run(noise(1), metric="points/2"), "same metric: 'points/1' or 'points/2'"),
        (run(noise(1, (11, 24))), "same personas: only in one of them: p24"),
        (run(noise(1, (12, 25))), "same questions: only in one of them: q11"),
        (run(np.where(noise(5) > 1, np.nan, 1.0)), "cells with a value in one run only, more than 2%: p"),
    ],
)
def test_runs_that_do_not_fit_are_refused(other: CellValues, message: str) -> None:
    for function in (compare, regression):
        with pytest.raises(TableError, match=message):
            function(run(noise(0)), other)


def test_odd_limits_are_refused() -> None:
    same = run(noise(0))
    with pytest.raises(TableError, match="margin must be a positive number, not 0"):
        compare(same, same, margin=0)
    with pytest.raises(TableError, match="tolerated must be a number, at least 0, not nan"):
        regression(same, same, tolerated=float("nan"))
    few = run(noise(0, (3, 5)))
    with pytest.raises(
        TableError, match=r"5 personas and 3 questions with values in both runs are too few: .* 6 values"
    ):
        compare(few, few)


def test_small_tables_of_ones_own_numbers_are_compared() -> None:
    one, other = run(noise(0, (3, 6), 0.1) + 1), run(noise(1, (3, 6), 0.1))
    found = compare(one, other)
    assert (found.verdict, found.freedom, found.clustered, found.fixed) == (
        "better",
        5,
        {"persona": 6},
        {"question": 3},
    )
    assert "not for other values of question (3)" in found.explain()


def test_answers_are_compared_by_their_alignment(respondent: Build) -> None:
    right, wrong = respondent("faithful", seed=1), respondent("inverted", seed=1)
    assert np.nanmean(alignment(right)) > 0.3
    assert np.nanmean(alignment(wrong)) < -0.3
    assert regression(right, wrong).verdict == "FAIL"
    found = compare(right, respondent("faithful", seed=2))
    assert (found.metric, found.n) == ("alignment/2", 264)
    assert found.verdict == "equivalent"


def test_alignment_by_hand(respondent: Build) -> None:
    answers = respondent("blind")
    row = answers.rows[0]
    first, second, *_ = (code for code in row.cell["question"].targets)
    level = row.cell["persona"].levels
    scores: dict[str, Any] = {code: np.full(len(answers), np.nan) for code in level}
    assert alignment(answers, scores=scores)[0] == 0.0
    scores[first][0] = 3 + 2 * level[first]
    asked = sum(level[code] != 0 for code in row.cell["question"].targets)
    assert alignment(answers, scores=scores)[0] == 1.0 / asked
    scores[second][0] = 3 - level[second]
    assert alignment(answers, scores=scores)[0] == 0.5 / asked
    untargeted = next(code for code in level if code not in row.cell["question"].targets)
    scores[untargeted][0] = 3 - 2 * level[untargeted]
    assert alignment(answers, scores=scores)[0] == 0.5 / asked
    assert all(
        np.isnan(a) == (r.id("persona") == "average") for a, r in zip(alignment(answers), answers.rows, strict=True)
    )


def test_cell_values_survive_json(respondent: Build) -> None:
    values = cell_values(respondent("faithful", samples=2))
    assert CellValues.from_dict(json.loads(json.dumps(values.to_dict()))) == values
    pairs = alignment(respondent("faithful", samples=2)).reshape(-1, 2)
    assert values.noise == pytest.approx(np.nanmean((pairs[:, 0] - pairs[:, 1]) ** 2 / 2))
    assert cell_values(respondent("faithful")).noise is None
    for broken in ({}, {**values.to_dict(), "values": [[1]]}, {**values.to_dict(), "samples": "x"}):
        with pytest.raises(TableError, match="not cell values of `to_dict`"):
            CellValues.from_dict(broken)


def test_numbers_of_ones_own_need_a_name(respondent: Build) -> None:
    answers = respondent("blind")
    lengths = [float(len(a.text)) for a in answers]
    assert cell_values(answers, lengths, metric="length/1").metric == "length/1"
    with pytest.raises(TableError, match="values need a name"):
        cell_values(answers, lengths)
    with pytest.raises(TableError, match="values: 2 for 275 answers"):
        cell_values(answers, [1, 2], metric="x/1")
    with pytest.raises(TableError, match="no x/1 to compare"):
        cell_values(answers, [None] * 275, metric="x/1")


def shown(full: int, mild: int, seed: int = 0) -> CellValues:
    """What shows so many of the told traits that a question aims at at full strength, and so many others mildly."""
    said = spoken(Speaker("ko"), seed)
    levels = {code: said.levels[:, n] for n, code in enumerate(CODES)}
    scores = {code: np.full(len(said.answers), np.nan) for code in CODES}
    for n, row in enumerate(said.answers.rows):
        for place, code in enumerate(c for c in row.cell["question"].targets if levels[c][n]):
            if place < full + mild:
                scores[code][n] = 3 + levels[code][n] * (2 if place < full else 1)
    return cell_values(said.answers, scores=scores)


@pytest.mark.sampled
def test_alignment_grows_with_what_is_shown() -> None:
    """One told trait at full strength and silence on the others is not better than all told traits."""
    one, two, three, mild, nearly = shown(1, 0), shown(2, 0), shown(3, 0), shown(0, 3), shown(1, 2)
    means = [np.nanmean(values.array()) for values in (one, two, three, mild, nearly)]
    assert means[0] < means[1] < means[2] == 1.0
    assert means[3] == 0.5
    assert means[0] < means[4] < means[2]
    assert compare(one, nearly).verdict == "worse"
    assert compare(three, one).verdict == "better"


def test_former_alignments_are_refused_with_the_reason() -> None:
    now = shown(1, 1)
    before = CellValues.from_dict({**now.to_dict(), "metric": "alignment/1"})
    for function in (compare, regression):
        with pytest.raises(TableError, match=r"same metric: .*did not count what an answer does not show: measure its"):
            function(before, now)


def test_blocks_take_the_place_of_questions_that_build_on_each_other() -> None:
    blocks = {f"q{j}": f"b{j // 2}" for j in range(12)}
    shared = np.repeat(noise(0, (6, 1)), 2, axis=0)
    one, other = run(shared + noise(2, (12, 25), 0.1)), run(noise(1, (12, 25), 0.1))
    plain, blocked = compare(one, other), compare(one, other, blocks=blocks)
    assert (plain.freedom, blocked.freedom) == (11, 5)
    assert blocked.clustered == {"persona": 25, "question block": 6}
    assert blocked.error > plain.error
    assert "error clustered by persona (25), question block (6)" in blocked.explain()
    assert regression(other, one, blocks=blocks).freedom == 5
    with pytest.raises(TableError, match="no block of q11"):
        compare(one, other, blocks={k: v for k, v in blocks.items() if k != "q11"})
    with pytest.raises(TableError, match="blocks must be given by id, such as 'q0'"):
        compare(one, other, blocks={"Q0": "b"})
