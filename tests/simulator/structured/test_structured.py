"""Structured outputs: answers validate against the schema that was asked for."""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema_rs
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.simulator.structured.answer import Form, in_form, requested_form
from pytest_batcheval.simulator.structured.compiled import check_of, slow_check_of

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name", "children"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "minLength": 300, "maxLength": 310},
    "short": {"type": "string", "maxLength": 1},
    "pattern": {"type": "string", "pattern": r"^[A-Z]{2}-\d{3,5}(?:-(x|y))?\.[^a-z]\s\w+$"},
    "formats": {
        "type": "object",
        "properties": {
            name.replace("-", "_"): {"type": "string", "format": name}
            for name in ("date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid")
        },
        "required": ["date_time", "uuid"],
    },
    "numbers": {
        "type": "array",
        "prefixItems": [
            {"type": "integer", "minimum": 1, "maximum": 5},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            {"type": "integer", "multipleOf": 7, "minimum": 100},
            {"type": "number", "maximum": -3.5},
        ],
        "minItems": 4,
        "maxItems": 4,
    },
    "unique": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
    "contains": {"type": "array", "contains": {"const": 5}, "items": {"type": "integer"}, "minItems": 2},
    "any": {"anyOf": [{"type": "null"}, {"type": "boolean"}, {"const": {"a": [1]}}]},
    "one": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    "all": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "null"}}, "required": ["b"]},
        ]
    },
    "types": {"type": ["string", "null"]},
    "more": {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    "tree": TREE,
    "definitions": {
        "$ref": "#/$defs/a~1b",
        "$defs": {"a/b": {"type": "object", "properties": {"x": {"$ref": "#/$defs/c"}}, "required": ["x"]},
                  "c": {"type": "integer"}},
    },
    "not": {"type": "integer", "minimum": 0, "maximum": 9, "not": {"const": 4}},
    "anything": {},
}  # fmt: skip


def asked(schema: Any, name: str = "answer") -> dict[str, Any]:
    """The body of a chat request for that schema."""
    return {
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}},
    }


def form_of(schema: Any) -> Form:
    form = requested_form(asked(schema))
    assert form is not None
    return form


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_instance_is_valid(name: str) -> None:
    form, schema = form_of(SCHEMAS[name]), SCHEMAS[name]
    validators = (Draft202012Validator(schema), jsonschema_rs.Draft202012Validator(schema, validate_formats=True))
    answers = {in_form("I sleep badly. 잠을 못 자요? Yes", form, 0, str(number)) for number in range(40)}
    for answer in answers:
        for validator in validators:
            validator.validate(json.loads(answer))
    assert len(answers) > 1 or name in ("short", "contains")


def test_an_instance_depends_on_seed_and_key_alone() -> None:
    form = form_of(TREE)
    assert in_form("Hello.", form, 0, "a") == in_form("Hello.", form, 0, "a")
    drawn = {in_form("Hello.", form, seed, key) for seed in range(3) for key in "abc"}
    assert len(drawn) > 5


def test_words_of_the_answer_stand_in_the_instance() -> None:
    assert in_form("Hello there.", form_of({"type": "string"}), 0, "k") == '"Hello there."'
    assert json.loads(in_form("Hello there.", form_of(TREE), 0, "k"))["name"] == "Hello there."


def test_an_answer_that_is_valid_already_is_kept() -> None:
    said = '{"name": "a",   "children": []}'
    assert in_form(said, form_of(TREE), 0, "k") == said
    assert in_form("[1]", form_of(TREE), 0, "k") != "[1]"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/nothing"},
        {"type": "integer", "minimum": 3, "maximum": 1},
        {"type": "integer", "minimum": 10**400},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000, "items": {}}},
        {"not": {}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "(a{1000}){1000}"},
        {"type": "string", "pattern": "("},
        {"type": "nothing"},
        {"type": "array", "items": False, "minItems": 1},
        {"anyOf": [False]},
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_a_schema_without_instances_is_a_400(schema: Any) -> None:
    with pytest.raises(ApiError) as refusal:
        in_form("Hello.", form_of(schema), 0, "k")
    assert refusal.value.status == 400
    assert refusal.value.body["error"]["param"] == "response_format"
    assert refusal.value.body["error"]["message"].startswith("Invalid schema for response_format 'answer': ")


