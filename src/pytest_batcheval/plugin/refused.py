"""Tests that are refused once all tests are collected: late markers, unmet needs, conversations of one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.plugin.cells import late_marks, planned_cells
from pytest_batcheval.plugin.conversation import same_name
from pytest_batcheval.plugin.item_id import place_of
from pytest_batcheval.plugin.marker import MarkerError, asks_for_answers, ordered_marks
from pytest_batcheval.plugin.stash import batch_session
from pytest_batcheval.plugin.unmet_needs import unmet_needs


def refused(
    config: pytest.Config, collected: Iterable[pytest.Item], selected: Sequence[pytest.Item]
) -> Iterator[pytest.CollectReport]:
    """Collection errors, with file and line, of the selected tests and of the names among all that were collected."""
    batch = batch_session(config)
    for item in selected:
        if asks_for_answers(item) and late_marks(item, ordered_marks(item, "batch")):
            try:
                planned_cells(item, batch.axes.of(item))
            except (MarkerError, MatrixError) as error:
                yield _report(item, f"{place_of(item)}: {error}")
    for item, message in unmet_needs(selected, batch.axes):
        yield _report(item, message)
    with_conversation = (item for item in collected if "batch_conversation" in getattr(item, "fixturenames", ()))
    for item, message in same_name(with_conversation, batch.settings):
        yield _report(item, f"{place_of(item)}: {message}")


def _report(item: pytest.Item, message: str) -> pytest.CollectReport:
    return pytest.CollectReport(item.nodeid, "failed", message, [])
