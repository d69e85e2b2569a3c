"""Tables of any axes: one, two of any name, more, nested; what is plain and what must be named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pytest_batcheval.quality import (
    CellValues,
    alignment,
    cell_values,
    compare,
    consistency,
    differentiation,
    discriminant,
    diversity,
    format_checks,
    persona_echo,
    power,
    quality_gate,
    regression,
    trait_reflection,
)
from pytest_batcheval.quality.axes import TableAxes, TableError, axes_of
from pytest_batcheval.quality.comparing._clustered_difference import clustered_error
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]

MEASURES: dict[str, Callable[..., Any]] = {
    "consistency": consistency,
    "differentiation": lambda answers, **axes: differentiation(answers, permutations=99, **axes),
    "discriminant": lambda answers, **axes: discriminant(answers, permutations=99, **axes),
    "diversity": diversity,
    "persona_echo": lambda answers, **axes: persona_echo(answers, permutations=99, **axes),
    "quality_gate": lambda answers, **axes: quality_gate(answers, permutations=99, **axes),
    "trait_reflection": lambda answers, **axes: trait_reflection(answers, permutations=99, **axes),
}


def renamed(answers: Answers, **names: str) -> Answers:
    rows = (replace(r, cell={names.get(a, a): v for a, v in r.cell.items()}) for r in answers.rows)
    return Answers(replace(r, answer=replace(r.answer, cell={})) for r in rows)


def table(text: Callable[[int], str] = "words {}".format, **axes: int) -> Answers:
    """Every cell of axes with so many values."""
    cells: list[dict[str, str]] = [{}]
    for axis, number in axes.items():
        cells = [{**cell, axis: f"{axis}{n}"} for cell in cells for n in range(number)]
    return Answers.from_records({**cell, "text": text(n)} for n, cell in enumerate(cells))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("named", [{}, {"rows": "tone", "columns": "topic"}, {"columns": "topic"}])
def test_a_measure_finds_the_same_whatever_the_axes_are_called(
    respondent: Build, name: str, named: dict[str, str]
) -> None:
    answers = respondent("faithful", samples=2)
    other = MEASURES[name](renamed(answers, persona="tone", question="topic"), **named)
    same = replace(other, rows="persona", columns="question")
    expected = MEASURES[name](answers)
    if name == "quality_gate":
        assert [(part.name, part.passed, part.reason) for part in other.parts] == [
            (part.name, part.passed, part.reason.replace("persona", "tone")) for part in expected.parts
        ] or [part.passed for part in other.parts] == [part.passed for part in expected.parts]
    else:
        assert same.to_dict() == expected.to_dict()
    assert other.explain().endswith("here a persona is a value of tone, a question one of topic")


def test_the_axis_whose_values_have_levels_is_the_rows(respondent: Build) -> None:
    rows = renamed(respondent("faithful"), persona="tone", question="topic").rows
    turned = Answers(replace(r, cell=dict(reversed(r.cell.items()))) for r in rows)
    assert list(turned.rows[0].cell) == ["topic", "tone"]
    assert axes_of(turned) == TableAxes(("tone",), ("topic",))
    assert axes_of(turned.arranged(rows="topic")) == TableAxes(("topic",), ("tone",))
    assert alignment(turned) == pytest.approx(alignment(respondent("faithful")), nan_ok=True)


@pytest.mark.parametrize(
    ("axes", "found"),
    [
        ({"tone": 8, "topic": 4}, TableAxes(("tone",), ("topic",))),
        ({"tone": 8, "topic": 4, "mood": 1}, TableAxes(("tone",), ("topic",))),
        ({"question": 4, "tone": 8}, TableAxes(("tone",), ("question",))),
        ({"persona": 8, "place": 4}, TableAxes(("persona",), ("place",))),
        ({"item": 8}, TableAxes(("item",), ())),
        ({"question": 8}, TableAxes(("question",), ())),
        ({"persona": 8}, TableAxes(("persona",), ())),
    ],
)
def test_plain_axes(axes: dict[str, int], found: TableAxes) -> None:
    assert axes_of(table(**axes)) == found


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ({"rows": "tone", "columns": ("topic", "tongue")}, TableAxes(("tone",), ("topic", "tongue"))),
        ({"rows": ["tone", "topic", "tongue"]}, TableAxes(("tone", "topic", "tongue"), ())),
        ({"rows": ("tone", "topic")}, TableAxes(("tone", "topic"), ("tongue",))),
    ],
)
def test_several_axes_are_taken_together(named: dict[str, Any], found: TableAxes) -> None:
    answers = table(tone=8, topic=4, tongue=5)
    assert axes_of(answers.arranged(**named)) == found
    laid = table_of(answers.arranged(**named))
    assert len(laid.rows) * len(laid.columns) == len(answers) == len(laid.counts)


@pytest.mark.parametrize(
    ("axes", "named", "message"),
    [
        ({"tone": 8, "topic": 4, "tongue": 2}, {}, r"axes tone, topic, tongue; name those .* rows='tone', columns='tongue'"),
        ({"tone": 8, "topic": 4, "tongue": 2}, {"rows": "tone"}, r"name the columns too, columns='topic'"),
        ({"tone": 8, "topic": 4}, {"rows": "mood"}, "no answer has the axis mood; the axes are: tone, topic"),
        ({"tone": 8, "topic": 4}, {"rows": "tone", "columns": "tone"}, "tone is named as both rows and columns"),
        ({"tone": 8, "topic": 4, "tongue": 2}, {"rows": "tone", "columns": "topic"}, r"columns=\('topic', 'tongue'\)"),
        ({"item": 7}, {}, "7 items are too few: at least 8 items are needed"),
        ({"city": 8, "day": 3}, {}, "8 cities and 3 days are too few: at least 8 cities and 4 days"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_named(axes: dict[str, int], named: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        differentiation(table(**axes), **named) if len(axes) > 1 else power(table(**axes))


def test_an_axis_that_only_some_answers_have_is_named() -> None:
    with pytest.raises(TableError, match="answer 40 has no topic; its axes are: tone"):
        diversity(Answers([*table(tone=8, topic=5).rows, *table(tone=1).rows]))


def nested(documents: int, each: int, text: Callable[[int], str] = "words {}".format) -> Answers:
    cells = [(d, q) for d in range(documents) for q in range(each)]
    return Answers.from_records(
        {"document": f"d{d}", "item": f"d{d}q{q}", "text": text(n)} for n, (d, q) in enumerate(cells)
    )


def test_questions_on_documents_are_items() -> None:
    answers = nested(10, 3)
    assert axes_of(answers) == TableAxes(("document", "item"), ())
    assert diversity(answers).n == 30
    laid = answers.arranged(rows="document", columns="item")
    with pytest.raises(TableError, match=r"each item belongs to one document: take them together, rows=\('document'"):
        diversity(laid)


@dataclass(frozen=True)
class Words:
    """A generator of texts that differ."""

    seed: int = 0

    def __call__(self, n: int) -> str:
        rng = np.random.default_rng((self.seed, n))
        return " ".join("".join(rng.choice(list("abcdefghijklmnop"), 5)) for _ in range(12)) + "."


EACH = ("each_persona", "each_question")


def test_a_gate_of_items_says_what_it_cannot_look_at() -> None:
    gate = quality_gate(table(Words(), item=20), language="en")
    assert [part.name for part in gate.parts] == ["form", "diverse"]
    assert gate.passed
    assert list(gate.unseen) == ["different", "own_words", "copies", "traits", "discriminant", *EACH]
    assert "cannot look: different: the answers differ on one axis, item" in gate.explain()
    collapsed = quality_gate(table(lambda _: "I do not know at all.", item=20), language="en")
    assert collapsed.failed == ("diverse",)


def test_a_gate_that_cannot_look_at_all_is_an_error() -> None:
    with pytest.raises(TableError, match="no part of the gate can look: different: the answers differ on one axis"):
        quality_gate(table(item=20), leave_out=["form", "diverse", "samples"])


def test_format_checks_need_no_axes() -> None:
    assert format_checks(table(Words(), item=3), language="en").n == 3


def numbers(answers: Answers, seed: int, shift: float = 0.0) -> CellValues:
    return cell_values(answers, np.random.default_rng(seed).normal(shift, 1, len(answers)), metric="points/1")


def test_items_are_compared_as_by_scipys_paired_t() -> None:
    answers = table(item=30)
    a, b = numbers(answers, 0, 0.5), numbers(answers, 1)
    found = compare(a, b)
    expected = stats.ttest_rel(a.array().ravel(), b.array().ravel())
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.freedom, found.clustered, found.fixed) == (29, {"item": 30}, {})
    assert "error clustered by item (30)" in found.explain()


def test_an_axis_of_few_values_does_not_stand_for_others() -> None:
    """The paired t of the items' means: both variants are all there are."""
    answers = table(item=20, variant=2)
    a, b = numbers(answers, 0, 0.5), numbers(answers, 1)
    found = compare(a, b)
    expected = stats.ttest_rel(a.array().mean(axis=0), b.array().mean(axis=0))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.clustered, found.fixed) == ({"item": 20}, {"variant": 2})
    assert "not for other values of variant (2)" in found.explain()
    assert regression(b, a).clustered == {"item": 20}


