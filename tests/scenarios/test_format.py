"""The form of all answers together: a stray one is borne, a habit is not."""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import format_checks


@pytest.mark.batch(prompt=interview)
def test_whole_korean_answers_of_a_patient(answers: Answers):
    """Whole, in Korean, by a patient: no refusals, no machine, no counsellor, no echo of the question."""
    result = format_checks(answers)
    assert not result.failing, result.explain()
