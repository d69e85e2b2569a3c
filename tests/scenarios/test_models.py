"""Would a cheaper model do? Only if it is as good within a margin stated before, and good by itself."""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.catalogue.models import LARGER, MODEL
from pytest_batcheval.quality import compare, quality_gate
from pytest_batcheval.quality.comparing._compare import MARGIN


def by_model(persona, question, model):
    return {**interview(persona, question), "model": model.id}


@pytest.mark.batch(prompt=by_model)
def test_the_cheaper_model_is_as_good(answers: Answers):
    """The interval of the difference lies inside the margin; "no significant difference" would not do."""
    result = compare(answers.where(model=MODEL), answers.where(model=LARGER), margin=MARGIN)
    assert result.equivalent, result.explain()


@pytest.mark.batch(prompt=by_model)
def test_model_passes_the_gate(model, answers: Answers):
    """Two models may be as good as each other because neither is any good."""
    gate = quality_gate(answers)
    assert gate.passed, gate.explain()
