"""What every run is asked, also one without a batch test: so light that it costs such a run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_batcheval.session import BatchSession

TAKES = ("answer", "answers")
"""The fixtures that hand over answers."""

_SESSION = pytest.StashKey["BatchSession"]()


def batch_session(config: pytest.Config) -> BatchSession:
    """The batch session of this pytest process, begun when it is first asked for."""
    if _SESSION not in config.stash:
        from pytest_batcheval.session import BatchSession

        config.stash[_SESSION] = BatchSession(config)
    return config.stash[_SESSION]


def begun_session(config: pytest.Config) -> BatchSession | None:
    """The batch session if anything has asked for one yet."""
    return config.stash.get(_SESSION, None)


def has_batch_mark(node: pytest.Item) -> bool:
    """Whether a batch marker with any argument applies."""
    mark = node.get_closest_marker("batch")
    return mark is not None and any(m.kwargs or m.args for m in node.iter_markers("batch"))


def asks_for_answers(item: pytest.Item) -> bool:
    """Whether a test takes answers that a batch marker of its own describes."""
    return isinstance(item, pytest.Function) and bool(set(TAKES) & set(item.fixturenames)) and has_batch_mark(item)


def may_need_axes(metafunc: pytest.Metafunc) -> bool:
    """Whether a test function has a batch marker, or an argument that nothing gives: perhaps an axis."""
    definitions = metafunc._arg2fixturedefs
    return has_batch_mark(metafunc.definition) or any(name not in definitions for name in metafunc.fixturenames)
