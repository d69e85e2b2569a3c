"""Compilation of users' JSON Schemas: by `jsonschema-rs` if installed, else `jsonschema`; nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pytest_batcheval.simulator.structured.work_limit import ImpossibleError

Check = Callable[[Any], bool]


@lru_cache(maxsize=128)
def check_of(text: str) -> Check:
    """A function that returns whether a value is valid; the schema is given as JSON text.

    Raises:
        ImpossibleError: the schema is invalid, or refers to something outside it.
    """
    schema = json.loads(text)
    try:
        import jsonschema_rs
    except ImportError:
        return _slow(schema)
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_nowhere).is_valid
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ImpossibleError(str(error).splitlines()[0][:300]) from None


def slow_check_of(schema: Any) -> Check:
    """The same, always with `jsonschema`."""
    return _slow(schema)


def _slow(schema: Any) -> Check:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        raise ImpossibleError(getattr(error, "message", "it is nested too deep")[:300]) from None
    validator = Draft202012Validator(schema, registry=Registry())

    def is_valid(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except (Unresolvable, RecursionError) as error:
            raise ImpossibleError(str(error)[:300]) from None

    return is_valid


def _nowhere(address: str) -> Any:
    raise ValueError(f"it refers to {address[:80]!r}, which is not in it")
