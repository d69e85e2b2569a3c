"""Configuration files of the simulator: YAML or JSON, checked against the schemas beside this module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import shortened
from pytest_batcheval.text.document import read_document
from pytest_batcheval.text.sanitize import redacted

if TYPE_CHECKING:
    from jsonschema import ValidationError

_SCHEMAS = Path(__file__).parent / "schemas"


def read_config(path: Path, kind: str) -> dict[str, Any]:
    """The object in a file, checked against `schemas/<kind>.schema.json`.

    Raises:
        UsageError: the file cannot be read or does not match the schema; the message names the place.
    """
    data = read_document(path, f"{kind} file") or {}
    check_config(data, kind, str(path))
    return dict(data)


def check_config(data: object, kind: str, where: str) -> None:
    """Check data against `schemas/<kind>.schema.json`; `where` names its source in messages.

    Raises:
        UsageError: the data does not match the schema; the message names the place.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads((_SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    wrong = best_match(Draft202012Validator(schema).iter_errors(data))
    if wrong is not None:
        # The value stays out of the message, since it may be an API key; names of members are safe.
        rule = f"{wrong.validator}: {json.dumps(wrong.validator_value, ensure_ascii=False)[:300]}"
        unknown = _unknown_names(wrong) if wrong.validator == "additionalProperties" else ""
        raise UsageError(f"{where}: {wrong.json_path} breaks the rule {rule}{unknown}")


def _unknown_names(wrong: ValidationError) -> str:
    schema: Any = wrong.schema
    given: Any = wrong.instance
    known = schema.get("properties", {})
    names = sorted(redacted(str(name)) for name in given if name not in known)
    return f" ({shortened(', '.join(names))}; known: {', '.join(known)})"
