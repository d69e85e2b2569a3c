"""The `batch` marker: the tests that have one, and its checked arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.plugin._pytest_compat import fixture_definitions
from pytest_batcheval.plugin.item_id import parametrize_names

if TYPE_CHECKING:
    from pytest_batcheval.quality.passing.rule import CountRule, RateRule

SAMPLE = "sample"
"""The argument that has the number of a sample."""

MUTANT = "batch_mutant"
"""The parameter, of no argument, that has the mutant of a test, or `None`."""

RESERVED = ("prompt", "samples", "passes", "min_pass", "endpoint", "backend", "errors", "axes")
ERRORS = ("raise", "keep")


class MarkerError(Exception):
    """An invalid batch marker; the message says what is allowed."""


@dataclass(frozen=True)
class BatchMark:
    """The combined batch markers of a test; the closest marker wins keyword by keyword.

    Attributes:
        narrowed: ids to keep, by axis.
        rule: the verdict on the samples of a test that takes `answer`; `None` where each sample is a test.
        backend: the backend to ask, or a name that an option gives one; `None` for the run's own.
        errors: `raise`: a failed request is a set-up error; `keep`: the test gets the failed answer.
    """

    prompt: Callable[..., Any]
    samples: int = 1
    endpoint: str | None = None
    backend: str | None = None
    errors: str = "raise"
    narrowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rule: CountRule | RateRule | None = None

    @cached_property
    def parameters(self) -> Mapping[str, bool]:
        """Names of the prompt's parameters, and whether each has to be given.

        Raises:
            MarkerError: a parameter cannot be an axis.
        """
        from pytest_batcheval.prompts.prompt_call import prompt_name  # a run without batch tests needs none of it

        found: dict[str, bool] = {}
        name = prompt_name(self.prompt)
        for parameter in inspect.signature(self.prompt).parameters.values():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                raise MarkerError(f"prompt {name}() has {parameter}; name each parameter after an axis")
            if parameter.name == SAMPLE:
                raise MarkerError(f"prompt {name}() has a parameter `sample`; samples share one body")
            found[parameter.name] = parameter.default is parameter.empty
        return found


class CombinedMarks:
    """Combined batch markers, each made once: the tests of one function have the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[list[pytest.Mark], BatchMark]] = {}

    def of(self, marks: list[pytest.Mark]) -> BatchMark:
        """The batch marker that these make together, the closest first.

        Raises:
            MarkerError: as `combined`.
        """
        these = tuple(map(id, marks))
        if these not in self._known:
            self._known[these] = marks, combined(marks)  # kept, so that no other marker gets the id of one of them
        return self._known[these][1]


def combined(marks: Sequence[pytest.Mark]) -> BatchMark:
    """The batch marker that these make together, the closest first.

    Raises:
        MarkerError: positional arguments, no prompt, or a keyword of the wrong type.
    """
    given: dict[str, Any] = {}
    for mark in reversed(marks):
        if mark.args:
            raise MarkerError(f"batch takes keywords only, not {mark.args[0]!r}; write batch(prompt=…)")
        given.update(mark.kwargs)
    if "prompt" not in given:
        keywords = ", ".join(f"{name}=…" for name in sorted(given))
        raise MarkerError(f"batch({keywords}) has no prompt=, the function that builds the request")
    _check(given)
    rule, samples = _rule(given)
    return BatchMark(
        prompt=given["prompt"],
        samples=samples,
        endpoint=given.get("endpoint"),
        backend=given.get("backend"),
        errors=given.get("errors", "raise"),
        narrowed=_narrowed(given),
        rule=rule,
    )


