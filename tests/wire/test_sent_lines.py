"""Input files that anybody sent, as they are read."""

import pytest

from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.sent_lines import read_sent

LINES = [
    Request({"model": "m", "messages": [{"role": "user", "content": f"{n}"}]}).line().rstrip(b"\n") + b"\n"
    for n in range(3)
]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"".join(LINES), 3),
        (b"".join(LINES)[:-9], 2),  # it may have been cut off there
        (LINES[0] + b"{broken\n" + LINES[1], 3),
        (b"{broken\n", 0),
    ],
)
def test_a_broken_line_at_the_end_is_none(text, count):
    assert len(read_sent([text], CHAT)) == count
