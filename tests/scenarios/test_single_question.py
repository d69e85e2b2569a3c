"""The first question of the interview to each of the 25 patients."""

import pytest
from interview import interview

from pytest_batcheval import Answer


@pytest.mark.batch(prompt=interview, question="chief_complaint")
def test_says_what_is_wrong(persona, answer: Answer):
    """In some words of their own: not silent, not the persona's description read aloud."""
    assert len(answer.text) >= 20
    assert persona.description not in answer.text
