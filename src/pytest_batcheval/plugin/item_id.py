"""The parts of a test's id that are its author's: module, name and parameters, whatever other plugins add to them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.plugin._pytest_compat import id_parts, parameter_sets, requested_names

_PLAIN = (str, bytes, int, float, complex, type(None), enum.Enum)
"""Types whose text is the same in every process."""


@dataclass(frozen=True)
class Generated:
    """The origin of a function's tests: its markers, and the parameters that were added to its own."""

    marks: tuple[pytest.Mark, ...]
    added: frozenset[str]


_GENERATED = pytest.StashKey[dict[str, Generated]]()


def generated(item: pytest.Item) -> Generated | None:
    """The origin of a test; `None` for a test that gets no parameters, such as one of `unittest.TestCase`."""
    known = {} if item.parent is None else item.parent.stash.get(_GENERATED, {})
    return known.get(getattr(item, "originalname", ""))


def remember(definition: pytest.Item, made_from: Generated) -> None:
    """Keep the origin of a function's tests."""
    assert definition.parent is not None
    definition.parent.stash.setdefault(_GENERATED, {})[definition.name] = made_from


def module_of(item: pytest.Item, root: Path) -> str:
    """The path of a test's module below `root`, with `/`; as pytest shows it where it lies elsewhere."""
    if item.path.is_relative_to(root):
        return item.path.relative_to(root).as_posix()
    files = [node.nodeid for node in item.listchain() if isinstance(node, pytest.File)]
    return (files or [item.nodeid])[-1].partition("::")[0]


def place_of(item: pytest.Item) -> str:
    """The place of a test's function for messages, with its name there: `tests/test_a.py:12: test_y[calm]`."""
    path, line, name = item.location
    return f"{path}:{(line or 0) + 1}: {name}"


def name_of(item: pytest.Item) -> str:
    """The name of a test with its classes and own parameters: `TestA::test_y[calm]`."""
    nodes = item.listchain()
    files = [place for place, node in enumerate(nodes) if isinstance(node, pytest.File)]
    names = [node.name for node in nodes[files[-1] + 1 if files else -1 :]]
    if _added_by_others(item):
        own = parameters_of(item)
        names[-1] = f"{getattr(item, 'originalname', '')}[{own}]" if own else getattr(item, "originalname", "")
    return "::".join(names)


def parameters_of(item: pytest.Item) -> str:
    """The ids of a test's own parameters, as in its name; empty for a test without any."""
    parameters, others = list(parameters_by_name(item)), _added_by_others(item)
    if not isinstance(item, pytest.Function) or not parameters:
        return ""
    if set(parameters[len(parameters) - len(others) :]) <= others:  # each of them has a part of its own, at the end
        return "-".join(id_parts(item)[: len(id_parts(item)) - len(others)])
    return "-".join(_id_of(item, name) for name in parameters if name not in others)


def _added_by_others(item: pytest.Item) -> set[str]:
    """The parameters that neither the test and its fixtures name nor this plugin has added: a repetition's number."""
    parameters = parameters_by_name(item)
    if not parameters or not isinstance(item, pytest.Function):
        return set()
    made_from = generated(item)
    return {*parameters} - requested_names(item) - (made_from.added if made_from is not None else set())


def parameter_id(item: pytest.Item, name: str) -> str:
    """The id of a parameter's value: its attribute `id`, what the author has named it, or what pytest makes of it."""
    value = parameters_by_name(item)[name]
    own = getattr(value, "id", None)
    return own if isinstance(own, str) else _id_of(item, name)


def _id_of(item: pytest.Item, name: str) -> str:
    value, index = parameters_by_name(item)[name], item.callspec.indices[name]  # type: ignore[attr-defined]
    given, alone = _given_id(item, name, index, value)
    if given is not None and (alone or not isinstance(value, _PLAIN)):
        return given
    if isinstance(value, _PLAIN):
        return str(value)
    named = getattr(value, "__name__", None)
    return named if isinstance(named, str) else f"{name}{index}"


def _given_id(item: pytest.Item, name: str, index: int, value: object) -> tuple[str | None, bool]:
    """The id that a `parametrize` mark gives to a value, and whether it is of this argument alone."""
    for names, values, ids in parametrize_marks(item):
        if name not in names or not isinstance(values, (list, tuple)) or index >= len(values):
            continue
        found = parameter_sets([values[index]])
        given = found[0].id if found else None
        if given is None and callable(ids):
            given = ids(value)
        elif given is None and isinstance(ids, (list, tuple)):
            given = ids[index]
        return (None if given is None or given is pytest.HIDDEN_PARAM else str(given)), len(names) == 1 or callable(ids)
    return None, False


def parametrize_marks(item: pytest.Item) -> Iterator[tuple[list[str], Any, Any]]:
    """Argument names, values and ids of every `parametrize` mark of a test."""
    for mark in item.iter_markers("parametrize"):
        arguments = dict(zip(("argnames", "argvalues"), mark.args, strict=False)) | dict(mark.kwargs)
        yield parametrize_names(mark), arguments.get("argvalues"), arguments.get("ids")


def parametrize_names(mark: pytest.Mark) -> list[str]:
    """The argument names of a `parametrize` mark."""
    names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
    if isinstance(names, str):
        return [name.strip() for name in names.split(",") if name.strip()]
    return [str(name) for name in names] if isinstance(names, Sequence) else []


def parameters_by_name(item: pytest.Item) -> Mapping[str, Any]:
    """The values that a test is parametrised with."""
    parameters: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters
