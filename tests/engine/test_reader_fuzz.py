"""Damaged result files: whoever reads them loses no whole line, mixes up no two, and pays for no line again.

A file is made of lines whose words name their key. Then lines are shuffled, doubled, spoilt and mixed with junk,
and bytes are changed, put in and taken out. Which lines are still whole is known from where the damage was done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from pytest_batcheval.engine.batch_outcome import unaccounted_requests
from pytest_batcheval.engine.effects import Settle
from pytest_batcheval.engine.results import download_results, read_results
from pytest_batcheval.journal.rows import AnswerRow, BatchRow
from pytest_batcheval.wire.result_file import BrokenLine, ResultLine, read_lines

pytestmark = pytest.mark.timeout(0)  # a full proof takes half an hour

FILES = {"quick": 500, "ci": 8_000, "full": 1_000_000}
BLOCKS = 4
LONGEST = 20_000
"""Bytes of the words of a long line, which lies in several chunks."""

WORDS = (
    "fine, thank you",
    "잘 지냅니다. 요즘은 잠을 잘 못 자요.",
    "one\u2028two\u2029three\u0085four\x0bfive\x0c\x1b[31m\x00",
    '{"custom_id": "nobody", "response": {"status_code": 200}}',
    'line\nbreaks\r\nand \\ and " and \ufeff \u202e',
    "",
)
NO_TEXT = (
    *(b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b'"\\udfff x"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\xaf"'),
    *(b"9" * 5000, b"[" * 150 + b"]" * 150, b'{"a":' * 150 + b"1" + b"}" * 150, b"[" * 9000, b"tru", b"'x'", b""),
)
"""What may not stand where an answer's words stand."""

JUNK = (
    *(b"", b" ", b"\t\r", b"null", b"{}", b"[]", b"0", b'"', b"\x00" * 30, b"\xff" * 9, b"\xef\xbb\xbf", b"{" * 200),
    *(b"<html>", b'{"custom_id":', b'{"custom_id": 7}', b'{"custom_id": null, "response": {"status_code": 200}}'),
)


@dataclass(frozen=True)
class Line:
    """A line as it stands in the file, and what it says as long as it is `whole`; junk has no key."""

    text: bytes
    key: str = ""
    words: str | None = None
    whole: bool = True


def line_of(key, words):
    """An answer of these words, or with `None` a failure."""
    body = {"error": {"code": "server_error", "message": f"busy {key}"}} if words is None else said(words)
    response = {"status_code": 503 if words is None else 200, "request_id": "r", "body": body}
    fields = {"id": "b", "custom_id": key, "response": response, "error": None}
    return Line(json.dumps(fields, ensure_ascii=False).encode(), key, words)


def said(words):
    return {"choices": [{"message": {"content": words}, "finish_reason": "stop"}], "usage": {"total_tokens": 7}}


# -- damage to lines ----------------------------------------------------------------------------------------------


def shuffled(found, dice):
    dice.shuffle(found)


def swapped(found, dice):
    one, other = dice.randrange(len(found)), dice.randrange(len(found))
    found[one], found[other] = found[other], found[one]


def doubled(found, dice):
    found.insert(dice.randrange(len(found) + 1), dice.choice(found))


def contradicted(found, dice):
    other = dice.choice(found)
    if other.key:
        found.insert(dice.randrange(len(found) + 1), line_of(other.key, f"another answer to {other.key}"))


def dropped(found, dice):
    if len(found) > 1:
        found.pop(dice.randrange(len(found)))


def mixed_with_junk(found, dice):
    text = dice.choice((*JUNK, dice.randbytes(dice.randrange(60)).replace(b"\n", b"")))
    found.insert(dice.randrange(len(found) + 1), Line(text, whole=False))


def mixed_with_a_strangers(found, dice):
    found.insert(dice.randrange(len(found) + 1), line_of(f"{dice.getrandbits(160):040x}", "to a stranger"))


def spoilt(found, dice):
    at = dice.randrange(len(found))
    words = json.dumps(found[at].words, ensure_ascii=False).encode()
    if found[at].words is not None and words in found[at].text:
        found[at] = replace(found[at], text=found[at].text.replace(words, dice.choice(NO_TEXT)), whole=False)


def cut_off(found, dice):
    at = dice.randrange(len(found))
    found[at] = replace(found[at], text=found[at].text[: dice.randrange(len(found[at].text) + 1)], whole=False)


def with_carriage_returns(found, dice):
    found[:] = [replace(line, text=line.text + b"\r") for line in found]


def marked(found, dice):
    """A byte order mark belongs at the beginning; elsewhere it is damage."""
    at = dice.choice((0, dice.randrange(len(found))))
    found[at] = replace(found[at], text=b"\xef\xbb\xbf" + found[at].text, whole=found[at].whole and at == 0)


def giant(found, dice):
    words = "x" * LONGEST
    key = dice.choice([line.key for line in found if line.key] or [""])
    found.insert(dice.randrange(len(found) + 1), line_of(key, words))