def _rule(given: Mapping[str, Any]) -> tuple[CountRule | RateRule | None, int]:
    """The verdict on the samples, and their number."""
    if given.get("passes") is None and given.get("min_pass") is None:
        return None, given.get("samples", 1)
    from pytest_batcheval.quality.passing.rule import pass_rule

    try:
        return pass_rule(given.get("passes"), given.get("min_pass"), given.get("samples"))
    except ValueError as error:
        raise MarkerError(f"batch({error})") from None


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
    backend = given.get("backend")
    if backend is not None and not (isinstance(backend, str) and backend):
        raise MarkerError(f"batch(backend={backend!r}): must be a backend, or a name for one, such as 'anthropic'")
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


def ordered_marks(node: pytest.Item, name: str) -> list[pytest.Mark]:
    """The markers of that name that apply to a test, the closest first.

    A parameter's (`pytest.param(…, marks=…)`) is closer than the function's, a subclass's closer than its bases', by
    the MRO. pytest itself lists those of a base first (https://github.com/pytest-dev/pytest/issues/14329).
    """
    found: list[pytest.Mark] = []
    for parent in node.iter_parents():
        own = [mark for mark in parent.own_markers if mark.name == name]
        found += own if len(own) < 2 else (mark for mark in _own_marks(parent) if mark.name == name)
    return found


def _own_marks(node: Any) -> list[pytest.Mark]:
    """The markers of one node, the closest first; those that a hook has put before the others stay there."""
    own: list[pytest.Mark] = node.own_markers
    if isinstance(node, pytest.Class):
        nearest = [_written(vars(each).get("pytestmark", [])) for each in node.obj.__mro__]
    elif isinstance(node, pytest.Function):
        nearest = [
            _written(getattr(getattr(node, "callspec", None), "marks", [])),
            _written(getattr(node.obj, "pytestmark", [])),
        ]
    else:
        return own
    rank = {id(mark): number for number, marks in reversed(list(enumerate(nearest))) for mark in marks}
    first = next((place for place, mark in enumerate(own) if id(mark) in rank), 0)
    added = [-1 if place < first else len(nearest) for place in range(len(own))]
    order = sorted(range(len(own)), key=lambda place: (rank.get(id(own[place]), added[place]), place))
    return [own[place] for place in order]


def _written(marks: Any) -> list[pytest.Mark]:
    """The value of a `pytestmark` as markers."""
    listed: Sequence[Any] = marks if isinstance(marks, (list, tuple)) else [marks]
    return [getattr(mark, "mark", mark) for mark in listed if mark is not None]


def prompt_parameters(mark: BatchMark, optional: bool = False) -> Iterator[str]:
    """Names of the prompt's parameters; those with a default only if `optional`.

    Raises:
        MarkerError: a parameter cannot be an axis.
    """
    return (name for name, required in mark.parameters.items() if optional or required)


def marks_of_parameters(parameters: Any) -> list[pytest.Mark]:
    """The batch markers of a `pytest.param`, or of a test's set of parameters."""
    return [mark for mark in _written(getattr(parameters, "marks", [])) if mark.name == "batch"]


TAKES = ("answer", "answers")
"""The fixtures that return answers."""


def has_arguments(marks: Iterable[pytest.Mark]) -> bool:
    """Whether any of these markers has an argument: without one, `batch` is a plain marker."""
    return any(mark.kwargs or mark.args for mark in marks)


def has_batch_mark(node: pytest.Item) -> bool:
    """Whether a batch marker with any argument applies."""
    return has_arguments(node.iter_markers("batch"))


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
    """Whether a test function takes answers, or an argument that nothing provides: perhaps an axis."""
    if has_batch_mark(metafunc.definition) or set(TAKES) & set(metafunc.fixturenames):
        return True
    left = {name for name in metafunc.fixturenames if name not in fixture_definitions(metafunc) and name != "request"}
    return bool(left) and not left <= _parametrized(metafunc.definition)


def _parametrized(node: pytest.Item) -> set[str]:
    """The arguments that `parametrize` marks of a test provide, so that they are not axes."""
    return {name for mark in node.iter_markers("parametrize") for name in parametrize_names(mark)}
