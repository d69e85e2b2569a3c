"""Does the designed TCI profile show in the answers, each trait in its own signs?"""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import discriminant, trait_reflection
from pytest_batcheval.quality.measures._discriminant import LEAK
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.word_scores import DIMENSIONS


@pytest.mark.batch(prompt=interview)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_trait_shows(answers: Answers, dimension):
    """Patients told the high pole show more of its signs than patients told the low one."""
    trait = trait_reflection(answers, dimensions=[dimension])[dimension]
    assert trait.p_value <= ALPHA, str(trait)
    assert trait.delta > 0, str(trait)


@pytest.mark.batch(prompt=interview)
def test_profile_shows(answers: Answers):
    """The profile as a whole: all but one dimension, none the wrong way, and plainly."""
    result = trait_reflection(answers)
    assert result.shows, result.explain()


@pytest.mark.batch(prompt=interview)
def test_a_trait_raises_its_own_score_only(answers: Answers):
    """A trait that is told moves its own dimension, not the impression as a whole."""
    result = discriminant(answers)
    assert result.leak is not None, result.explain()
    assert result.leak <= LEAK, result.explain()
