"""25 patients x 11 questions: the form of every single answer."""

import pytest
from interview import AI_MENTION, REFUSAL, ROLE_FLIP, hangul_share, interview

from pytest_batcheval import Answer


@pytest.mark.batch(prompt=interview)
def test_answers_in_character(answer: Answer):
    """A whole Korean answer of a patient, not of an assistant."""
    assert answer.finish_reason == "stop"
    assert not answer.refusal
    assert 20 <= len(answer.text) <= 1000
    assert hangul_share(answer.text) >= 0.8
    for pattern in (AI_MENTION, REFUSAL, ROLE_FLIP):
        assert not pattern.search(answer.text), answer.text
