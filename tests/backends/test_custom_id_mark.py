"""The mark in a `custom_id`: whatever a batch's metadata says comes back, and nobody else's id is taken for ours."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.backends.custom_id_mark import LONGEST, Marker, read_mark
from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.protocol import METADATA_NAME
from pytest_batcheval.engine.metadata import our_metadata

keys = st.binary(min_size=20, max_size=20).map(bytes.hex)
identities = st.binary(min_size=16, max_size=16).map(bytes.hex)
numbers = st.binary(min_size=4, max_size=4).map(bytes.hex)
rounds = st.from_regex(r"\A[A-Za-z0-9_-]{0,13}\Z")


def value(identity, attempt, requests, generation, number, round_name=""):
    create = f"batcheval-{identity[:16]}-{number}"
    return {METADATA_NAME: f"2;{identity};{attempt};{requests};{generation};{create};{round_name}"}


@given(keys, identities, st.integers(0, 63), st.integers(0, 100_000), st.integers(0, 4095), numbers, rounds)
def test_a_mark_comes_back(key, identity, attempt, requests, generation, number, round_name):
    metadata = value(identity, attempt, requests, generation, number, round_name)
    custom_id = Marker(metadata).custom_id(key)
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}", custom_id)
    found = read_mark(custom_id)
    assert found is not None
    assert found.key == key
    ours, sent = our_metadata(found.metadata), our_metadata(metadata)
    assert (ours.attempt, ours.requests, ours.generation) == (attempt, requests, generation)
    assert (ours.create, ours.round, ours.identity) == (sent.create, round_name, identity[:16])


@given(st.text(max_size=80))
def test_another_id_is_nobodys(text):
    found = read_mark(text)
    assert found is None or re.fullmatch(r"1[\w-]{50,63}", text, re.ASCII)


@pytest.mark.parametrize("custom_id", ["", "request-1", "a" * 64, hashlib.sha1(b"x").hexdigest(), "2" + "A" * 50])
def test_usual_ids_are_nobodys(custom_id):
    assert read_mark(custom_id) is None


@pytest.mark.parametrize(
    ("round_name", "attempt", "message"),
    [("2026.W48", 0, "at most 13 letters"), ("a" * 14, 0, "at most 13 letters"), ("", 64, "does not fit")],
)
def test_a_mark_that_does_not_fit_is_refused_before_anything_is_sent(round_name, attempt, message):
    with pytest.raises(Refused, match=message):
        Marker(value("0" * 32, attempt, 1, 0, "0" * 8, round_name))