def test_a_schema_somewhere_else_is_not_fetched() -> None:
    with pytest.raises(ApiError, match=r"https://example\.com/schema\.json"):
        requested_form(asked({"$ref": "https://example.com/schema.json"}))


@pytest.mark.parametrize(
    ("given_format", "param"),
    [
        ("json", "response_format"),
        ({}, "response_format.type"),
        ({"type": "xml"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": []}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, "response_format.json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, "response_format.json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": 1}}, "response_format.json_schema.schema"),
    ],
)
def test_a_format_that_is_written_wrong_is_a_400(api: Any, body: Any, given_format: Any, param: str) -> None:
    status, error = api.refused("POST", CHAT, json=body(CHAT, "Hello", response_format=given_format))
    assert (status, error["param"]) == (400, param)


def test_responses_name_their_own_parameters(api: Any, body: Any) -> None:
    text = {"format": {"type": "json_schema", "name": "a", "schema": {"type": "nothing"}}}
    status, error = api.refused("POST", RESPONSES, json=body(RESPONSES, "Hello", text=text))
    assert (status, error["param"], error["code"]) == (400, "text.format.schema", "invalid_json_schema")
    assert api.refused("POST", RESPONSES, json=body(RESPONSES, "Hello", text="json"))[1]["param"] == "text"


class Verdict(BaseModel):
    score: int = Field(ge=1, le=5)
    reason: str
    tags: list[str]


def test_the_sdk_parses_what_chat_answers(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "How was it?"}]
    answer = client.chat.completions.parse(model="gpt-6-luna", messages=messages, response_format=Verdict)
    assert isinstance(answer.choices[0].message.parsed, Verdict)


def test_the_sdk_parses_what_responses_answers(client: openai.OpenAI) -> None:
    answer = client.responses.parse(model="gpt-6-luna", input="How was it?", text_format=Verdict)
    assert isinstance(answer.output_parsed, Verdict)


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_lines_of_a_batch_have_the_form_too(simulator: SimulatorServer, api: Any, line: Any, endpoint: str) -> None:
    inner = {"name": "tree", "schema": TREE, "strict": True}
    if endpoint == CHAT:
        more: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": inner}}
    else:
        more = {"text": {"format": {"type": "json_schema", **inner}}}
    batch = api.ended(api.batch([line(number, endpoint, **more) for number in range(5)], endpoint))
    texts = set()
    for answer in api.lines(batch["output_file_id"]).values():
        body = answer["response"]["body"]
        said = body["choices"][0]["message"] if endpoint == CHAT else body["output"][-1]["content"][0]
        texts.add(said["content" if endpoint == CHAT else "text"])
    assert len(texts) > 1
    for text in texts:
        Draft202012Validator(TREE).validate(json.loads(text))


def test_any_json_object_will_do(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Answer in JSON: how are you?"}]
    answer = client.chat.completions.create(
        model="gpt-6-luna", messages=messages, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NESTED = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])},
        optional={
            "minLength": st.integers(0, 9),
            "minimum": st.integers(-9, 9),
            "maximum": st.integers(-9, 9),
            "minItems": st.integers(0, 3),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
        },
    ),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.text(max_size=3), inner, max_size=3),
                "required": st.lists(st.text(max_size=3), max_size=2, unique=True),
            }
        )
    ),
    max_leaves=6,
)


@given(NESTED)
def test_any_schema_has_a_valid_instance_or_is_refused(schema: dict[str, Any]) -> None:
    try:
        answer = in_form("Hello there. How are you?", form_of(schema), 0, "k")
    except ApiError:
        return
    Draft202012Validator(schema).validate(json.loads(answer))


@pytest.mark.sampled
@given(NESTED, VALUES)
@settings(max_examples=200)
def test_both_validators_agree(schema: dict[str, Any], value: Any) -> None:
    assert check_of(json.dumps(schema))(value) == slow_check_of(schema)(value)


def test_it_works_without_the_fast_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    check_of.cache_clear()
    try:
        for name in ("tree", "numbers"):
            Draft202012Validator(SCHEMAS[name]).validate(json.loads(in_form("Hello.", form_of(SCHEMAS[name]), 0, "k")))
        for schema in ({"$ref": "https://example.com/x"}, {"$ref": "#"}, {"type": "nothing"}):
            with pytest.raises(ApiError):
                in_form("1", form_of(schema), 0, "k")
    finally:
        check_of.cache_clear()
