"""From a collected test to its cells, and to the prompt call of each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest

from pytest_batcheval.plugin.item_id import generated, parameter_id, parameters_by_name
from pytest_batcheval.plugin.marker import (
    MUTANT,
    SAMPLE,
    BatchMark,
    MarkerError,
    asks_for_answers,
    combined,
    marks_of_parameters,
    ordered_marks,
    prompt_parameters,
)
from pytest_batcheval.prompts.prompt_call import PromptCall, prompt_name
from pytest_batcheval.wire.value_id import value_id

Cell = Mapping[str, Any]

_LATE = {"prompt", "endpoint", "backend", "errors"}
"""Keywords of a marker that do not say which tests there are."""

_WHERE = (
    "put it on the function, class or module, or into pytest.param: pytest_collection_modifyitems runs when the "
    "tests have their parameters"
)


@dataclass(frozen=True)
class PlannedCell:
    """One cell of a test with the prompt call that answers it.

    Attributes:
        cell: the values of the axes, and of the prompt's other parameters.
        ids: their ids, for recordings and reports.
    """

    cell: Cell
    call: PromptCall
    ids: Mapping[str, str]


def late_marks(item: pytest.Item, marks: Iterable[pytest.Mark]) -> list[pytest.Mark]:
    """Those of the batch markers of a test that hooks have added since it was made."""
    made_from = generated(item)
    if made_from is None:
        return []
    before = {id(mark) for mark in (*made_from.marks, *marks_of_parameters(getattr(item, "callspec", None)))}
    return [mark for mark in marks if id(mark) not in before]


def in_cell(mark: BatchMark, values: Mapping[str, Any]) -> bool:
    """Whether a marker asks for the cell with these values."""
    if values.get(SAMPLE, 0) >= mark.samples:
        return False
    return all(value_id(values[axis]) in ids for axis, ids in mark.narrowed.items() if axis in values)


def planned_cells(item: pytest.Item, axes: Collection[str]) -> list[PlannedCell]:
    """The cells of a collected test, in the order of the matrix; empty when it asks for no answers.

    Args:
        item: the test.
        axes: the names of the axes that it sees.

    Raises:
        MarkerError: a marker is invalid or came too late, or the test has none of the prompt's arguments.
    """
    if not asks_for_answers(item):
        return []
    marks = ordered_marks(item, "batch")
    mark = combined(marks)
    _check_late(item, marks)
    parameters = dict(parameters_by_name(item))
    if mutant := parameters.pop(MUTANT, None):
        from pytest_batcheval.prompts.mutants import mutated

        mark = replace(mark, prompt=mutated(mark.prompt, mutant))
    folded = parameters.pop("answers", None) or parameters.pop("answer", [{}])
    ids = {name: parameter_id(item, name) for name in parameters}
    return [_planned(item, mark, {**parameters, **cell}, ids, axes) for cell in folded if in_cell(mark, cell)]


def _check_late(item: pytest.Item, marks: Iterable[pytest.Mark]) -> None:
    """Refuse a marker that a hook has added after the test was made, and that asks for other tests.

    Raises:
        MarkerError: names its keywords.
    """
    for mark in late_marks(item, marks):
        if names := sorted(mark.kwargs.keys() - _LATE):
            raise MarkerError(
                f"batch({names[0]}=…) was added when this test was made already, too late to say which tests there "
                f"are; {_WHERE}"
            )


def _planned(
    item: pytest.Item, mark: BatchMark, values: dict[str, Any], ids: Mapping[str, str], axes: Collection[str]
) -> PlannedCell:
    sample = values.pop(SAMPLE, 0)
    arguments = {name: values[name] for name in prompt_parameters(mark, optional=True) if name in values}
    if missing := [name for name in prompt_parameters(mark) if name not in arguments]:
        needs = f"prompt {prompt_name(mark.prompt)}() needs {', '.join(map(repr, missing))}"
        if generated(item) is None:
            raise MarkerError(
                f"{needs}, and this test has no axes: pytest gives a test of unittest.TestCase no parameters. Make it "
                "a function, or a class without a base"
            )
        raise MarkerError(f"{needs}, and the marker was added when this test was made already; {_WHERE}")
    for name, value in arguments.items():
        if (lazy := lazy_part(item.config, value)) is not None:
            raise MarkerError(
                f"prompt {prompt_name(mark.prompt)}() needs {name!r}, whose value a plugin makes when the test is set "
                f"up ({type(lazy).__module__}.{type(lazy).__name__}); requests are built before any fixture runs"
            )
    cell = {name: value for name, value in values.items() if name in axes or name in arguments}
    named = {name: ids[name] if name in ids else value_id(value) for name, value in cell.items()}
    return PlannedCell(
        cell, PromptCall(mark.prompt, arguments, sample, mark.endpoint, named, mark.backend or ""), named
    )


_LAZY = re.compile("lazy|fixture_?ref", re.IGNORECASE)


def lazy_part(config: pytest.Config, value: object) -> object | None:
    """The part of a parameter's value that a plugin replaces when the test is set up, such as `lf("name")`."""
    for part in _parts(value):
        if any(_LAZY.search(kind.__name__) for kind in type(part).__mro__):
            plugins = {plugin.__name__.partition(".")[0] for plugin in config.pluginmanager.get_plugins()
                       if isinstance(plugin, ModuleType)}  # fmt: skip
            if {kind.__module__.partition(".")[0] for kind in type(part).__mro__} & plugins:
                return part
    return None


def _parts(value: object, depth: int = 5) -> Iterator[object]:
    """A value, and what is in its lists, tuples, sets and dicts."""
    yield value
    inside: Iterable[object] = ()
    if depth and isinstance(value, Mapping):
        inside = (*value.keys(), *value.values())
    elif depth and isinstance(value, (list, tuple, set, frozenset)):
        inside = value
    for part in inside:
        yield from _parts(part, depth - 1)
