"""A cancel that goes wrong: whether it was applied is read from the batch itself."""

from __future__ import annotations

import pytest
from disturbing import CALLS, Disturbed
from ills import ILLS

from pytest_batcheval.errors import UnfinishedError


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "fault",
    [
        *("reset", "500", "502 html", "503", "504", "200 html", "200 garbage", "200 cut json", "short"),
        *("409", "400", "no id"),
    ],
)
def test_the_batch_itself_says_whether_a_cancel_was_applied(fault, server, world, monkeypatch):
    with pytest.raises(UnfinishedError):
        world.go(patience=0)
    (row,) = world.journal.reader.open_batches()
    cancel = ILLS[fault].after or ILLS[fault].before
    monkeypatch.setitem(CALLS, "cancel", "batches.cancel")
    server.follow(Disturbed("cancel", cancel, 1))
    assert world.backend.cancel(row.batch_id).status in ("cancelling", "cancelled")
