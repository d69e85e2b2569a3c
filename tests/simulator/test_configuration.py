"""Keys files, behaviour files, and the limits they set."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import CODES, TEXTS, Behaviour, load_behaviour
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.rate_limits import RateWindow

KEYS = """
keys:
  - key: sk-test-alice
    project: clinic
  - sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    project: clinic
    scopes: [api.files.read]
    requests_per_minute: 60
    tokens_per_minute: 1000
    insufficient_quota: true
projects:
  clinic:
    creates_per_hour: 3
    enqueued_tokens: {gpt-6.1-terra: 2000000}
"""


def file_of(tmp_path: Path, text: str, name: str = "file.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_keys_file_declares_keys_and_projects(tmp_path: Path) -> None:
    ring, usual = KeyRing.load(file_of(tmp_path, KEYS)), Behaviour()
    alice = ring.find("Bearer sk-test-alice", usual)
    assert (alice.project, alice.scopes, alice.requests_per_minute) == ("clinic", None, None)
    other = ring.find("bearer  test", usual)
    assert (other.project, other.scopes) == ("clinic", frozenset(["api.files.read"]))
    assert (other.requests_per_minute, other.tokens_per_minute, other.insufficient_quota) == (60, 1000, True)
    assert ring.limits("clinic").creates_per_hour == 3
    assert ring.limits("clinic").enqueued_tokens == {"gpt-6.1-terra": 2_000_000}
    assert ring.limits("elsewhere").enqueued_tokens == {}
    assert "alice" not in repr(alice)


def test_json_will_do_too(tmp_path: Path) -> None:
    path = file_of(tmp_path, json.dumps({"keys": [{"key": "k", "project": "p"}]}), "keys.json")
    assert KeyRing.load(path).find("Bearer k", Behaviour()).project == "p"


def test_without_a_file_every_key_has_a_project_of_its_own() -> None:
    ring, usual = KeyRing(), Behaviour()
    projects = [ring.find(f"Bearer {key}", usual).project for key in ("one", "two", "one")]
    assert projects[0] == projects[2] != projects[1]
    assert "one" not in projects[0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "$ breaks the rule required"),
        ("[]", "$ breaks the rule"),
        ("keys: 5", "$.keys breaks"),
        ("keys: [{key: a}]", "$.keys[0] breaks the rule required"),
        ("keys: [{project: a}]", "$.keys[0] breaks"),
        ("keys: [{key: a, sha256: b, project: c}]", "$.keys[0]"),
        ("keys: [{key: a, project: b, admin: true}]", "$.keys[0] breaks the rule additionalProperties"),
        ("keys: [{key: a, project: b, scopes: [everything]}]", "$.keys[0].scopes[0] breaks the rule enum"),
        ("keys: [{key: a, project: b, requests_per_minute: 0}]", "$.keys[0].requests_per_minute"),
        ("keys: []\nprojects: {a: {limit: 1}}", "$.projects.a"),
        ("keys: [", "not valid YAML"),
        ("keys: !!python/object:os.system []", "not valid YAML"),
    ],
)
def test_a_keys_file_that_is_wrong_is_told_with_the_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(UsageError) as error:
        KeyRing.load(file_of(tmp_path, text))
    assert place in str(error.value)
    assert "file.yaml" in str(error.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "nothing", binary):
        with pytest.raises(UsageError, match=path.name):
            KeyRing.load(path)


@pytest.mark.parametrize(("key", "shown"), [("short", "*****"), ("sk-" + "a" * 40 + "wxyz", "*" * 32 + "wxyz")])
def test_a_wrong_key_is_told_by_its_end_only(key: str, shown: str) -> None:
    with pytest.raises(ApiError) as refusal:
        KeyRing.from_data({"keys": []}).find(f"Bearer {key}", Behaviour())
    assert str(refusal.value) == f"Incorrect API key provided: {shown}."


def test_a_behaviour_file_sets_what_it_names(tmp_path: Path) -> None:
    text = (
        "usage: false\nvalidating_seconds: [1, 2]\nmodels: [a]\ncodes: {purpose: x, no_api_key: null}\nlist_lag: 1.5\n"
    )
    assert load_behaviour(file_of(tmp_path, text)) == Behaviour(
        usage=False,
        validating_seconds=(1, 2),
        models=("a",),
        codes={"purpose": "x", "no_api_key": None},
        list_lag=1.5,
    )
    assert load_behaviour(file_of(tmp_path, "")) == Behaviour()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("usages: false", "$ breaks the rule additionalProperties"),
        ("usage: maybe", "$.usage breaks the rule type"),
        ("codes: {nothing: x}", "$.codes breaks"),
        ("texts: {no_such_file: 5}", "$.texts.no_such_file"),
        ("scope_status: 404", "$.scope_status breaks the rule enum"),
        ("validating_seconds: 5", "$.validating_seconds"),
        ("max_requests: 0", "$.max_requests breaks the rule minimum"),
        ("models: some", "$.models"),
    ],
)
def test_a_behaviour_file_that_is_wrong_is_told_with_the_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(UsageError) as error:
        load_behaviour(file_of(tmp_path, text))
    assert place in str(error.value)


def test_every_behaviour_can_stand_in_a_file(tmp_path: Path) -> None:
    usual = dataclasses.asdict(Behaviour(codes=dict(CODES), texts=dict(TEXTS)))
    path = file_of(tmp_path, json.dumps(usual))
    assert dataclasses.asdict(load_behaviour(path)) == usual


def test_every_code_and_text_can_be_replaced() -> None:
    other = Behaviour(codes=dict.fromkeys(CODES, "other"), texts={name: f"{name}: {{id}}" for name in TEXTS})
    for situation in CODES:
        assert other.code(situation) == "other"
    for situation in TEXTS:
        assert other.text(situation, id="{id}") == f"{situation}: {{id}}"
    with pytest.raises(KeyError):
        Behaviour().code("nothing")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=30), st.integers(1, 8))
def test_a_window_never_lets_more_than_its_limit_through(uses: list[tuple[int, int]], limit: int) -> None:
    window, taken, now = RateWindow(limit, 10), [], 0.0
    for pause, amount in uses:
        now += pause
        wait = window.wait(now, amount)
        in_sight = [used for at, used in taken if at + 10 > now]
        assert (wait == 0) == (sum(in_sight) + amount <= limit)
        assert window.remaining(now) == limit - sum(in_sight)
        if wait:
            assert wait <= 10
            if amount <= limit:
                now += wait
                assert window.wait(now, amount) == 0
        if not window.wait(now, amount):
            window.take(now, amount)
            taken.append((now, amount))


def test_a_window_says_when_it_is_empty() -> None:
    window = RateWindow(5, 60)
    assert window.reset_after(0) == 0
    window.take(0, 2)
    window.take(20, 1)
    assert window.reset_after(30) == 50
    assert window.wait(30, 4) == 30
    assert window.wait(30, 9) == 60
    assert window.reset_after(90) == 0


def test_limits_of_the_behaviour_are_those_of_the_docs(simulator: Any) -> None:
    usual = simulator.behaviour
    assert (usual.max_requests, usual.max_inputs, usual.creates_per_hour) == (50_000, 50_000, 2_000)
    assert (usual.max_file_bytes, usual.max_other_bytes, usual.uploads_per_minute) == (200_000_000, 512_000_000, 1_000)
