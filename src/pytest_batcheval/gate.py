"""Which tests are ours: asked of every test of every run, so light that it costs the others nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

TAKES = ("answer", "answers")
"""The fixtures that hand over answers."""

LEFT_OUT = pytest.StashKey[bool]()
"""Of a config: whether a test that asks for answers was left out."""

PASSED = pytest.StashKey[bool]()
"""Of an item whose test function ran to its end: whether it passed."""


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
    """The collected tests that an option or a conftest.py does not let run; not all of them are told as deselected."""
    these = set(kept)
    return [item for item in collected if item not in these]


def may_need_axes(metafunc: pytest.Metafunc) -> bool:
    """Whether a test function has a batch marker, or an argument that nothing gives: perhaps an axis."""
    if has_batch_mark(metafunc.definition):
        return True
    left = {name for name in metafunc.fixturenames if name not in metafunc._arg2fixturedefs and name != "request"}
    return bool(left) and not left <= _parametrized(metafunc.definition)


def _parametrized(node: pytest.Item) -> set[str]:
    """The arguments that marks of a test give, so that they are no axes."""
    found: set[str] = set()
    for mark in node.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",")]
        found.update(names if isinstance(names, (list, tuple)) else ())
    return found
