"""An evaluation of another tool: the shape that every reader here gives, and the rules that all of them share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.matrix.check import id_problem, same_id
from pytest_batcheval.text.bounds import shown

PLACE = re.compile(r"{{\s*([\w.-]+)\s*}}")
"""Where a text takes a value of its case; the module that is written has the same."""

_LOGIC = re.compile(r"{%|{#|{{(?!\s*[\w.-]+\s*}})")


@dataclass
class Evaluation:
    """The evaluation that was read.

    Attributes:
        templates: entries `id` and `messages` (`role`, `content` with `{{name}}` where a value goes).
        models: entries `id`, `name` (as the API has it) and `body` (parameters of the request).
        cases: entries `id`, `vars` (value by name), `checks` (`check`, `value`, `negated`) and `todo`, the checks that
            have no equal here as the tool wrote them.
        todo: what has no equal here, and how often it was found.
    """

    templates: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    todo: Counter[str] = field(default_factory=Counter)

    def check(self, path: Path) -> None:
        """Check that it can be run, ids and values of every template and case.

        Raises:
            UsageError: names the file, the place and what to do.
        """
        if not self.models:
            raise UsageError(f"{path}: names no model that can be asked here; name one: --model MODEL")
        for kind, entries in (("prompt", self.templates), ("case", self.cases), ("model", self.models)):
            if not entries:
                raise UsageError(f"{path}: has no {kind} to import")
            _check_ids(path, kind, entries)
        for template in self.templates:
            for name in _names(template["messages"]):
                for case in self.cases:
                    if not has_value(case["vars"], name):
                        raise UsageError(
                            f"{path}: prompt {shown(template['id'])} takes {{{{{name}}}}}, which case "
                            f"{shown(case['id'])} does not give; add it to the case"
                        )


def _names(messages: Sequence[Mapping[str, str]]) -> list[str]:
    return [name for message in messages for name in PLACE.findall(message["content"])]


def _check_ids(path: Path, kind: str, entries: Sequence[Mapping[str, Any]]) -> None:
    owners: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        if problem := id_problem(entry["id"]):
            raise UsageError(f"{path}: {kind} {number}: {problem}")
        first = owners.setdefault(same_id(entry["id"]), number)
        if first != number:
            raise UsageError(
                f"{path}: {kind} {number} has the id {shown(entry['id'])} of {kind} {first}; give each an id of its own"
            )


def has_value(values: Any, name: str) -> bool:
    """Whether `values` has a value at `name`, whose dots go into nested objects."""
    for part in name.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def is_plain(text: str) -> bool:
    """Whether nothing but values are put into a text: no filters, conditions or loops of a template language."""
    return not _LOGIC.search(text)


def message(place: str, role: object, content: object) -> dict[str, str]:
    """One message of a template; `place` names it in errors.

    Raises:
        UsageError: it is not text, or more than values are put into it.
    """
    if not isinstance(role, str) or not isinstance(content, str):
        raise UsageError(f"{place}: a message needs a `role` and a `content` of text; found {shown((role, content))}")
    if not is_plain(content):
        raise UsageError(
            f"{place}: only values such as {{{{name}}}} can be put into a text, no filters, conditions or loops; "
            "write them out before you import it"
        )
    return {"role": role, "content": content}


def named_model(name: str) -> dict[str, Any]:
    """The entry of a model that is named on the command line."""
    return {"id": name, "name": name, "body": {}}


def objects(place: str, data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list, each with its place.

    Raises:
        UsageError: it is no list, or one of them is no object.
    """
    if not isinstance(data, list):
        raise UsageError(f"{place} must be a list; found {shown(data)}")
    for number, entry in enumerate(data):
        if not isinstance(entry, dict):
            raise UsageError(f"{place}[{number}] must be an object; found {shown(entry)}")
        yield f"{place}[{number}]", entry
