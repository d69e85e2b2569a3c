import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.wire import result_file
from pytest_batcheval.wire.result_file import BrokenLine, ResultLine, read_lines, split_lines


def line(custom_id="k", text="hello", status=200, error=None):
    response = {"status_code": status, "request_id": "r", "body": {"choices": [{"message": {"content": text}}]}}
    return json.dumps(
        {"id": "b", "custom_id": custom_id, "response": response, "error": error}, ensure_ascii=False
    ).encode()


def chunked(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.integers(1, 9))
def test_lines_do_not_depend_on_chunks(parts, size):
    data = b"\n".join(parts)
    whole = [text for _, text, _ in split_lines([data])]
    assert list(split_lines(chunked(data, size))) == list(split_lines([data]))
    assert whole == (parts[:-1] if parts and not parts[-1] else parts)


def test_offsets_point_at_the_lines():
    data = b"first\n\nthird\nlast"
    assert [data[offset : offset + length] for offset, _, length in split_lines(chunked(data, 2))] == [
        b"first",
        b"",
        b"third",
        b"last",
    ]


def test_unicode_line_separators_are_ordinary_characters():
    text = "one\u2028two\u0085three\x0bfour"
    (only,) = read_lines([line(text=text) + b"\n"])
    assert only.response.body["choices"][0]["message"]["content"] == text


def test_a_broken_line_is_kept_apart_and_the_others_are_read():
    data = b"\n".join([b"\xef\xbb\xbf" + line("a"), b'{"custom_id": "b", "resp', b"\xff\xfe", line("c") + b"\r", b""])
    found = list(read_lines([data]))
    assert [f.custom_id if isinstance(f, ResultLine) else type(f) for f in found] == ["a", BrokenLine, BrokenLine, "c"]
    assert data[found[1].offset :].startswith(b'{"custom_id": "b"')


@pytest.mark.parametrize("size", [300, 100_000], ids=["in pieces", "in one chunk"])
def test_a_giant_line_is_not_held_but_its_key_is_known(monkeypatch, size):
    monkeypatch.setattr(result_file, "MAX_LINE", 2000)
    data = line("a") + b"\n" + line("giant", text="x" * 5000) + b"\n" + line("b")
    found = list(read_lines(chunked(data, size)))
    assert [f.custom_id for f in found] == ["a", "giant", "b"]
    assert "more than 2,000" in found[1].reason
    assert all(len(text) <= 2000 for _, text, _ in split_lines(chunked(data, size)))


@pytest.mark.parametrize("cut", range(20, 160, 7))
def test_the_key_of_a_cut_line_is_kept_when_it_is_whole(cut):
    (found,) = read_lines([line("0123abcd")[:cut]])
    assert isinstance(found, BrokenLine)
    assert found.custom_id == ("0123abcd" if cut >= 37 else "")


def test_a_key_inside_the_words_of_a_model_is_no_key():
    text = '{"custom_id": "other"}'
    (found,) = read_lines([line("", text=text).replace(b'"custom_id": "", ', b"")])
    assert isinstance(found, BrokenLine)
    assert found.custom_id == ""


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"\\udc00 ": 1}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 101 + b"]" * 101 + b"}",
        b'{"a": ' + b'{"b":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    ],
    ids=["nan", "infinity", "overflow", "surrogate", "surrogate name", "utf-8", "digits", "deep", "bottomless"],
)
def test_what_later_readers_cannot_take_is_quarantined(body):
    start = b'{"custom_id": "k", "response": {"status_code": 200, "body": '
    first, second = read_lines([start + body + b"}}\n" + line("next")])
    assert isinstance(first, BrokenLine)
    assert first.custom_id == "k"
    assert second.custom_id == "next"


def test_long_integers_and_a_hundred_levels_are_read():
    body = b'{"a": ' + b"9" * 4000 + b', "b": ' + b"[" * 99 + b"]" * 99 + b"}"
    (found,) = read_lines([b'{"custom_id": "k", "response": {"status_code": 200, "body": ' + body + b"}}"])
    assert found.succeeded
    assert found.response.body["a"] == int("9" * 4000)


@pytest.mark.parametrize("status", ["-1", "1000", "99999999999999999999999", "200.0", '"200"', "true"])
def test_a_status_that_is_none_is_broken(status):
    text = f'{{"custom_id": "k", "response": {{"status_code": {status}, "body": {{}}}}}}'
    (found,) = read_lines([text.encode()])
    assert isinstance(found, BrokenLine)


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_raise_or_lose_the_lines_around_them(junk, at, byte):
    mutated = bytearray(line("mutated"))
    mutated[at % len(mutated)] = byte
    data = b"\n".join([line("a"), junk.replace(b"\n", b""), bytes(mutated), line("z")])
    keys = [found.custom_id for found in read_lines(chunked(data, 64)) if isinstance(found, ResultLine)]
    assert keys[0] == "a"
    assert keys[-1] == "z"


def test_success_is_status_200_with_a_body_and_no_error():
    one, two, three, four = read_lines(
        [
            b"\n".join(
                [
                    line(),
                    line(status=400),
                    line(error={"code": "x", "message": "y"}),
                    b'{"custom_id":"k","response":{"status_code":0,"request_id":"","body":{}},"error":null}',
                ]
            )
        ]
    )
    assert [x.succeeded for x in (one, two, three, four)] == [True, False, False, False]
