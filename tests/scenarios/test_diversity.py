"""Do 25 patients have more than one thing to say?"""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import diversity


@pytest.mark.batch(prompt=interview)
def test_answers_are_not_all_the_same(answers: Answers):
    """Hardly any two answers to a question are the same."""
    result = diversity(answers)
    assert result.verdict == "diverse", result.explain()
