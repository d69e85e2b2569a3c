"""Does the designed TCI profile show in the answers?"""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import trait_reflection
from pytest_batcheval.quality.signs import DIMENSIONS


@pytest.mark.batch(prompt=interview)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_trait_shows(answers: Answers, dimension):
    """Patients told the high pole show more of its signs than patients told the low one."""
    trait = trait_reflection(answers, dimensions=[dimension])[dimension]
    assert trait.p_value <= 0.01, str(trait)
    assert trait.delta > 0, str(trait)


@pytest.mark.batch(prompt=interview)
def test_profile_shows(answers: Answers):
    """The profile as a whole: six of seven dimensions, and plainly."""
    result = trait_reflection(answers)
    assert len(result.reflected) >= 6, result.explain()
    assert result.median_delta >= 0.6, result.explain()
