import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.text.sanitize import (
    escape_controls,
    redacted,
    safe_json_to_print,
    safe_to_print,
    safe_to_show,
    storable,
    without_secrets,
)


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
        ("?key=AIzaSyTest0123456789", "?key=AIza…"),
        ("sk-learn and a task-list-of-many", "sk-learn and a task-list-of-many"),
        ("http://user:pass@host:1/v1?x=a@b", "http://host:1/v1?x=a@b"),
        ("the key is hunter2", "the key is …"),
    ],
)
def test_secrets_are_taken_out(text, shown):
    assert redacted(text, "hunter2", "") == shown


SEEN = "길 café ✔️ ❤️‍🔥 👩🏽‍⚕️ 1️⃣ ☎︎ می‌خواهم क्‍ष\t\n"
"""Joiners and variation selectors that change what is seen."""


def test_what_is_seen_stays():
    assert escape_controls(SEEN) == SEEN


HIDDEN = (
    "\U000e0001\U000e0041\U000e007f\u3164\u115f\u1160\uffa0\xad\u180b\u180e\u2060\u2065\u034f\u17b4\ufff0\U000e0100"
)


@pytest.mark.parametrize("character", [*HIDDEN, "\x1b", "\x9b", "\u202e", "\u2028", "\ud800", "\ufeff", "\ufffa"])
@pytest.mark.parametrize("around", ["a{}b", "{}", "👩{}👩", "길{}"])
def test_what_nobody_sees_is_written(character, around):
    text = around.format(character)
    shown = escape_controls(text)
    assert character not in shown
    assert ast.literal_eval(f"'{shown}'") == text


@pytest.mark.parametrize(
    "text", ["a\ufe0fb", "❤\ufe0f\ufe0f", "❤\ufe00", "a\u200db", "👩\u200d", "\u200d👩", "a\u200c \u200c"]
)
def test_selectors_and_joiners_that_carry_something_else_are_written(text):
    assert escape_controls(text).count("\\u") == (2 if text.startswith("a\u200c") else 1)


@pytest.mark.parametrize("start", ["", " ", "\t", "\u2003\u00a0", "first\n\n  "])
def test_no_line_begins_a_workflow_command(start, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shown = safe_to_print(f"{start}::add-mask::a\nx::y ##[error]")
    assert not any(line.strip().startswith("::") for line in shown.split("\n"))
    assert "##[" not in shown
    assert json.loads(safe_json_to_print(json.dumps(["::a ##[b]"]))) == ["::a ##[b]"]


def test_a_key_counts_from_when_it_is_set_until_it_is_taken_away(monkeypatch):
    text = "first-key-of-8 second-key-of-9"
    for key, shown in (("first-key-of-8", "… second-key-of-9"), ("second-key-of-9", "first-key-of-8 …")):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        assert [safe_to_show(text), safe_to_show(text)] == [shown] * 2
    monkeypatch.delenv("OPENAI_API_KEY")
    assert safe_to_show(text) == text


def test_the_environments_keys_are_taken_out(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any-key-of-some-length")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-a1")
    monkeypatch.setenv("GATEWAY_API_KEY", "abcd1234")
    monkeypatch.setenv("SHORT_API_KEY", "model")
    assert without_secrets("any-key-of-some-length org-a1 abcd1234 model") == "… … … model"


@pytest.mark.parametrize(
    "key",
    ["k", "batch", "simulator", "recordings", "development", "simulator-key", "Simulator", "x" * 12, "-" * 12, "v1"],
)
def test_a_key_that_is_a_word_eats_no_other_words(monkeypatch, key):
    text = f"batcheval resume --backend=simulator_keys v1; recordings, {key}s and developments, a{key} {'-' * 40}"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert without_secrets(text) == redacted(text, key) == text


@pytest.mark.parametrize(
    "key",
    [
        "simulator-key",
        "correct-horse-battery-staple",
        "abc123",
        "Abcdefghijkl1",
        "aB-cDeFgHiJkLmN",
        "비밀번호비밀번호비밀번호",
        "123456789012",
    ],
)
@pytest.mark.parametrize("around", ["{}", "Bearer {}.", "key={}&x", "'{}'", "https://host/{}/v1", "키 {}는"])
def test_what_may_be_a_key_is_struck_out_where_it_stands_by_itself(monkeypatch, key, around):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    text = around.format(key)
    assert without_secrets(text) == redacted(text, key) == around.format("…")


@pytest.mark.parametrize("key", ["0f3d9b2e8a4c", "aB-cDeFgHiJkLmN", "canary.0f3d9b2e8a4c6150"])
def test_what_looks_like_a_key_is_struck_out_anywhere(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert without_secrets(f"req_{key}x %3D{key}") == "req_…x %3D…"
