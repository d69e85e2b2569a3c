"""Measures whose needs a test's table will not meet, known before any answer is paid for.

Of a table its cells, the fields of its axis values and its prompt are known; what its answers lack, the measure says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import pytest

from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.errors import MatrixError
from pytest_batcheval.plugin._pytest_compat import functions_with, will_run
from pytest_batcheval.plugin.axes import Axes
from pytest_batcheval.plugin.cells import PlannedCell, planned_cells
from pytest_batcheval.plugin.foreseen import foreseen, requests_of
from pytest_batcheval.plugin.item_id import parameters_by_name, place_of
from pytest_batcheval.plugin.marker import SAMPLE, MarkerError, asks_for_answers
from pytest_batcheval.plugin.measures_named import TABLE, Use, measures_named
from pytest_batcheval.prompts.prompt_call import prompt_name
from pytest_batcheval.quality.judging._rubric_request import requested_codes
from pytest_batcheval.quality.needs import LEAST_COLUMNS, LEAST_ROWS, NEEDS
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.value_id import value_id

NAMED = 5
"""Personas that a message names."""

_AXES = ("persona", "question")


def unmet_needs(items: Iterable[pytest.Item], axes: Axes) -> Iterator[tuple[pytest.Item, str]]:
    """A message for each module with unmet needs, and the first of its tests that has some; a line for each need."""
    uses: dict[object, list[Use]] = {}
    lines: dict[str, dict[str, None]] = defaultdict(dict)
    first: dict[str, pytest.Item] = {}
    for item in items:
        if not isinstance(item, pytest.Function) or TABLE not in item.fixturenames or not asks_for_answers(item):
            continue
        if item.function not in uses:
            uses[item.function] = measures_named(functions_with(item, TABLE))
        if not uses[item.function] or not will_run(item):
            continue
        try:
            cells = planned_cells(item, axes.of(item))
        except (MarkerError, MatrixError):
            continue  # reported where it is planned
        path, place = str(item.path), place_of(item).partition("[")[0]
        for problem in _Table(cells, SAMPLE in parameters_by_name(item)).problems(uses[item.function]):
            lines[path][f"{place}: {problem}"] = None
            first.setdefault(path, item)
    yield from ((item, "\n".join(lines[path])) for path, item in first.items())


class _Table:
    """The table that a test will get, as far as its cells tell."""

    def __init__(self, cells: Sequence[PlannedCell], by_sample: bool) -> None:
        self._cells, self._by_sample = cells, by_sample
        axes = ({value_id(c.cell[axis]): c.cell[axis] for c in cells if axis in c.cell} for axis in _AXES)
        self._personas, self._questions = axes
        self._whole = bool(cells) and all({*_AXES} <= c.cell.keys() for c in cells)

    def problems(self, uses: Iterable[Use]) -> Iterator[str]:
        """The needs that it does not meet."""
        for use in uses:
            needs = NEEDS[use.name]
            if needs.samples > 1:
                yield from self._samples(use)
            if not use.of_table or use.given & {"**", "rows", "columns"}:
                continue
            if needs.verdicts:
                yield from self._verdicts(use)
            if len(self._cells) < needs.answers and not use.given & needs.instead:
                least = counted(needs.answers, "answer")
                yield f"{use.name}() needs at least {least} and {_would(len(self._cells), 'answer')}"
            if not self._whole:
                continue
            if needs.sizes and "values" not in use.given:
                yield from self._sizes(use)
            if needs.described:
                yield from self._described(use)
            if needs.dimensions and not use.given & needs.instead:
                yield from self._dimensions(use, needs.dimensions)

    def _samples(self, use: Use) -> Iterator[str]:
        needed, counts = NEEDS[use.name].samples, defaultdict[Any, int](int)
        for planned in self._cells:
            counts[frozenset(planned.ids.items())] += 1
        samples = max(counts.values(), default=0)
        if samples < needed:
            drop = f" and drop the argument {SAMPLE!r}, which splits the table" if self._by_sample else ""
            yield (
                f"{use.name}() needs at least {needed} samples of each cell and `{TABLE}` would have {samples}; "
                f"write batch(samples={needed}) or more{drop}"
            )

    def _sizes(self, use: Use) -> Iterator[str]:
        left_out = set() if "without" in use.given else NEEDS[use.name].left_out
        personas, questions = len(self._personas.keys() - left_out), len(self._questions)
        if personas < LEAST_ROWS or questions < LEAST_COLUMNS:
            yield (
                f"{use.name}() needs at least {LEAST_ROWS} personas and {LEAST_COLUMNS} questions and "
                f"{_would(personas, 'persona')} and {counted(questions, 'question')}; give the axes more values, or "
                "narrow the marker less"
            )

    def _described(self, use: Use) -> Iterator[str]:
        lacking = [i for i, persona in self._personas.items() if not _field(persona, "description")]
        if lacking:
            yield f"{use.name}() needs the `description` of each persona, and {_listed(lacking)} none"

    def _verdicts(self, use: Use) -> Iterator[str]:
        requests, complete = self._asked
        if requests and complete and not any(map(requested_codes, requests)):
            prompt = prompt_name(self._cells[0].call.prompt)
            yield (
                f"{use.name}() needs a judge's verdict on each answer, and no turn of the prompt {prompt}() asks for "
                "one; yield rubric_request(…) after the answer"
            )

    def _dimensions(self, use: Use, needed: int) -> Iterator[str]:
        lacking = [i for i, persona in self._personas.items() if not _field(persona, "levels")]
        if lacking:
            yield (
                f"{use.name}() needs the levels of each persona, and {_listed(lacking)} none; give each a `profile` in "
                "the file of the axis, or pass levels=…"
            )
            return
        aimed = {code for question in self._questions.values() for code in _field(question, "targets") or ()}
        if not aimed:
            yield (
                f"{use.name}() needs questions that aim at a dimension, and none of "
                f"{counted(len(self._questions), 'question')} has `targets`; name them in the file of the axis, or "
                "pass targets=…"
            )
            return
        testable = [code for code in self._prompted() if code in aimed]
        if len(testable) < needed:
            yield (
                f"{use.name}() needs {counted(needed, 'dimension')} with personas prompted high and low and a question "
                f"that aims at it, and `{TABLE}` would have {', '.join(testable) or 'none'}"
            )
            return
        yield from self._scores(use, testable)

    def _prompted(self) -> list[str]:
        """The dimensions with personas at both poles."""
        poles: dict[str, set[int]] = defaultdict(set)
        for persona in self._personas.values():
            for code, level in (_field(persona, "levels") or {}).items():
                poles[code].add(level)
        return [code for code, found in poles.items() if {-1, 1} <= found]

    def _scores(self, use: Use, testable: Sequence[str]) -> Iterator[str]:
        """Dimensions that the rubric, or without a judge the word list, gives no score of."""
        requests, complete = self._asked
        rubrics = [codes for codes in map(requested_codes, requests) if codes]
        by_judge = use.scores_of_judge or ("scores" not in use.given and rubrics)
        if by_judge and rubrics:
            known, what = {code for codes in rubrics for code in codes}, "the rubric has"
            advice = "add them to the rubric, or pass dimensions=…"
        elif "scores" not in use.given and complete and len(requests) == 1:
            known, what = set(CODES), "the word list, which scores where no judge does, has"
            advice = "let a judge score them by a rubric (rubric_request), or pass scores=…"
        else:
            return
        if lacking := [code for code in testable if code not in known]:
            codes = ", ".join(sorted(known))
            yield f"{use.name}() needs scores of {', '.join(lacking)}, and {what} {codes} only; {advice}"

    @cached_property
    def _asked(self) -> tuple[list[Any], bool]:
        """All requests of its first cell, as far as they can be foreseen, and whether these are all."""
        call = self._cells[0].call
        ahead = foreseen(call)
        return [*requests_of(call, lambda _: None), *ahead.later], ahead.complete


def _would(number: int, noun: str) -> str:
    return f"`{TABLE}` would have {counted(number, noun)}"


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f"{', '.join(ids[:NAMED])}{more} {'has' if len(ids) == 1 else 'have'}"


def _field(value: object, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except MatrixError:  # a field that the file does not give
        return None
