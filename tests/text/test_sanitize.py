import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.text.sanitize import redacted, storable


@given(st.text(st.characters(codec=None)))
def test_storable_text_can_be_encoded_and_keeps_what_could(text):
    kept = storable(text)
    assert len(kept) == len(text)
    assert all(a == b or ("\ud800" <= a <= "\udfff" and b == "?") for a, b in zip(text, kept, strict=True))
    kept.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc_DEF123.", "Incorrect API key provided: sk-…."),
        ("key sk-ab****yz refused", "key sk-… refused"),
        ("Bearer gsk_1234567890", "Bearer gsk_…"),
        ("sk-learn and a task-list-of-many", "sk-learn and a task-list-of-many"),
        ("http://user:pass@host:1/v1?x=a@b", "http://host:1/v1?x=a@b"),
        ("the key is hunter2", "the key is …"),
    ],
)
def test_secrets_are_taken_out(text, shown):
    assert redacted(text, "hunter2", "") == shown
