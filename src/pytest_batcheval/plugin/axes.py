"""The axes that a test sees: from the files of the ini key, replaced or joined by the nearest hooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.plugin.options import Settings


class Axes:
    """The axes that a folder's tests see: from files, replaced or joined by the nearest hooks."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._from_files: dict[str, Sequence[Any]] | None = None
        self._by_folder: dict[Path, dict[str, Sequence[Any]]] = {}

    def of(self, node: pytest.Item) -> dict[str, Sequence[Any]]:
        """Axis values by name for a test.

        Raises:
            MatrixError: a file or axis is wrong.
        """
        folder = node.path.parent
        if folder not in self._by_folder:
            self._by_folder[folder] = self._collect(node)
        return self._by_folder[folder]

    def _collect(self, node: pytest.Item) -> dict[str, Sequence[Any]]:
        axes = dict(self._files())
        for given in reversed(node.ihook.pytest_batch_axes(config=self._config)):
            axes.update(given)
        if not axes:
            return {}
        from pytest_batcheval.matrix.check import as_axis_values, check_axes

        axes = {name: as_axis_values(name, values) for name, values in axes.items()}
        check_axes(axes)
        return axes

    def _files(self) -> dict[str, Sequence[Any]]:
        if self._from_files is None:
            self._from_files = {}
            if self._settings.axes:
                from pytest_batcheval.matrix.load import load_axis, parse_axes_option
                from pytest_batcheval.matrix.profile import parse_factors_option

                factors = parse_factors_option(self._settings.factors)
                paths = parse_axes_option(self._settings.axes, self._settings.root)
                self._from_files = {name: load_axis(name, path, factors) for name, path in paths.items()}
        return self._from_files
