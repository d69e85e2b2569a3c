"""Each field of each reply that the client reads, missing, null, of another type, spelled otherwise, or with others."""

from __future__ import annotations

import pytest
from dialects import field_rows

ROWS = dict(field_rows())
ANOTHER_FILE = ("files.create id a number", "files.create id a text")
"""The provider names a file that it does not have, and refuses a batch of it: nothing is sent."""

WAIT = 0.5
"""Hours that such a reply may cost at most, beside those of the batch."""


@pytest.mark.sampled(27)
@pytest.mark.parametrize("row", ROWS)
def test_no_field_of_a_reply_costs_an_answer_or_money(row, provider, ask):
    requests = ask(3)
    seen = provider.bend(ROWS[row]).send(requests)
    assert seen.hours < WAIT
    if row in ANOTHER_FILE:
        assert (seen.billed.total(), "Cannot find file" in seen.said) == (0, True)
        return
    assert seen.error is None
    assert {key: answer.error for key, answer in seen.answers.items()} == {r.custom_id: None for r in requests}
    assert (seen.billed.total(), seen.twice) == (3, set())
