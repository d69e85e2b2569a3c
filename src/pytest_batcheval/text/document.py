"""YAML and JSON files that users write: read with errors that name the file and the line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.bounds import BoundError, check_data, check_events, shortened
from pytest_batcheval.text.file_head import HEAD, form_by_head

if TYPE_CHECKING:
    from jsonschema import ValidationError


def read_bytes(path: Path, what: str, error: type[UsageError] = UsageError) -> bytes:
    """The bytes of a file; `what` names its kind in messages.

    Raises:
        UsageError: (or the class `error`) the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as failure:
        raise error(f"{path}: the {what} cannot be read: {failure.strerror or failure}") from None


def read_text(path: Path, what: str, error: type[UsageError] = UsageError) -> str:
    r"""The text of a UTF-8 file, without a byte order mark; `what` names the kind of file in messages.

    Lines end with `\n`, whatever the checkout has made of them, so that a text in quotes is the same on every machine.

    Raises:
        UsageError: (or the class `error`) the file cannot be read, or is not UTF-8.
    """
    data = read_bytes(path, what, error)
    if form := form_by_head(data[:HEAD], may_have_nul=True):
        raise error(f"{path}: the {what} is {form}")
    try:
        return with_lf(data.decode("utf-8-sig"))
    except UnicodeDecodeError as failure:
        raise error(f"{path}: the {what} is not UTF-8: {failure.reason} at byte {failure.start}") from None


def with_lf(text: str) -> str:
    r"""A text whose lines end with `\n`, whatever the spreadsheet or the checkout has made of them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_document(path: Path, what: str, error: type[UsageError] = UsageError) -> Any:
    """The data in a JSON file (by its name) or a YAML file.

    Raises:
        UsageError: (or the class `error`) the file cannot be read, or is not valid; the message names the line.
    """
    text = read_text(path, what, error)
    return parse_json(path, text, error) if path.suffix.lower() == ".json" else parse_yaml(path, text, error)


def read_json_lines(path: Path, what: str, error: type[UsageError] = UsageError) -> Iterator[tuple[str, Any]]:
    """The data in each line of a file that is not empty, with its place for messages.

    Raises:
        UsageError: (or the class `error`) the file cannot be read, or a line is not valid JSON.
    """
    for number, line in enumerate(read_text(path, what, error).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", parse_json(path, line, error, number)


def parse_json(path: Path, text: str, error: type[UsageError] = UsageError, first_line: int = 1) -> Any:
    """The data in JSON text, which begins on `first_line` of the file.

    Raises:
        UsageError: (or the class `error`) the text is not valid JSON; the message names the line.
    """
    try:
        data = json.loads(text)
        check_data(data)
    except json.JSONDecodeError as failure:
        raise error(f"{path}, line {first_line + failure.lineno - 1}: not valid JSON: {failure.msg}") from None
    except BoundError as failure:
        raise error(f"{path}: the JSON cannot be used: {failure}") from None
    except ValueError:
        raise error(f"{path}: the JSON cannot be used: a number has too many digits") from None
    except RecursionError:
        raise error(f"{path}: the JSON is nested too deeply") from None
    return data


def parse_yaml(path: Path, text: str, error: type[UsageError] = UsageError, loader: Any = None) -> Any:
    """The data in YAML text, read by `loader`, a class, or else by PyYAML's safe one.

    Raises:
        UsageError: (or the class `error`) the text is not valid YAML; the message names the line where it can.
    """
    import yaml

    loader = loader or getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        check_events(yaml.parse(text, loader))
        data = yaml.load(text, loader)
        check_data(data)
    except BoundError as failure:
        where = f", line {failure.line}" if failure.line else ""
        raise error(f"{path}{where}: the YAML cannot be used: {failure}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as failure:  # ValueError: a date such as 2024-13-45
        mark = getattr(failure, "problem_mark", None)
        # libyaml puts an unexpected end on a line of its own
        where = f", line {min(mark.line, text.rstrip().count(chr(10))) + 1}" if mark else ""
        reason = shortened(str(getattr(failure, "problem", None) or failure))
        raise error(f"{path}{where}: not valid YAML: {reason}") from None
    return data


def first_schema_error(entries: Any, schema: dict[str, Any]) -> ValidationError | None:
    """The first place, by entry and then by depth, where data does not match a JSON Schema."""
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(entries)
    return min(errors, key=lambda e: (list(e.absolute_path)[:1], len(e.absolute_path)), default=None)


def field_of(error: ValidationError) -> str:
    """The field below an entry that an error is about, as `, field a.b`; empty for the entry itself."""
    steps = list(error.absolute_path)[1:]
    return f", field {'.'.join(map(str, steps))}" if steps else ""


def reason_of(error: ValidationError) -> str:
    """The message of an error, and what the schema's `description` allows instead."""
    allowed = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return shortened(error.message) + (f"; allowed: {allowed}" if allowed else "")
