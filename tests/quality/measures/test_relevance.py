"""Relevance: answers that belong to their questions, and answers that do not."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_batcheval import Answers
from pytest_batcheval.quality import TableError, relevance

TOPICS = ("sleep and dreams", "the weather", "my family", "work at the mill", "money I owe", "music on the radio")


def table(said, people=8):
    return Answers.from_records(
        {"persona": f"p{i}", "question": f"What about {topic}?", "text": said(i, j)}
        for i in range(people)
        for j, topic in enumerate(TOPICS)
    )


def test_answers_that_name_their_topic_are_relevant():
    found = relevance(table(lambda i, j: f"Well, {TOPICS[j]} is number {i} of my troubles."), permutations=999)
    assert (found.verdict, found.effect, found.p_value, found.beside) == ("relevant", 1.0, 0.001, ())


def test_one_text_for_all_questions_is_not():
    found = relevance(table(lambda i, j: f"I am number {i}, and that is all."), permutations=999)
    assert (found.verdict, found.p_value) == ("not shown", 1.0)
    assert found.effect == pytest.approx(1 / 6)
    assert len(found.beside) == 6


def test_a_question_that_everybody_answers_beside_the_point_in_words_of_their_own_is_named():
    rng = np.random.default_rng(0)
    letters = list("bcdfghjklmnpqrstvwxz")

    def said(i, j):
        return f"Well, {TOPICS[j]} again." if j else "".join(rng.choice(letters, 30))

    found = relevance(table(said), permutations=999)
    assert found.verdict == "relevant"
    assert next(iter(found.questions)) == f"What about {TOPICS[0]}?"


def test_exchanged_answers_are_not_relevant():
    rng = np.random.default_rng(1)
    orders = [rng.permutation(6) for _ in range(8)]
    found = relevance(table(lambda i, j: f"Well, {TOPICS[orders[i][j]]} is number {i}."), permutations=999)
    assert found.verdict == "not shown"
    assert "no better than chance" in found.explain()


def test_a_small_table_is_refused():
    with pytest.raises(TableError, match="too few"):
        relevance(table(lambda i, j: "yes", people=7))
