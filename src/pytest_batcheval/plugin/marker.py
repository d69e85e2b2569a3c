"""The `batch` marker: the tests that have one, and its checked arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_batcheval.plugin._pytest_compat import fixture_definitions

RESERVED = ("prompt", "samples", "endpoint", "errors", "axes")
ERRORS = ("raise", "keep")


class MarkerError(Exception):
    """An invalid batch marker; the message says what is allowed."""


@dataclass(frozen=True)
class BatchMark:
    """The combined batch markers of a test; the closest marker wins keyword by keyword.

    Attributes:
        narrowed: ids to keep, by axis.
        errors: `raise`: a failed request is a set-up error; `keep`: the test gets the failed answer.
    """

    prompt: Callable[..., Any]
    samples: int = 1
    endpoint: str | None = None
    errors: str = "raise"
    narrowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_mark(node: pytest.Item) -> BatchMark:
    """The batch marker of a test.

    Raises:
        MarkerError: positional arguments, no prompt, or a keyword of the wrong type.
    """
    given: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("batch"))):
        if mark.args:
            raise MarkerError(f"batch takes keywords only, not {mark.args[0]!r}; write batch(prompt=…)")
        given.update(mark.kwargs)
    if "prompt" not in given:
        keywords = ", ".join(f"{name}=…" for name in sorted(given))
        raise MarkerError(f"batch({keywords}) has no prompt=, the function that builds the request")
    _check(given)
    return BatchMark(
        prompt=given["prompt"],
        samples=given.get("samples", 1),
        endpoint=given.get("endpoint"),
        errors=given.get("errors", "raise"),
        narrowed=_narrowed(given),
    )


def _check(given: Mapping[str, Any]) -> None:
    if not callable(given["prompt"]):
        raise MarkerError(f"batch(prompt={given['prompt']!r}): must be a function that returns a request body")
    samples = given.get("samples", 1)
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise MarkerError(f"batch(samples={samples!r}): must be an integer, at least 1")
    if given.get("errors", "raise") not in ERRORS:
        raise MarkerError(f"batch(errors={given['errors']!r}): allowed are {', '.join(map(repr, ERRORS))}")
    endpoint = given.get("endpoint")
    if endpoint is not None and not (isinstance(endpoint, str) and endpoint.startswith("/v1/")):
        raise MarkerError(f"batch(endpoint={endpoint!r}): must be a path of the API such as '/v1/chat/completions'")
    if not isinstance(given.get("axes", {}), Mapping):
        raise MarkerError(f"batch(axes={given['axes']!r}): must be a dict from axis name to an id or a list of ids")


def _narrowed(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    named = {name: value for name, value in given.items() if name not in RESERVED}
    chosen: dict[str, Any] = {**given.get("axes", {}), **named}
    return {axis: _ids(axis, value) for axis, value in chosen.items()}


def _ids(axis: str, value: object) -> tuple[str, ...]:
    ids = (value,) if isinstance(value, str) else value
    if not isinstance(ids, (list, tuple, set, frozenset)) or not all(isinstance(i, str) for i in ids):
        raise MarkerError(f"batch({axis}={value!r}): must be an id of the axis {axis!r} or a list of ids")
    return tuple(ids)


TAKES = ("answer", "answers")
"""The fixtures that return answers."""


def has_batch_mark(node: pytest.Item) -> bool:
    """Whether a batch marker with any argument applies."""
    mark = node.get_closest_marker("batch")
    return mark is not None and any(m.kwargs or m.args for m in node.iter_markers("batch"))


def asks_for_answers(item: pytest.Item) -> bool:
    """Whether a test takes answers that a batch marker of its own describes."""
    return isinstance(item, pytest.Function) and bool(set(TAKES) & set(item.fixturenames)) and has_batch_mark(item)


def is_ours(item: pytest.Item) -> bool:
    """Whether a test takes answers, or the conversation of a pipeline."""
    return asks_for_answers(item) or "batch_conversation" in getattr(item, "fixturenames", ())


def left_out(collected: Sequence[pytest.Item], kept: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The collected tests that an option or a conftest.py leaves out, also those that no hook reports."""
    these = set(kept)
    return [item for item in collected if item not in these]


def may_need_axes(metafunc: pytest.Metafunc) -> bool:
    """Whether a test function has a batch marker, or an argument that nothing provides: perhaps an axis."""
    if has_batch_mark(metafunc.definition):
        return True
    left = {name for name in metafunc.fixturenames if name not in fixture_definitions(metafunc) and name != "request"}
    return bool(left) and not left <= _parametrized(metafunc.definition)


def _parametrized(node: pytest.Item) -> set[str]:
    """The arguments that `parametrize` marks of a test provide, so that they are not axes."""
    found: set[str] = set()
    for mark in node.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",")]
        found.update(names if isinstance(names, (list, tuple)) else ())
    return found