ORDERS = (shuffled, swapped, doubled, contradicted, dropped, mixed_with_junk, mixed_with_a_strangers, spoilt, cut_off)
LAST = (with_carriage_returns, marked, giant)
"""What comes after the order is settled: a mark that is moved from the beginning is no mark."""


# -- damage to bytes ----------------------------------------------------------------------------------------------


def edits(size, dice):
    """(first byte, byte after the last, what stands there instead), far apart, the last one first."""
    made = []
    for _ in range(dice.choice((0, 1, 1, 2, 5))):
        at = dice.randrange(size)
        kind = dice.randrange(5)
        if kind == 0:
            made.append((at, at + 1, None))
        elif kind == 1:
            made.append((at, at + 1, dice.randbytes(1)))
        elif kind == 2:
            made.append((at, at, dice.choice((b"\n", b"\r", b'"', b"}", b"\\", b"\x00", dice.randbytes(4)))))
        elif kind == 3:
            made.append((at, min(at + dice.randrange(1, 9), size), b""))
        else:
            made.append((at, min(at + dice.randrange(1, 900), size), b""))
    if dice.random() < 0.1:
        made.append((dice.randrange(size), size, b""))
    made.sort(key=lambda edit: edit[:2], reverse=True)
    return [edit for number, edit in enumerate(made) if number == 0 or edit[1] < made[number - 1][0]]


def damaged(found, dice):
    """The file's bytes, and its lines with those no longer whole that an edit has touched."""
    data = whole = b"\n".join(line.text for line in found) + b"\n" * dice.randrange(2)
    places, start = [], 0
    for line in found:
        places.append((start, start + len(line.text)))
        start += len(line.text) + 1
    touched = set()
    for first, after, instead in edits(len(data), dice) if data else ():
        new = bytes([data[first] ^ 1 << dice.randrange(8)]) if instead is None else instead
        data = data[:first] + new + data[after:]
        touched |= {number for number, (begin, end) in enumerate(places) if first <= end and after >= begin}
    if any(_one_of_two(text, found) for text in data.split(b"\n")):
        return whole, found
    return data, [replace(line, whole=line.whole and number not in touched) for number, line in enumerate(found)]


