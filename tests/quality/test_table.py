from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.stats.cell_means import cell_means, cell_products
from pytest_batcheval.quality.stats.text_distance import tfidf_gram
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers

Records = list[dict[str, Any]]


def records(personas: int = 8, questions: int = 4, samples: int = 1) -> Records:
    return [
        {"persona": f"p{i}", "question": f"q{j}", "sample": s, "text": f"{i} {j} {s}"}
        for i in range(personas)
        for j in range(questions)
        for s in range(samples)
    ]


def test_answers_go_to_their_cells() -> None:
    table = table_of(Answers.from_records(reversed(records(samples=2))))
    assert table.row_ids == [f"p{i}" for i in range(8)]
    for text, cell, row in zip(table.texts, table.cell, table.places, strict=True):
        i, j, _ = text.split()
        assert cell == int(j) * 8 + int(i)
        assert list(reversed(records(samples=2)))[row]["text"] == text


def test_averaging_gives_the_mean_of_the_samples() -> None:
    rows = [r for r in records(25, 4, 2) if (r["persona"], r["question"], r["sample"]) != ("p1", "q1", 0)]
    rows = [r for r in rows if (r["persona"], r["question"]) != ("p2", "q2")]
    table = table_of(Answers.from_records(rows))
    means = cell_means(table, np.array([float(t.split()[2]) for t in table.texts]))
    ids = [int(i[1:]) for i in table.row_ids]
    expected = np.full((4, 25), 0.5)
    expected[1, ids.index(1)] = 1.0
    expected[2, ids.index(2)] = np.nan
    np.testing.assert_allclose(means, expected)


def test_products_of_cells_are_those_of_their_mean_vectors() -> None:
    rows = [r for r in records(25, 4, 2) if (r["persona"], r["question"]) != ("p1", "q1")]
    rows = [{**r, "text": f"{r['text']} {r['persona']} 글 {'가나다라'[r['sample'] :]}"} for r in rows]
    table = table_of(Answers.from_records(rows))
    averaging = np.zeros((100, len(table.texts)))
    averaging[table.cell, np.arange(len(table.texts))] = 1 / table.counts[table.cell]
    expected = averaging @ tfidf_gram(table.texts) @ averaging.T
    np.testing.assert_allclose(cell_products(table, table.texts), expected, atol=1e-12)


def test_a_persona_or_question_without_any_answer_is_named() -> None:
    rows = records(60, 60)
    silent = [{**r, "error": "server_error"} if r["persona"] == "p7" else r for r in rows]
    with pytest.raises(TableError, match=r"no answers of p7$"):
        table_of(Answers.from_records(silent))
    silent = [{**r, "error": "server_error"} if r["question"] == "q7" else r for r in rows]
    with pytest.raises(TableError, match=r"no answers to q7$"):
        table_of(Answers.from_records(silent))


@pytest.mark.parametrize(
    ("personas", "questions", "without", "message"),
    [
        (7, 4, (), "7 personas and 4 questions are too few: at least 8 personas and 4 questions"),
        (8, 3, (), "8 personas and 3 questions are too few"),
        (8, 4, ("p3",), r"7 personas \(without p3\) and 4 questions are too few"),
    ],
)
def test_too_small_a_table_says_what_is_needed(
    personas: int, questions: int, without: tuple[str, ...], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        table_of(Answers.from_records(records(personas, questions)), without)


def drop(rows: Records, cells: int) -> Records:
    gone = {(f"p{i}", "q0") for i in range(cells)}
    return [r for r in rows if (r["persona"], r["question"]) not in gone]


def fail(rows: Records, cells: int) -> Records:
    gone = {(f"p{i}", "q0") for i in range(cells)}
    return [{**r, "error": "server_error"} if (r["persona"], r["question"]) in gone else r for r in rows]


@pytest.mark.parametrize("lose", [drop, fail])
def test_two_percent_of_the_cells_may_be_missing(lose: Callable[[Records, int], Records]) -> None:
    rows = records(25, 4)
    assert (table_of(Answers.from_records(lose(rows, 2))).counts == 0).sum() == 2
    with pytest.raises(TableError, match=r"3 of 100 cells have no answer, more than 2%: p0 x q0, p1 x q0, p2 x q0$"):
        table_of(Answers.from_records(lose(rows, 3)))


def test_many_missing_cells_are_not_all_named() -> None:
    with pytest.raises(TableError, match=r"p17 x q0 and 10 more$"):
        table_of(Answers.from_records(drop(records(25, 4), 20)))


def test_a_further_axis_must_be_chosen() -> None:
    rows = [{**r, "age": age} for r in records() for age in ("old", "young")]
    with pytest.raises(TableError, match=r"two answers of persona 'p0' to question 'q0'.*answers\.where"):
        table_of(Answers.from_records(rows))


def test_an_answer_that_lacks_an_axis_is_named() -> None:
    with pytest.raises(TableError, match="answer 32 has no persona; its axes are: question"):
        table_of(Answers.from_records([*records(), {"question": "q0", "text": "x"}]))


def test_the_error_is_one_of_ours_and_a_value_error() -> None:
    assert issubclass(TableError, BatchEvalError)
    assert issubclass(TableError, ValueError)
