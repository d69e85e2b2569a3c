"""From test items to cells to prompt calls: the tests of each function, and the requests of each test."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.plugin._pytest_compat import (
    fixture_definitions,
    is_direct_definition,
    is_fixture,
    is_indirect,
    parametrized_names,
)
from pytest_batcheval.plugin.marker import TAKES, BatchMark, MarkerError, asks_for_answers, has_batch_mark, read_mark
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.prompts.prompt_call import PromptCall, prompt_name
from pytest_batcheval.wire.answers import value_id

SAMPLE = "sample"
Cell = Mapping[str, Any]


@dataclass(frozen=True)
class PlannedCell:
    """One cell of a test with the prompt call that answers it."""

    cell: Cell
    call: PromptCall

    @property
    def ids(self) -> dict[str, str]:
        """The cell as ids by axis name, for recordings and reports."""
        return {name: value_id(value) for name, value in self.cell.items()}


class Axes:
    """The axes that a folder's tests see: from files, replaced or joined by the nearest hooks."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._from_files: dict[str, Sequence[Any]] | None = None
        self._by_folder: dict[Path, dict[str, Sequence[Any]]] = {}

    def of(self, node: pytest.Item) -> dict[str, Sequence[Any]]:
        """Axis values by name for a test.

        Raises:
            MatrixError: a file or axis is wrong.
        """
        folder = node.path.parent
        if folder not in self._by_folder:
            self._by_folder[folder] = self._collect(node)
        return self._by_folder[folder]

    def _collect(self, node: pytest.Item) -> dict[str, Sequence[Any]]:
        axes = dict(self._files())
        for given in reversed(node.ihook.pytest_batch_axes(config=self._config)):
            axes.update(given)
        if not axes:
            return {}
        from pytest_batcheval.matrix.check import as_axis_values, check_axes

        axes = {name: as_axis_values(name, values) for name, values in axes.items()}
        check_axes(axes)
        return axes

    def _files(self) -> dict[str, Sequence[Any]]:
        if self._from_files is None:
            self._from_files = {}
            if self._settings.axes:
                from pytest_batcheval.matrix.load import load_axis, parse_axes_option

                ini = self._config.inipath
                paths = parse_axes_option(self._settings.axes, self._settings.root if ini is None else ini.parent)
                self._from_files = {name: load_axis(name, path) for name, path in paths.items()}
        return self._from_files


