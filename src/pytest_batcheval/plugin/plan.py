"""The plan of the selected tests, built once after collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.errors import PromptError
from pytest_batcheval.plugin._pytest_compat import failing_despite_xfail, will_run
from pytest_batcheval.plugin.axes import Axes
from pytest_batcheval.plugin.cells import PlannedCell, cells_of
from pytest_batcheval.plugin.foreseen import foreseen
from pytest_batcheval.plugin.item_id import module_of, parameters_by_name, place_of
from pytest_batcheval.plugin.marker import CombinedMarks, MarkerError, asks_for_answers, ordered_marks
from pytest_batcheval.plugin.simulated import respondents_asked
from pytest_batcheval.prompts.prompt_call import PromptCall, Turns
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from pytest_batcheval.quality.passing.rule import Rule


@dataclass(frozen=True)
class ItemPlan:
    """The cells of one test with their first requests, or the error that keeps them from being built.

    Attributes:
        nodeid: the test's id.
        module: the test module's path below the root of the suite, with `/`.
        requests: the first requests of each cell; later turns follow from the answers.
        errors: the marker's `errors=`.
        rule: the verdict on the samples, which are its cells; `None` for any other test.
        marks: the number of batch markers that it was planned with.
        place: of a test with an error, its file, line and name.
    """

    nodeid: str
    module: str
    cells: tuple[PlannedCell, ...] = ()
    requests: tuple[Request, ...] = ()
    errors: str = "raise"
    rule: Rule | None = None
    marks: int = 0
    error: Exception | None = None
    place: str = ""

    @cached_property
    def later(self) -> tuple[Request, ...]:
        """The requests of later waves, foreseen without any answer."""
        return tuple(request for planned in self.cells for request in foreseen(planned.call).later)


@dataclass
class Plan:
    """The plan of a session: every selected test that asks for answers, and the number of other tests."""

    items: list[ItemPlan] = field(default_factory=list)
    others: int = 0

    @property
    def calls(self) -> list[tuple[str, PromptCall]]:
        """The prompt calls of all tests with the test's id, in order, with duplicates."""
        return [(item.nodeid, planned.call) for item in self.items if item.error is None for planned in item.cells]

    @property
    def requests(self) -> dict[str, Request]:
        """The distinct first requests by key."""
        return {request.custom_id: request for item in self.items for request in item.requests}

    @property
    def foreseen(self) -> list[Request]:
        """The requests of all waves, as far as they can be foreseen, with duplicates."""
        return [request for item in self.items for request in (*item.requests, *item.later)]

    def simulated(self, origin_of: Callable[[Request], str], connected: bool = True) -> dict[str, list[str]]:
        """The tests that are skipped at a provider, by id, with the simulator's respondents that they ask."""
        asked = ((item.nodeid, respondents_asked(item, origin_of, connected)) for item in self.items)
        return {nodeid: names for nodeid, names in asked if names}


_PLAN = pytest.StashKey[ItemPlan]()


def item_plan(item: pytest.Item) -> ItemPlan | None:
    """The plan of a test; `None` when it was not selected or asks for no answers."""
    return item.stash.get(_PLAN, None)


def make_plan(items: Iterable[pytest.Item], root: Path, axes: Axes, twice: bool = True) -> Plan:
    """Build the requests of all selected tests that will run; a broken prompt fails its own tests only.

    Args:
        items: the tests.
        root: the root of the suite.
        axes: the axes that tests see.
        twice: whether each prompt is called twice, to see that it is pure.
    """
    plan, combined = Plan(), CombinedMarks()
    for item in items:
        if not asks_for_answers(item) or not will_run(item):
            plan.others += 1
            continue
        item.stash[_PLAN] = planned = _plan_item(item, root, axes, twice, combined)
        plan.items.append(planned)
    return plan


def plan_again(plan: Plan, changed: Mapping[pytest.Item, ItemPlan]) -> None:
    """Change the plans of tests that are planned; the requests follow from the cells."""
    again: dict[int, ItemPlan] = {}
    for item, now in changed.items():
        before = item.stash[_PLAN]
        turns = [planned.call.drive(lambda _: None) for planned in now.cells]
        item.stash[_PLAN] = again[id(before)] = replace(now, requests=_first_wave(turns))
    plan.items = [again.get(id(planned), planned) for planned in plan.items]


def _plan_item(item: pytest.Item, root: Path, axes: Axes, twice: bool, combined: CombinedMarks) -> ItemPlan:
    module = module_of(item, root)
    cells: list[PlannedCell] = []
    try:
        marks = ordered_marks(item, "batch")
        mark = combined.of(marks)
        cells += cells_of(item, marks, mark, axes.of(item))
        calls = (planned.call for planned in cells)
        first = [call.drive_twice(_unknown) if twice else call.drive(_unknown) for call in calls]
        requests = _first_wave(first)
        return ItemPlan(item.nodeid, module, tuple(cells), requests, mark.errors, mark.rule, len(marks))
    except (PromptError, MarkerError) as error:
        return ItemPlan(item.nodeid, module, tuple(cells), error=error, place=place_of(item))


def _unknown(request: Request) -> None:
    """No answer is known."""


def _first_wave(driven: Iterable[Turns]) -> tuple[Request, ...]:
    return tuple(request for turns in driven for request in turns.pending.values())


def check_arguments(item: pytest.Item) -> None:
    """Fail a test that is set up with other arguments than those its requests were built from.

    Raises:
        pytest.fail.Exception: names the argument, and both values' types.
    """
    plan = item_plan(item)
    if plan is None:
        return
    seen = {**parameters_by_name(item), **getattr(item, "funcargs", {})}
    for call in (planned.call for planned in plan.cells):
        other = {name: seen[name] for name, value in call.arguments.items() if seen.get(name, value) is not value}
        if other and not _same_request(call, replace(call, arguments={**call.arguments, **other})):
            name = min(other)
            kinds = " and ".join(sorted({_type_name(call.arguments[name]), _type_name(other[name])}))
            with failing_despite_xfail(item):
                pytest.fail(
                    f"the request of this test was built from another {name!r} than the test gets ({kinds}): a plugin "
                    f"or a fixture replaces it when the test is set up. Requests are built before that, so "
                    f"parametrise with the value itself",
                    pytrace=False,
                )


def _same_request(call: PromptCall, other: PromptCall) -> bool:
    try:
        bodies = [each.drive(lambda _: None).pending for each in (call, other)]
    except PromptError:
        return False
    return [one.custom_id for one in bodies[0].values()] == [one.custom_id for one in bodies[1].values()]


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")


def others_line(plan: Plan, config: pytest.Config) -> str:
    """A remark that tests without answers wait too; without -m in use, also the option that deselects them."""
    text = f"{counted(plan.others, 'other test')} must wait for the batches"
    return text if config.getoption("markexpr", "") else f"{text}; -m batch deselects tests without the marker"
