"""Does a patient who is asked the same again answer alike, and in other words?"""

import pytest
from interview import COVERING, interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import consistency


@pytest.mark.batch(prompt=interview, question=COVERING, samples=3)
def test_samples_agree(answers: Answers):
    """Three answers of one patient to one question agree, and are not copies of each other."""
    result = consistency(answers)
    assert result.verdict == "consistent", result.explain()
