"""The form that a request asks its answer to have, and an answer in that form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_batcheval.simulator.errors import ApiError, invalid_type, invalid_value, missing
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.simulator.structured.compiled import check_of
from pytest_batcheval.simulator.structured.instances import Drawing
from pytest_batcheval.simulator.structured.work_limit import ImpossibleError
from pytest_batcheval.wire.key import BodyError, canonical

KINDS = ("text", "json_object", "json_schema")
_NAME = re.compile(r"[\w-]{1,64}\Z", re.ASCII)
_ATTEMPTS = 16


@dataclass(frozen=True)
class Form:
    """The JSON form required of an answer.

    Attributes:
        schema: JSON text of the schema it must match; `None` for any JSON object.
        name: the schema's name, for error messages.
        param: the parameter of the request that asks for it.
        code: the error code for a schema that cannot be used.
    """

    schema: str | None
    name: str
    param: str
    code: str | None

    def refusal(self, why: str) -> ApiError:
        """400: the schema cannot be used."""
        return ApiError(
            400, f"Invalid schema for response_format '{self.name}': {why}", param=self.param, code=self.code
        )


def requested_form(body: Mapping[str, Any]) -> Form | None:
    """The form that `response_format` (chat) or `text.format` (responses) asks for; `None` for plain text.

    Raises:
        ApiError: 400, the format does not have the form the API requires, or its schema is invalid.
    """
    if "messages" in body:
        return _form(body.get("response_format"), "response_format", "response_format", None)
    text = body.get("text")
    if text is None:
        return None
    if not isinstance(text, Mapping):
        raise invalid_type("text", "an object", text)
    return _form(text.get("format"), "text.format", "text.format.schema", "invalid_json_schema")


def in_form(text: str, form: Form, seed: int, key: str) -> str:
    """`text` if it has the form already, else an instance of the form that depends on seed, key and text only.

    Raises:
        ApiError: 400, the schema has no instance that the simulator can make.
    """
    value = _parsed(text)
    if form.schema is None:
        return text if isinstance(value, dict) else json.dumps({"answer": text}, ensure_ascii=False)
    try:
        is_valid = check_of(form.schema)
        if value is not None and is_valid(value):
            return text
        schema = json.loads(form.schema)
        for attempt in range(_ATTEMPTS):
            value = Drawing(schema, chance(seed, key, "instance", attempt), text).draw()
            if is_valid(value):
                return json.dumps(value, ensure_ascii=False)
    except ImpossibleError as error:
        raise form.refusal(f"{error}.") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        pass  # a valid schema with something that `Drawing` does not support
    raise form.refusal("the simulator cannot make an instance of it.")


def _form(given: Any, where: str, param: str, code: str | None) -> Form | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise invalid_type(where, "an object", given)
    kind = given.get("type")
    if kind not in KINDS:
        raise missing(f"{where}.type") if kind is None else invalid_value(f"{where}.type", kind, KINDS)
    if kind == "text":
        return None
    if kind == "json_object":
        return Form(None, "", param, code)
    inner = f"{where}.json_schema" if where == "response_format" else where
    parts = given.get("json_schema") if where == "response_format" else given
    if not isinstance(parts, Mapping):
        raise missing(inner) if parts is None else invalid_type(inner, "an object", parts)
    return _of_schema(parts, inner, param, code)


def _of_schema(parts: Mapping[str, Any], where: str, param: str, code: str | None) -> Form:
    name, schema = parts.get("name"), parts.get("schema")
    if name is None:
        raise missing(f"{where}.name")
    if not isinstance(name, str) or not _NAME.match(name):
        text = f"Invalid '{where}.name': expected up to 64 characters of letters, digits, '_' and '-'."
        raise ApiError(400, text, code="invalid_value", param=f"{where}.name")
    if not isinstance(schema, Mapping):
        raise missing(f"{where}.schema") if schema is None else invalid_type(f"{where}.schema", "an object", schema)
    return form_of_schema(schema, Form("", name, param, code))


def form_of_schema(schema: Mapping[str, Any], form: Form) -> Form:
    """`form` with that schema.

    Raises:
        ApiError: 400, the schema cannot be used.
    """
    try:
        text = canonical(schema)
        check_of(text)
    except (BodyError, ImpossibleError) as error:
        raise form.refusal(f"{error}.") from None
    return replace(form, schema=text)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