class Parametrization:
    """The axes of one test function: announced before the author's own parametrize, filled in after.

    Raises:
        MarkerError: the marker, the prompt or the test's arguments are invalid.
    """

    def __init__(self, metafunc: pytest.Metafunc, axes: Mapping[str, Sequence[Any]]) -> None:
        self._metafunc = metafunc
        self._axes = axes
        self._asked = set(metafunc.fixturenames)
        self._mark: BatchMark | None = None
        wanted = [name for name in metafunc.fixturenames if name in axes and not self._has_fixture(name)]
        if has_batch_mark(metafunc.definition) and self._asked & set(TAKES):
            self._mark = read_mark(metafunc.definition)
            self._check_takes()
            self._check_narrowed()
            self._check_samples()
            wanted += [name for name in _parameters(self._mark) if name not in wanted]
            if self._mark.samples > 1 or SAMPLE in self._asked:
                wanted.append(SAMPLE)
        self._wanted = wanted
        metafunc.fixturenames.extend(name for name in wanted if name not in self._asked)

    def fill(self) -> None:
        """Parametrise the axes that the author left free; fold those that `answers` gathers."""
        taken = parametrized_names(self._metafunc)
        if self._mark is not None:
            self._check_prompt(self._mark, taken)
        free = [name for name in self._wanted if (name in self._axes or name == SAMPLE) and name not in taken]
        folds = "answers" in self._asked and self._mark is not None
        folded = [name for name in free if folds and name not in self._asked]
        for name in free:
            if name not in folded:
                values = self._values(name)
                self._metafunc.parametrize(name, values, ids=[_test_id(name, value) for value in values])
        if folds:
            cells = [dict(zip(folded, cell, strict=True)) for cell in itertools.product(*map(self._values, folded))]
            self._metafunc.parametrize("answers", [cells], indirect=True, ids=[pytest.HIDDEN_PARAM])

    def _values(self, name: str) -> list[Any]:
        if name == SAMPLE:
            return list(range(self._mark.samples if self._mark else 1))
        keep = self._mark.narrowed.get(name) if self._mark else None
        return [value for value in self._axes[name] if keep is None or value_id(value) in keep]

    def _check_takes(self) -> None:
        for name in TAKES:
            if name in self._asked and not self._ours(name):
                raise MarkerError(
                    f"this test takes {name!r} from a fixture or parameter of its own and has batch(prompt=…), "
                    f"which gives {name!r} too; rename yours or drop prompt="
                )

    def _ours(self, name: str) -> bool:
        definitions = fixture_definitions(self._metafunc).get(name) or ()
        module = definitions[-1].func.__module__ if definitions else ""
        return module.startswith("pytest_batcheval.")

    def _check_narrowed(self) -> None:
        assert self._mark is not None
        for axis, ids in self._mark.narrowed.items():
            if axis not in self._axes:
                allowed = ", ".join([*sorted(self._axes), "prompt", "samples", "endpoint", "errors", "axes"])
                raise MarkerError(f"batch({axis}=…): {axis!r} is neither an axis nor a keyword; allowed are {allowed}")
            known = [value_id(value) for value in self._axes[axis]]
            unknown = [i for i in ids if i not in known]
            if unknown or not ids:
                what = f"has no {', '.join(map(repr, unknown))}" if unknown else "would have no value left"
                raise MarkerError(f"batch({axis}=…): the axis {axis!r} {what}; its ids are {_listed(known)}")

    def _check_samples(self) -> None:
        """Refuse a measure that needs more samples than the test's table holds: it could only fail, after paying."""
        assert self._mark is not None
        if "answers" not in self._asked:
            return
        from pytest_batcheval.plugin.samples_check import least_samples

        latest = [found[-1] for found in fixture_definitions(self._metafunc).values()]
        fixtures = [definition.func for definition in latest if "answers" in definition.argnames]
        needed, measure = least_samples([self._metafunc.function, *fixtures])
        samples = 1 if SAMPLE in self._asked else self._mark.samples
        if samples < needed:
            drop = f" and drop the argument {SAMPLE!r}, which splits the table" if SAMPLE in self._asked else ""
            raise MarkerError(
                f"{measure}() needs at least {needed} samples of each cell and `answers` would have {samples}; "
                f"write batch(samples={needed}) or more{drop}"
            )

    def _check_prompt(self, mark: BatchMark, taken: set[str]) -> None:
        name = prompt_name(mark.prompt)
        can = ", ".join(sorted(taken | set(self._axes))) or "none here; give axes by the ini key batch_axes"
        both = sorted(taken & set(mark.narrowed))
        if both:
            raise MarkerError(f"batch({both[0]}=…) narrows an axis this test parametrises itself; drop one of them")
        for parameter in _parameters(mark):
            if is_indirect(self._metafunc, parameter):
                raise MarkerError(
                    f"prompt {name}() needs {parameter!r}, which is parametrised indirectly: the prompt would get the "
                    f"raw parameter and the test the fixture's value. A prompt can have: {can}"
                )
            if parameter not in taken and parameter not in self._axes:
                kind = (
                    "a fixture"
                    if is_fixture(self._metafunc, parameter)
                    else "neither an axis nor a parametrised argument"
                )
                raise MarkerError(
                    f"prompt {name}() needs {parameter!r}, which is {kind}. Requests are built before any fixture "
                    f"runs, so a prompt can only have axes and parametrised arguments: {can}"
                )

    def _has_fixture(self, name: str) -> bool:
        definitions = fixture_definitions(self._metafunc).get(name)
        return definitions is not None and len(definitions) > 0 and not is_direct_definition(definitions[-1])


def planned_cells(item: pytest.Item) -> list[PlannedCell]:
    """The cells of a collected test, in the order of the matrix; empty when it asks for no answers.

    Raises:
        MarkerError: the marker is invalid, or the test has none of the prompt's arguments.
    """
    if not asks_for_answers(item):
        return []
    mark = read_mark(item)
    spec = getattr(item, "callspec", None)
    parameters = dict(spec.params) if spec else {}
    folded = parameters.pop("answers", [{}])
    return [_planned(mark, {**parameters, **cell}) for cell in folded]


def marked_errors(item: pytest.Item) -> str:
    """The marker's `errors=`: `raise` or `keep`."""
    return read_mark(item).errors


def _planned(mark: BatchMark, values: dict[str, Any]) -> PlannedCell:
    sample = values.pop(SAMPLE, 0)
    arguments = {name: values[name] for name in _parameters(mark, optional=True) if name in values}
    if missing := [name for name in _parameters(mark) if name not in arguments]:
        raise MarkerError(
            f"prompt {prompt_name(mark.prompt)}() needs {', '.join(map(repr, missing))}, and this test has no axes: "
            "pytest gives a test of unittest.TestCase no parameters. Make it a function, or a class without a base"
        )
    return PlannedCell(values, PromptCall(mark.prompt, arguments, sample, mark.endpoint))


def _parameters(mark: BatchMark, optional: bool = False) -> Iterator[str]:
    """Names of the prompt's parameters; those with a default only if `optional`."""
    for name, parameter in inspect.signature(mark.prompt).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise MarkerError(f"prompt {prompt_name(mark.prompt)}() has {parameter}; name each parameter after an axis")
        if name == SAMPLE:
            raise MarkerError(f"prompt {prompt_name(mark.prompt)}() has a parameter `sample`; samples share one body")
        if optional or parameter.default is parameter.empty:
            yield name


def _test_id(name: str, value: object) -> str:
    return f"s{value}" if name == SAMPLE else value_id(value)


def _listed(ids: Sequence[str], limit: int = 30) -> str:
    more = f" … ({len(ids)} in all)" if len(ids) > limit else ""
    return ", ".join(ids[:limit]) + more