def _one_of_two(text, found):
    """Whether the head of one line and the tail of another are one whole line now: no reader could tell."""
    if sum(key.encode() in text for key in {line.key for line in found if line.key}) < 2:
        return False
    try:
        json.loads(text.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return False
    return True


def make(dice):
    """A file: its bytes, its lines, the keys of its batch, and how many of them were answered and failed."""
    keys = [f"{dice.getrandbits(160):040x}" for _ in range(dice.randrange(1, 9))]
    words = {key: None if dice.random() < 0.15 else f"to {key}: {dice.choice(WORDS)}" for key in keys}
    found = [line_of(key, words[key]) for key in keys]
    for _ in range(dice.randrange(4)):
        dice.choice(ORDERS)(found, dice)
    if dice.random() < 0.2:
        dice.choice(LAST)(found, dice)
    data, found = damaged(found, dice)
    failed = sum(text is None for text in words.values())
    return data, found, words, len(keys) - failed, failed


# -- readers ------------------------------------------------------------------------------------------------------


class File:
    """A provider of one file."""

    def __init__(self, data):
        self._data = data

    def download(self, file_id, target):
        target.write_bytes(self._data)


def shown(line):
    """(key, words) of a line that was read; `None` for the words of a failure."""
    if not line.succeeded:
        return line.custom_id, None
    try:
        return line.custom_id, line.response.body["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        return line.custom_id, "no words where words were"


def check_reader(data, found, dice):
    size = dice.choice((1 << 20, 1 << 20, 4096, 61))
    seen = list(read_lines(data[at : at + size] for at in range(0, len(data), size)))
    for line in seen:
        if isinstance(line, BrokenLine):
            there = data[line.offset :] if line.offset else data.removeprefix(b"\xef\xbb\xbf")
            assert there.startswith(line.excerpt), "it does not stand where it is said to"
            line.reason.encode()
    read = iter([shown(line) for line in seen if isinstance(line, ResultLine)])
    for line in found:
        assert not line.whole or (line.key, line.words) in read, f"a whole line of {line.key} was not read"


def check_harvest(data, found, words, answered, failed, folder):
    keys = sorted(words)
    row = BatchRow("o", "s", "e", "i", 1, 1, len(keys), "f", 1, batch_id="batch_1", output_file_id="out",
                   completed=answered, failed=failed)  # fmt: skip
    account = download_results(File(data), row, frozenset(keys), folder)
    assert account.answered | account.failed <= set(keys)
    assert not account.answered & account.failed
    settle = Settle(row, account, unaccounted=unaccounted_requests(row, account, partial=False))
    rows = list(read_results(settle, keys))
    assert [result.key for result in sorted(rows, key=lambda result: result.key)] == keys
    for result in rows:
        own = [line for line in found if line.key == result.key]
        whole = [line for line in own if line.whole]
        if isinstance(result, AnswerRow):
            assert result.key in account.answered
            check_answer(result, own, whole, words)
        else:
            assert all(line.words is None for line in whole), "a whole answer was lost"
            if words[result.key] is not None and not any(_says_otherwise(line, data) for line in own):
                assert not result.retryable, f"{result.key} was paid, and would be sent again: {result.code}"
            result.message.encode()


def check_answer(result, own, whole, words):
    """It is the key's own, and where nothing of the key's was touched its first."""
    for key in words:
        assert key == result.key or key.encode() not in result.response, f"{result.key} has the answer to {key}"
    if own and len(own) == len(whole):
        text = json.loads(result.response)["body"]["choices"][0]["message"]["content"]
        assert text == next(line.words for line in whole if line.words is not None)


def _says_otherwise(line, data):
    """Whether the key's line tells a failure, or may do so since it was touched: its status may be another number."""
    return line.words is None or (not line.whole and _may_be_read(line, data))


def _may_be_read(line, data):
    for text in data.split(b"\n"):
        if line.key.encode() in text:
            try:
                if isinstance(json.loads(text.removeprefix(b"\xef\xbb\xbf")), dict):
                    return True
            except (ValueError, RecursionError):
                continue
    return False


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_damaged_result_file_loses_no_whole_line_and_no_line_is_anothers(block, folder, rng, proof, pytestconfig):
    only = pytestconfig.getoption("--sim-seed")
    for seed in range(block, FILES[proof], BLOCKS) if only is None else [only]:
        dice = rng(seed)
        data, found, words, answered, failed = make(dice)
        try:
            check_reader(data, found, dice)
            check_harvest(data, found, words, answered, failed, folder / "1")
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


def test_the_damage_is_of_every_kind_and_leaves_whole_lines(rng):
    """The proof above would hold of files that are never, or always, ruined."""
    whole = touched = ruined = 0
    for seed in range(300):
        _, found, *_ = make(rng(seed))
        own = [line for line in found if line.key]
        whole += sum(line.whole for line in own)
        touched += sum(not line.whole for line in own)
        ruined += not any(line.whole for line in own)
    assert whole > 700
    assert touched > 200
    assert ruined < 60


# -- what a decoder skips ---------------------------------------------------------------------------------------------


def test_a_byte_that_is_not_utf_8_in_a_name_is_damage():
    """Seed 398546: half of one line and half of another, separated only by such a byte, were one answer."""
    (line,) = read_lines([line_of("1" * 40, "fine").text.replace(b'"request_id": "r"', b'"request\x99id": "r"')])
    assert isinstance(line, BrokenLine)


def test_a_byte_that_is_not_utf_8_in_a_value_that_nobody_needs_is_none():
    (line,) = read_lines(
        [line_of("1" * 40, "fine").text.replace(b'"request_id": "r"', b'"request_id": "r", "more": "\xff"')]
    )
    assert shown(line) == ("1" * 40, "fine")


def test_a_line_that_names_two_keys_is_the_answer_of_neither():
    text = line_of("1" * 40, "fine").text
    (line,) = read_lines([text.replace(b'"id"', b'"custom_id": "' + b"2" * 40 + b'", "id"')])
    assert isinstance(line, BrokenLine)
    (line,) = read_lines([text.replace(b'"id"', b'"custom_id": "' + b"1" * 40 + b'", "id"')])
    assert shown(line) == ("1" * 40, "fine")


# -- what a damaged key leaves ------------------------------------------------------------------------------------

ONE, OTHER = "1" * 40, "2" * 40


def harvested(data, folder):
    """Summary, and results by key, of a batch of two requests whose provider reports no counts."""
    row = BatchRow("o", "s", "e", "i", 1, 1, 2, "f", 1, batch_id="batch_1", output_file_id="out", status="expired")
    account = download_results(File(data), row, frozenset((ONE, OTHER)), folder / "1")
    settle = Settle(row, account, unaccounted=unaccounted_requests(row, account, partial=False))
    return account, {result.key: result for result in read_results(settle, [ONE, OTHER])}


def test_a_line_whose_key_was_changed_may_be_that_of_a_request_that_has_none(folder):
    """One bit of a key is another; without counts nothing else says that the missing request was answered."""
    data = line_of(ONE, "paid").text.replace(b'"1', b'"3', 1)
    _, found = harvested(data, folder)
    assert not found[ONE].retryable, "it was paid, and would be sent again"


def test_a_key_in_an_answer_is_not_that_of_the_line(folder):
    """The Responses API repeats the request's metadata, which may name another request."""
    words = json.dumps({"metadata": {"custom_id": OTHER}}).encode()
    data = line_of(ONE, "paid").text.replace(b'"custom_id"', b'"custom\x00id"').replace(b'"paid"', words)
    account, found = harvested(data, folder)
    assert account.nameless == 1
    assert not found[ONE].retryable, "it was paid, and would be sent again"
