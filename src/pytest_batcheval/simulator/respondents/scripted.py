"""Scripted answers from a user's file, in which the first entry that matches a request answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.load import design, questions
from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.respondents.protocol import RespondentReply, RespondentRequest
from pytest_batcheval.text.document import field_of, first_schema_error, parse_json, read_document, read_text, reason_of
from pytest_batcheval.text.sanitize import storable

if TYPE_CHECKING:
    from jsonschema import ValidationError

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl")

_SCHEMA = Path(__file__).parent / "schemas" / "scripted.schema.json"
_SHOWN = 120
WHAT = "file of scripted answers"


@dataclass(frozen=True)
class ScriptedAnswer:
    """One answer and its conditions on the request; `None` matches anything."""

    match: re.Pattern[str] | None
    personas: tuple[str, ...] | None
    questions: tuple[str, ...] | None
    text: str
    finish_reason: str
    refused: bool
    status_code: int

    def fits(self, request: RespondentRequest) -> bool:
        """Whether the request meets every condition."""
        recognised = request.recognised
        return (
            (self.match is None or self.match.search(request.prompt) is not None)
            and (self.personas is None or recognised.persona in self.personas)
            and (self.questions is None or recognised.question in self.questions)
        )


@dataclass(frozen=True)
class Scripted:
    """The respondent whose answers are in a file."""

    name: str
    path: Path
    entries: tuple[ScriptedAnswer, ...]

    @classmethod
    def load(cls, name: str, path: Path) -> Scripted:
        """Read a list of entries: YAML, JSON, or JSONL with one entry per line.

        Raises:
            UsageError: the file cannot be read, or an entry is wrong; the message names file, entry and field.
        """
        entries = _read(path)
        _check(path, entries)
        return cls(name, path, tuple(_entry(path, number, entry) for number, entry in enumerate(entries, 1)))

    def reply(self, request: RespondentRequest) -> RespondentReply:
        """The answer of the first entry that fits, or a text that none does."""
        recognised = request.recognised
        entry = next((entry for entry in self.entries if entry.fits(request)), None)
        if entry is None:
            seen = " ".join(storable(request.prompt).split())[:_SHOWN]
            return RespondentReply(
                f"No entry of {self.path.name} matches this request: {seen}", recognised.persona, recognised.question
            )
        return RespondentReply(
            entry.text,
            recognised.persona,
            recognised.question,
            finish_reason=entry.finish_reason,
            refused=entry.refused,
            status_code=entry.status_code,
        )


def _read(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: the name of a file of scripted answers must end in {', '.join(SUFFIXES)}")
    if suffix == ".jsonl":
        lines = enumerate(read_text(path, WHAT).split("\n"), 1)
        return [parse_json(path, line, first_line=number) for number, line in lines if line.strip()]
    return read_document(path, WHAT)


def _check(path: Path, entries: Any) -> None:
    error = first_schema_error(entries, json.loads(_SCHEMA.read_text(encoding="utf-8")))
    if error is None:
        return
    if not error.absolute_path:
        raise UsageError(f"{path}: the file must be a list with at least one entry, such as `- text: hello`")
    raise UsageError(f"{path}, entry {int(error.absolute_path[0]) + 1}{field_of(error)}: {_reason(error)}")


def _reason(error: ValidationError) -> str:
    if error.validator == "oneOf":
        return "must have either `text` or `refusal`, not both"
    if error.validator == "not":
        return "`status_code` makes the request fail, so `refusal` and `finish_reason` are not allowed with it"
    return reason_of(error)


def _entry(path: Path, number: int, entry: dict[str, Any]) -> ScriptedAnswer:
    where = f"{path}, entry {number}"
    return ScriptedAnswer(
        match=_pattern(f"{where}, field match", entry.get("match")),
        personas=_ids(f"{where}, field persona", entry.get("persona"), (p.id for p in design())),
        questions=_ids(f"{where}, field question", entry.get("question"), (q.id for q in questions())),
        text=storable(entry.get("text", entry.get("refusal", ""))),
        finish_reason=entry.get("finish_reason", "stop"),
        refused="refusal" in entry,
        status_code=entry.get("status_code", 200),
    )


def _pattern(where: str, text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{where}: {text!r} is not a valid regular expression: {error}") from None


def _ids(where: str, given: str | list[str] | None, known: Iterable[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    ids = (given,) if isinstance(given, str) else tuple(given)
    there = tuple(known)
    unknown = [name for name in ids if name not in there]
    if unknown:
        raise UsageError(f"{where}: the catalogue has no {', '.join(map(repr, unknown))}; it has {', '.join(there)}")
    return ids
