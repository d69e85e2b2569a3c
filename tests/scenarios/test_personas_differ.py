"""Do the patients differ, beyond chance and whatever the question?"""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import differentiation


@pytest.mark.batch(prompt=interview)
def test_personas_differ(answers: Answers):
    """An answer's persona is found from its answers to the other questions."""
    result = differentiation(answers)
    assert result.p_value <= 0.01, result.explain()
    assert result.accuracy >= 0.08, result.explain()