def test_the_error_of_three_axes_by_its_definition() -> None:
    """Cameron, Gelbach & Miller: one axis, less pairs, and all three again."""
    answers = table(item=9, tone=5, tongue=4)
    a, b = numbers(answers, 0), numbers(answers, 1)
    d = (a.array() - b.array()).reshape(9, 5, 4)
    r = d - d.mean()

    def by(*kept: int) -> float:
        sums = r.sum(axis=tuple(n for n in range(3) if n not in kept))
        return float(sums.size / (sums.size - 1) * (sums**2).sum())

    single = [by(0), by(1), by(2)]
    whole = sum(single) - by(0, 1) - by(0, 2) - by(1, 2) + by(0, 1, 2)
    found = compare(a, b)
    assert found.error == pytest.approx(np.sqrt(max(whole, *single)) / 180)
    assert found.freedom == 3
    assert found.clustered == {"item": 9, "tone": 5, "tongue": 4}


def test_items_of_a_document_are_one_cluster() -> None:
    """What they share widens the error to that of the documents' means."""
    answers = nested(12, 5)
    shared = np.repeat(np.random.default_rng(5).normal(0, 1, 12), 5)
    a = cell_values(answers, shared, metric="points/1")
    b = cell_values(answers, np.zeros(60), metric="points/1")
    found = compare(a, b)
    assert found.error == pytest.approx(stats.sem(shared[::5]))
    assert (found.freedom, found.clustered) == (11, {"document": 12, "item": 60})


