import base64
import json
from enum import IntEnum, StrEnum
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.wire.key import BodyError, _text, canonical, key_in, request_key

SAFE = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
BODY = {
    "model": "gpt-4.1-mini",
    "messages": [
        {"role": "system", "content": "페르소나: 고립되고 겁이 많은, 미성숙한"},
        {"role": "user", "content": "어디가 불편해서 방문하게 되셨나요? 🙂"},
    ],
    "temperature": 0.7,
}


@given(DOCUMENT)
def test_canonical_form_is_rfc_8785(document):
    assert canonical(document).encode() == rfc8785.dumps(document)


class Name(StrEnum):
    """A text that is more than one."""

    MODEL = "model"


class Level(IntEnum):
    """A number with a name."""

    HIGH = 2


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        {Name.MODEL: "m"},
        {"n": Level.HIGH, "t": Name.MODEL, "f": (1, 2), "m": MappingProxyType({"b": 1, "a": 2})},
        {"\ud7ff": 1, "\uffff": 2, "\U00010000": 3, "é": 4},
        {"e": {}, "l": [], "x": 1e21, "y": -0.0, "big": 2**70, "c": '\x00\x1f\x7f\u2028"\\'},
        nested(100),
        {"a": nested(99)},
    ],
)
def test_what_is_usual_has_the_text_of_what_is_not(value):
    """A value's key does not depend on the way that its text is made."""
    assert canonical(value) == _text(value, "$", 0)


@pytest.mark.parametrize("levels", [101, 102])
def test_a_level_too_many_is_an_error(levels):
    with pytest.raises(BodyError, match="100 levels"):
        canonical(nested(levels))


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_large_integers_keep_their_digits(seed):
    assert canonical({"seed": seed}) == f'{{"seed":{seed}}}'


def test_golden_keys():
    """A changed key means that everything is paid for again: change KEY_VERSION with it, on purpose."""
    assert request_key("POST", "/v1/chat/completions", BODY) == "14bd28b244dffeeb82aabaef007f66a0db766d34"
    assert request_key("POST", "/v1/chat/completions", BODY, sample=1) == "ac1c91b29ffd208e0e2948adcdad07a4bd570e24"
    assert (
        request_key("POST", "/v1/responses", {"model": "m", "input": "안녕"})
        == "f528cb792b9e9b6a979d4981a8860a2089c1952f"
    )


def test_key_is_a_custom_id_and_ignores_the_order_of_names():
    shuffled = json.loads(json.dumps(dict(reversed(BODY.items()))))
    key = request_key("POST", "/v1/chat/completions", BODY)
    assert request_key("POST", "/v1/chat/completions", shuffled) == key
    assert len(key) <= 64
    assert key.isalnum()


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"temperature": float("nan")}, "$.temperature"),
        ({"a": [1, float("inf")]}, "$.a[1]"),
        ({"text": "\ud800"}, "$.text"),
        ({"\udc00": 1}, "$"),
        ({"when": object()}, "$.when"),
        ({"tags": {"x", "y"}}, "$.tags"),
        ({1: "number as a name"}, "$"),
    ],
)
def test_what_json_lacks_is_an_error_that_names_the_place(body, where):
    with pytest.raises(BodyError) as caught:
        canonical(body)
    assert caught.value.where.startswith(where)


def test_too_deep_is_an_error_and_no_recursion_error():
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(BodyError, match="100 levels"):
        canonical(deep)


def test_the_key_in_a_custom_id():
    key = request_key("POST", "/v1/messages", {"model": "m"})
    packed = base64.urlsafe_b64encode(bytes.fromhex(key)).decode().rstrip("=")
    assert key_in(key) == key
    assert key_in(f"1{packed}{'A' * 23}") == key_in(f"1{packed}{'-' * 36}") == key
    for other in (
        "",
        "row-17",
        key[:-1],
        f"{key}0",
        key.upper(),
        f"1{packed}",
        f"2{packed}{'A' * 23}",
        f"1{packed}{'A' * 37}",
    ):
        assert key_in(other) is None
