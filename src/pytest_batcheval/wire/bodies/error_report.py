"""The errors that providers put into lines and bodies, whatever their shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.wire.plain import scalar_text

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]*([_.-][A-Za-z0-9]+)+")
"""A text that is itself a code, such as `server_error`."""


@dataclass(frozen=True)
class ErrorReport:
    """An error as a provider reports it.

    Attributes:
        code: its code, or its type; empty when it names neither.
        message: its words; empty when it has none.
    """

    code: str = ""
    message: str = ""


def error_in(body: Mapping[str, Any]) -> ErrorReport | None:
    """The error in a body: its `error`, or the body itself if it says that it is one."""
    report = report_of(body.get("error"))
    if report is None and "error" in (body.get("object"), body.get("type")):
        return _of_object(body)
    return report


def report_of(error: object) -> ErrorReport | None:
    """The error in a member `error`: a text, or an object; `None` for one that says nothing (null, `{}`, `""`)."""
    if isinstance(error, Mapping):
        return _of_object(error) if any(error.values()) else None
    if isinstance(error, list):
        return next(filter(None, map(report_of, error)), None)
    if not error:
        return None
    text = "" if error is True else scalar_text(error).strip()
    return ErrorReport(text if _CODE.fullmatch(text) or text.isdecimal() else "", text)


def _of_object(error: Mapping[str, Any]) -> ErrorReport:
    inner = error.get("error")
    if isinstance(inner, Mapping) and not error.get("message"):
        return _of_object(inner)
    kind = None if error.get("type") == "error" else error.get("type")
    names = (error.get("code"), kind, error.get("status_code"), error.get("status"))
    words = (error.get("message"), error.get("detail"), inner)
    return ErrorReport(next(filter(None, map(scalar_text, names)), ""), next(filter(None, map(words_of, words)), ""))


def words_of(value: object) -> str:
    """A message as text; some providers send a list, or an object with the message inside."""
    if isinstance(value, Mapping):
        return _words(value.get("message") or value.get("detail")) or (str(dict(value)) if value else "")
    return _words(value)


def _words(value: object) -> str:
    if isinstance(value, list) and value:
        return "; ".join(map(_problem, value)) if all(map(_is_problem, value)) else str(value)
    return scalar_text(value)


def _is_problem(value: object) -> bool:
    """Whether it is one problem of a body that was checked by pydantic: its place and a text."""
    return isinstance(value, Mapping) and isinstance(value.get("loc"), list) and isinstance(value.get("msg"), str)


def _problem(value: Mapping[str, Any]) -> str:
    return f"{'.'.join(map(str, value['loc']))}: {value['msg']}"
