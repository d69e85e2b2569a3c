"""Result files that are not as they should be: what can be read is kept, the rest is told, nothing is paid again."""

from __future__ import annotations

import json
import re

import pytest
from disturbing import ALWAYS, KEYS, REQUESTS, Disturbed
from spoiling import Spoiling, by_plan

from pytest_batcheval.errors import ProviderError
from pytest_batcheval.simulator.faults import connection
from pytest_batcheval.simulator.faults import result_lines as spoilt


def saying(words):
    """The first line's answer is these bytes."""

    def spoil(found):
        text = re.compile(rb'"content":\s*"(?:[^"\\\\]|\\\\.)*"')
        changed = text.sub(lambda _: b'"content":' + words, found[0], count=1)
        assert changed != found[0]
        return [changed, *found[1:]]

    return spoil


def ending(reason, **message):
    """The first line's answer ended for this reason."""

    def spoil(found):
        line = json.loads(found[0])
        choice = line["response"]["body"]["choices"][0]
        choice["finish_reason"] = reason
        choice["message"] |= message
        return [json.dumps(line).encode() + b"\n", *found[1:]]

    return spoil


BROKEN = (3, {"broken_line": 1}, 1)
CHANGED = (4, {}, 1)
"""Kept, and the change that reading made is reported."""

WHOLE = (4, {}, 0)
SEPARATORS = "one\u2028two\u0085three\x0bfour"
RESULTS = {
    "duplicate equal": (by_plan(spoilt.duplicate_line), WHOLE),
    "duplicate conflicting": (by_plan(spoilt.conflicting_line), (4, {}, 1)),
    "missing line": (by_plan(spoilt.missing_line), (3, {"unaccounted": 1}, 0)),
    "unknown custom_id": (by_plan(spoilt.foreign_line), (4, {}, 1)),
    "wrong order": (by_plan(spoilt.reordered_lines), WHOLE),
    "crlf": (by_plan(spoilt.crlf), WHOLE),
    "byte order mark": (by_plan(spoilt.byte_order_mark), WHOLE),
    "blank lines": (by_plan(spoilt.blank_lines), WHOLE),
    "invalid utf-8": (saying(b'"\xff\xfe"'), CHANGED),
    "nan": (saying(b"NaN"), BROKEN),
    "lone surrogate": (saying(b'"\\ud800"'), CHANGED),
    "deep": (saying(b"[" * 101 + b"]" * 101), BROKEN),
    "bottomless": (saying(b"[" * 100_000), BROKEN),
    "many digits": (saying(b"1" * 4301), BROKEN),
    "separators in text": (saying(json.dumps(SEPARATORS, ensure_ascii=False).encode()), WHOLE),
    "giant line of a stranger": (by_plan(spoilt.giant_line, megabytes=17), (4, {}, 1)),
    "giant line": (saying(b'"' + b"x" * (17 * 2**20) + b'"'), WHOLE),
    "broken off": (by_plan(spoilt.broken_line, bytes_left=150), BROKEN),
    "ended by length": (ending("length"), WHOLE),
    "ended by the filter": (ending("content_filter", content=None), WHOLE),
    "a refusal": (ending("stop", content=None, refusal="No."), WHOLE),
    "no json though asked for": (saying(b"\"{'a': \""), WHOLE),
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_file_is_taken_as_the_matrix_says_and_nothing_is_paid_again(kind, server, world):
    spoil, (answered, codes, broken) = RESULTS[kind]
    server.follow(Spoiling(spoil))
    sent = world.go()
    assert (sent.answered, dict(world.failures()), len(sent.broken)) == (answered, codes, broken)
    assert all(file.exists() for file in sent.files)
    assert bool(sent.files) == bool(broken)
    if broken and "broken_line" in codes:
        assert re.match(r"output.jsonl at byte \d+: ", sent.broken[0])
    if kind == "separators in text":
        assert SEPARATORS in {a.text for a in world.journal.reader.answers(REQUESTS, world.backend.origin).values()}
    assert world.go().sent == 0
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def test_what_a_cut_file_has_is_kept_when_the_rest_is_given_up(server, world):
    """It may be cut for good: then every run would stop."""
    server.follow(Disturbed("content", connection.truncated_silently, ALWAYS))
    with pytest.raises(ProviderError, match=r"after \d of 4 requests.*BatchClient: assume_lost=True"):
        world.go()
    sent = world.go(assume_lost=True)
    assert 0 < sent.answered < len(KEYS)
    assert (sent.answered + sent.failed, sent.sent) == (len(KEYS), 0)
    assert world.go().sent == 0
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)
