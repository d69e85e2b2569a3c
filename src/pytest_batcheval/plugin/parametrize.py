"""From axes to test items: the tests of each function."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.plugin._pytest_compat import (
    callspecs,
    fixture_definitions,
    is_direct_definition,
    is_fixture,
    is_indirect,
    keep_callspecs,
    parameter_sets,
    parametrized_names,
)
from pytest_batcheval.plugin.cells import in_cell
from pytest_batcheval.plugin.item_id import Generated, parametrize_marks, remember
from pytest_batcheval.plugin.marker import (
    MUTANT,
    RESERVED,
    SAMPLE,
    TAKES,
    BatchMark,
    MarkerError,
    combined,
    has_arguments,
    marks_of_parameters,
    ordered_marks,
    prompt_parameters,
)
from pytest_batcheval.prompts.prompt_call import prompt_name
from pytest_batcheval.wire.value_id import value_id

if TYPE_CHECKING:
    from pytest_batcheval.prompts.mutants import Mutant


class Parametrization:
    """The axes of one test function: announced before the author's own parametrize, filled in after.

    Raises:
        MarkerError: a marker, a prompt or the test's arguments are invalid.
    """

    def __init__(self, metafunc: pytest.Metafunc, axes: Mapping[str, Sequence[Any]]) -> None:
        self._metafunc = metafunc
        self._axes = axes
        self._asked = set(metafunc.fixturenames)
        self._own = ordered_marks(metafunc.definition, "batch")
        self._wanted = [name for name in metafunc.fixturenames if name in axes and not self._has_fixture(name)]
        if self._asked & set(TAKES):
            alone = not any(has_arguments(marks) for marks in self._of_parameters())
            if has_arguments(self._own) and alone:
                self._check(combined(self._own))
            self._want(self._announced())
        self._remember()

    def fill(self) -> None:
        """Parametrise the axes that the author left free; fold those that `answers` gathers."""
        marks = self._marks()
        taken = parametrized_names(self._metafunc)
        for mark in marks:
            self._check(mark)
            self._check_prompt(mark, taken)
        self._check_alike(marks, taken)
        pools = self._pools_samples(marks)
        self._want(marks)
        mutants = self._mutants(marks)
        self._remember()
        free = [name for name in self._wanted if (name in self._axes or name == SAMPLE) and name not in taken]
        folds = "answers" in self._asked and bool(marks)
        folded = [name for name in free if (folds or (pools and name == SAMPLE)) and name not in self._asked]
        values = {name: self._values(name, marks) for name in free}
        for name in free:
            if name not in folded:
                self._metafunc.parametrize(name, values[name], ids=[_test_id(name, value) for value in values[name]])
        if len(marks) > 1:
            self._drop(set(free) - set(folded))
        if free:
            self._check_ids()
        if folds or pools:
            cells = [
                dict(zip(folded, cell, strict=True)) for cell in itertools.product(*(values[name] for name in folded))
            ]
            taker = "answers" if folds else "answer"
            self._metafunc.parametrize(taker, [cells], indirect=True, ids=[pytest.HIDDEN_PARAM])
        if mutants:
            ids = [pytest.HIDDEN_PARAM, *(mutant.id for mutant in mutants)]
            self._metafunc.parametrize(MUTANT, [None, *mutants], ids=ids)

    def _mutants(self, marks: Sequence[BatchMark]) -> list[Mutant]:
        """The mutants that are wanted of these markers' prompts; their parameter is one of the test from now on."""
        if not marks or not self._metafunc.config.getoption("batch_mutants"):
            return []
        from pytest_batcheval.plugin.mutation import chosen_mutants

        asked = {name for mark in marks for name in prompt_parameters(mark, optional=True)}
        found = chosen_mutants(
            self._metafunc.config, {name: values for name, values in self._axes.items() if name in asked}
        )
        self._wanted.append(MUTANT)
        self._metafunc.fixturenames.append(MUTANT)
        return found

    def _of_parameters(self) -> list[list[pytest.Mark]]:
        """The batch markers of each `pytest.param` in the function's own `parametrize` marks."""
        values = (values for _, values, _ in parametrize_marks(self._metafunc.definition))
        return [marks_of_parameters(parameter) for found in values for parameter in parameter_sets(found)]

    def _announced(self) -> Iterator[BatchMark]:
        """The markers that are known before anything is parametrised; `fill` reports the invalid ones."""
        for marks in ([], *self._of_parameters()):
            with suppress(MarkerError):
                if has_arguments([*marks, *self._own]):
                    yield combined([*marks, *self._own])

    def _marks(self) -> list[BatchMark]:
        """The distinct markers of the tests that take answers: one, unless parameters have markers of their own."""
        if not self._asked & set(TAKES):
            return []
        found = [self._mark_of(call) for call in callspecs(self._metafunc)] or [self._mark_of(None)]
        given = [mark for mark in found if mark is not None]
        if given and len(given) < len(found):
            raise MarkerError("some of this test's parameters have batch(prompt=…) and others have none")
        return [mark for place, mark in enumerate(given) if mark not in given[:place]]

    def _mark_of(self, call: Any) -> BatchMark | None:
        marks = [*marks_of_parameters(call), *self._own]
        return combined(marks) if has_arguments(marks) else None

    def _want(self, marks: Iterable[BatchMark]) -> None:
        """Add the arguments of these markers' prompts to those of the test."""
        for mark in marks:
            names = list(prompt_parameters(mark))
            if mark.samples > 1 or SAMPLE in self._asked:
                names.append(SAMPLE)
            self._wanted += [name for name in names if name not in self._wanted]
        self._metafunc.fixturenames.extend(name for name in self._wanted if name not in self._metafunc.fixturenames)

    def _remember(self) -> None:
        added = frozenset(self._wanted) - self._asked
        remember(self._metafunc.definition, Generated(tuple(self._own), added))

    def _values(self, name: str, marks: Sequence[BatchMark]) -> list[Any]:
        if name == SAMPLE:
            return list(range(max((mark.samples for mark in marks), default=1)))
        kept = [mark.narrowed.get(name) for mark in marks] or [None]
        return [value for value in self._axes[name] if any(ids is None or value_id(value) in ids for ids in kept)]

    def _drop(self, free: Collection[str]) -> None:
        """Drop the tests of the axes that a parameter's own marker leaves out."""

        def meant(call: Any) -> bool:
            mark = self._mark_of(call)
            return mark is None or in_cell(mark, {name: call.params[name] for name in free})

        keep_callspecs(self._metafunc, meant)

    def _check_ids(self) -> None:
        """Refuse ids of several axes that make one id of two tests, such as `a-b` and `c`, `a` and `b-c`."""
        owners: dict[str, Any] = {}
        for call in callspecs(self._metafunc):
            other = owners.setdefault(call.id, call)
            if other is not call:
                both = (", ".join(f"{n}={_test_id(n, v)}" for n, v in one.params.items()) for one in (other, call))
                raise MarkerError(
                    f"two tests would have the id [{call.id}]: {' and '.join(both)}; change one of these ids"
                )

    def _check(self, mark: BatchMark) -> None:
        self._check_takes()
        self._check_narrowed(mark)

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

    def _check_narrowed(self, mark: BatchMark) -> None:
        for axis, ids in mark.narrowed.items():
            if axis not in self._axes:
                allowed = ", ".join([*sorted(self._axes), *RESERVED])
                raise MarkerError(f"batch({axis}=…): {axis!r} is neither an axis nor a keyword; allowed are {allowed}")
            known = [value_id(value) for value in self._axes[axis]]
            unknown = [i for i in ids if i not in known]
            if unknown or not ids:
                what = f"has no {', '.join(map(repr, unknown))}" if unknown else "would have no value left"
                raise MarkerError(f"batch({axis}=…): the axis {axis!r} {what}; its ids are {_listed(known)}")

    def _pools_samples(self, marks: Sequence[BatchMark]) -> bool:
        """Whether one test judges all samples of its cell."""
        if not any(mark.rule for mark in marks):
            return False
        name = next(f"{mark.rule.keyword}=…" for mark in marks if mark.rule)
        if not all(mark.rule for mark in marks):
            raise MarkerError(f"some of this test's parameters have {name} and others have no such rule")
        for taken in ("answers", SAMPLE):
            if taken in self._asked:
                raise MarkerError(
                    f"{name} judges the samples of a test that takes `answer`; drop the argument {taken!r}"
                )
        for fixture, definitions in fixture_definitions(self._metafunc).items():
            if fixture != "answer" and definitions and "answer" in definitions[-1].argnames:
                raise MarkerError(
                    f"the test is called with one answer after the other by {name}, and the fixture {fixture!r} "
                    "would keep the first; take `answer` in the test alone"
                )
        return True

    def _check_prompt(self, mark: BatchMark, taken: set[str]) -> None:
        name = prompt_name(mark.prompt)
        can = ", ".join(sorted(taken | set(self._axes))) or "none here; give axes by the ini key batch_axes"
        both = sorted(taken & set(mark.narrowed))
        if both:
            raise MarkerError(f"batch({both[0]}=…) narrows an axis this test parametrises itself; drop one of them")
        for parameter in prompt_parameters(mark):
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

    def _check_alike(self, marks: Sequence[BatchMark], taken: set[str]) -> None:
        """Refuse prompts of one function that need different axes: each would be asked for the others' axes too."""
        free = [set(prompt_parameters(mark)) - taken - self._asked for mark in marks]
        for mark, names in zip(marks, free, strict=True):
            if other := sorted(set().union(*free) - names):
                raise MarkerError(
                    f"prompt {prompt_name(mark.prompt)}() of one of this test's parameters does not need "
                    f"{other[0]!r}, which another prompt of it needs; write two tests"
                )

    def _has_fixture(self, name: str) -> bool:
        definitions = fixture_definitions(self._metafunc).get(name)
        return definitions is not None and len(definitions) > 0 and not is_direct_definition(definitions[-1])


def _test_id(name: str, value: object) -> str:
    return f"s{value}" if name == SAMPLE else value_id(value)


def _listed(ids: Sequence[str], limit: int = 30) -> str:
    more = f" … ({len(ids)} in all)" if len(ids) > limit else ""
    return ", ".join(ids[:limit]) + more
