import base64
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.wire.key import BodyError, canonical, key_in, request_key

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