def test_clusters_of_one_axis_are_sums_over_it() -> None:
    residuals = np.array([1.0, 1.0, -1.0, -1.0])
    assert clustered_error(residuals, [np.array([0, 0, 1, 1])]) == pytest.approx(np.sqrt(2 * 8) / 4)


def test_models_that_are_not_compared_do_not_keep_runs_from_pairing() -> None:
    """A run of one model each: the model is constant in a run, so it is no axis of its cells."""
    one, other = (Answers.from_records({**r, "variant": v} for r in _records(item=12)) for v in ("a", "b"))
    assert compare(numbers(one, 0), numbers(other, 0)).effect == 0.0


def _records(**axes: int) -> list[dict[str, Any]]:
    return [{**{a: row.id(a) for a in row.cell}, "text": row.answer.text} for row in table(**axes).rows]


def test_other_cells_are_named() -> None:
    few, many = numbers(table(item=12), 0), numbers(table(item=13), 0)
    with pytest.raises(TableError, match="the same rows: only in one of them: item12"):
        compare(few, many)
    with pytest.raises(TableError, match="the same rows"):
        compare(few, numbers(table(city=12), 0))


def test_values_of_any_axes_survive_json() -> None:
    values = numbers(table(item=9, tone=5, tongue=4), 0)
    assert CellValues.from_dict(values.to_dict()) == values
    with pytest.raises(TableError, match="an axis does not have one id per row or column"):
        CellValues.from_dict({**values.to_dict(), "rows": {"item": ["a"]}})


@pytest.mark.parametrize(("axes", "freedom"), [({"item": 20}, 19), ({"item": 20, "tone": 5}, 4)])
def test_power_of_any_axes(axes: dict[str, int], freedom: int) -> None:
    found = power(table(**axes), runs=20)
    size = int(np.prod(list(axes.values())))
    quantiles = stats.t.ppf(0.995, freedom) + stats.t.ppf(0.8, freedom)
    assert found.difference == pytest.approx(quantiles * np.sqrt(2 / size), rel=0.25)
    assert bool(found.differentiation) == (len(axes) == 2)
    assert found.explain().startswith("20 items x ")
