"""Hooks that a conftest.py may implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest


@pytest.hookspec
def pytest_batch_axes(config: pytest.Config) -> Mapping[str, Sequence[Any]]:  # type: ignore[empty-body]
    """Return axes by name: each a list of values with an `id`, or plain strings and numbers.

    Called for each folder with tests, so a sub-folder's conftest.py may add axes or replace
    those of its parents and of the ini key `batch_axes`.
    """
