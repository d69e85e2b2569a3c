"""Values kept in pytest's stashes, and the batch session of a process, created when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_batcheval.plugin.run_stats import RunStats
    from pytest_batcheval.plugin.session import BatchSession

LEFT_OUT = pytest.StashKey[bool]()
"""Of a config: whether a test that asks for answers was left out."""

PASSED = pytest.StashKey[bool]()
"""Of an item whose test function ran to its end: whether it passed."""

_STATS = pytest.StashKey["RunStats"]()

_SESSION = pytest.StashKey["BatchSession"]()


def batch_session(config: pytest.Config) -> BatchSession:
    """The batch session of this process."""
    if _SESSION not in config.stash:
        from pytest_batcheval.plugin.session import BatchSession

        config.stash[_SESSION] = BatchSession(config)
    return config.stash[_SESSION]


def begun_session(config: pytest.Config) -> BatchSession | None:
    """The batch session if anything has asked for one yet."""
    return config.stash.get(_SESSION, None)


def item_stats(item: pytest.Item) -> RunStats:
    """The counts of a test that its next report will carry."""
    from pytest_batcheval.plugin.run_stats import RunStats

    return item.stash.setdefault(_STATS, RunStats())


def take_stats(item: pytest.Item) -> RunStats | None:
    """The counts of a test for its report, once."""
    found = item.stash.get(_STATS, None)
    if found is not None:
        del item.stash[_STATS]
    return found
