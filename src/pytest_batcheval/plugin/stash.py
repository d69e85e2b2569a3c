"""The one batch session of a pytest process, begun when it is first asked for: most runs never need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_batcheval.plugin.session import BatchSession

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
