import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.wire import lines
from pytest_batcheval.wire.lines import BrokenLine, ResultLine, read_lines, split_lines


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
    whole = [text for _, text in split_lines([data])]
    assert [text for _, text in split_lines(chunked(data, size))] == whole
    assert whole == (parts[:-1] if parts and not parts[-1] else parts)


def test_offsets_point_at_the_lines():
    data = b"first\n\nthird\nlast"
    assert [data[offset : offset + len(text)] for offset, text in split_lines(chunked(data, 2))] == [
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


def test_a_giant_line_is_skipped_without_being_held(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    data = line("a") + b"\n" + b"x" * 5000 + b"\n" + line("b")
    found = list(read_lines(chunked(data, 300)))
    assert [getattr(f, "custom_id", "broken") for f in found] == ["a", "broken", "b"]


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
