"""The one who shows the progress of a `BatchClient` by default instead of the client itself: pytest, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_batcheval.report.display import Display

hosts: list[Callable[[], Display]] = []
"""Makers of a display; the last one is asked."""
