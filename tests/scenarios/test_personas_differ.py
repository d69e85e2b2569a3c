"""Do the patients differ, beyond chance and whatever the question, and in words of their own?"""

import pytest
from interview import interview

from pytest_batcheval import Answers
from pytest_batcheval.quality import differentiation, persona_echo
from pytest_batcheval.quality.measures._persona_echo import ECHO


@pytest.mark.batch(prompt=interview)
def test_personas_differ(answers: Answers):
    """An answer's persona is found from its answers to the other questions."""
    result = differentiation(answers)
    assert result.verdict == "different", result.explain()


@pytest.mark.batch(prompt=interview)
def test_personas_do_not_recite_their_description(answers: Answers):
    """What tells them apart is not their description read aloud."""
    result = persona_echo(answers)
    assert result.lift <= ECHO, result.explain()
