"""Input files that anybody sent, as they are read."""

import pytest

from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.sent_lines import official, read_sent, sent_line

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


@pytest.mark.parametrize("text", [line.strip() for line in LINES])
def test_a_short_line_becomes_an_official_one_with_its_body_byte_for_byte(text):
    head, _, body = text.partition(b',"method":"POST","url":"/v1/chat/completions"')
    line = sent_line(head + body, CHAT)
    assert line == sent_line(text)
    assert official(head + body, line) == official(text, line) == text
    assert sent_line(head + body) is None
