import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.lines import split_lines
from pytest_batcheval.wire.result_file import BrokenLine, ResultLine, read_lines


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
def test_a_line_over_the_limit_of_a_file_is_cut_to_its_head(size):
    data = b"\n".join([line("a"), line("giant", text="x" * 5000), line("b")])
    found = list(split_lines(chunked(data, size), 2000))
    assert [length for _, _, length in found] == [len(text) for text in data.split(b"\n")]
    assert all(len(text) <= 2000 for _, text, _ in found)


@pytest.mark.parametrize("size", [300, 10**9], ids=["in pieces", "in one chunk"])
def test_a_line_has_no_limit(size):
    data = b"\n".join([line("a"), line("giant", text="x" * 10**6), line("b")])
    assert [found.custom_id for found in read_lines(chunked(data, size)) if found.succeeded] == ["a", "giant", "b"]


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


START = b'{"custom_id": "k", "response": {"status_code": 200, "body": '


def body_line(content=b'"hello"', more=b""):
    """A line with this JSON as the answer's content and, in its body, these members."""
    return START + more + b'"choices": [{"message": {"content": ' + content + b"}}]}}}"


def content_of(found):
    return found.response.body["choices"][0]["message"]["content"]


DEEP = (b"[" * 100 + b"]" * 100, b'{"b":' * 50_000 + b"1" + b"}" * 50_000)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"NaN", "part of the answer"),
        (b"Infinity", "part of the answer"),
        (b"1e999", "part of the answer"),
        (b"9" * 5000, "part of the answer"),
        (b"tru", "malformed"),
        (DEEP[0], "its body is nested more than 100 levels deep"),
        (DEEP[1], "it is nested more than 100 levels deep"),
        (b'{"\xff": 1}', "a name has bytes that are not UTF-8"),
    ],
    ids=["nan", "infinity", "overflow", "digits", "no json", "deep", "bottomless", "a name"],
)
def test_an_answer_that_cannot_be_stored_is_broken_and_says_why(content, reason):
    first, second = read_lines([body_line(content, b"{") + b"\n" + line("next")])
    assert isinstance(first, BrokenLine)
    assert (first.custom_id, second.custom_id) == ("k", "next")
    assert reason in first.reason


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'"a\\ud800"', "a\ufffd"),
        (b'"\\udc00\\ud800 \\ud83d\\ude00"', "\ufffd\ufffd 😀"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xed\xa0\x80"', "\ufffd" * 3),
        ('"가\\ud800"'.encode(), "가\ufffd"),
    ],
    ids=["surrogate", "surrogates", "byte", "encoded surrogate", "beside Korean"],
)
def test_characters_that_are_not_unicode_are_replaced_and_the_line_says_so(content, text):
    (found,) = read_lines([body_line(content, b"{")])
    assert found.succeeded
    assert content_of(found) == text
    assert found.remark == "characters that are not Unicode became U+FFFD"
    assert json.loads(found.stored_response())["body"]["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize("value", [b"NaN", b"[-Infinity]", b'{"a": 1e999}', b"9" * 5000])
def test_a_number_that_json_does_not_have_loses_no_answer(value):
    (found,) = read_lines([body_line(more=b'{"logprobs": ' + value + b", ")])
    assert found.succeeded
    assert found.remark == "numbers that JSON does not have became null"
    assert json.loads(found.stored_response())["body"]["logprobs"] in (None, [None], {"a": None})
    (beside,) = read_lines([body_line(more=b"{").replace(b'"custom_id"', b'"x": ' + value + b', "custom_id"', 1)])
    assert beside.succeeded
    assert beside.remark == ""


def test_a_body_in_place_of_the_response_is_read():
    (found,) = read_lines(
        [b'{"custom_id": "k", "response": {"id": "x", "choices": [{"message": {"content": "hello"}}]}}']
    )
    assert found.succeeded
    assert content_of(found) == "hello"


ODD = ("null", "7", "-1", "1e3", "2.5", "true", '"text"', '"200"', "[]", "[1]", "{}", '{"a": 1}', '"\\ud800"', "1e999")


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("member", ["id", "request_id", "status_code", "line", "response.more", "usage"])
def test_no_member_that_nobody_needs_loses_an_answer(member, value):
    parts = dict.fromkeys(("id", "request_id", "line", "response.more", "usage"), "null") | {"status_code": "200"}
    parts[member] = value
    text = (
        f'{{"id": {parts["id"]}, "line": {parts["line"]}, "custom_id": "k", "error": null, "response": {{'
        f'"status_code": {parts["status_code"]}, "request_id": {parts["request_id"]}, "more": {parts["response.more"]}, '
        f'"body": {{"usage": {parts["usage"]}, "choices": [{{"message": {{"content": "hello"}}}}]}}}}}}'
    )
    (found,) = read_lines([text.encode()])
    assert found.succeeded
    assert content_of(found) == "hello"
    found.stored_response()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ('"busy"', "", "busy"),
        ('"server_error"', "server_error", "server_error"),
        ('{"code": 429, "message": "slow down"}', "429", "slow down"),
        ('{"type": "server_error"}', "server_error", ""),
        ('{"message": {"message": "inner"}}', "", "inner"),
        ('{"code": 2.5, "message": ["x"]}', "2.5", "['x']"),
        ('["x", {"code": "c"}]', "", "x"),
        ("true", "", ""),
        ("17", "17", "17"),
        ('{"code": "\\ud800"}', "\ufffd", ""),
    ],
)
def test_an_error_of_any_form_is_read(error, code, message):
    text = f'{{"custom_id": "k", "response": null, "error": {error}}}'
    (found,) = read_lines([text.encode()])
    assert (found.failure.code, found.failure.message) == (code, message)
    (inside,) = read_lines([START + b'{"error": ' + error.encode() + b"}}}"])
    assert (inside.failure.code, inside.failure.message) == (code or "no_answer", message)


@pytest.mark.parametrize("error", ["null", "{}", '""', "false", "0", "[]", '{"code": null, "message": ""}', "[{}]"])
def test_an_error_that_says_nothing_is_none(error):
    (found,) = read_lines(
        [body_line(more=b"{").replace(b'"response"', b'"error": ' + error.encode() + b', "response"')]
    )
    assert found.succeeded
    (inside,) = read_lines([body_line(more=b'{"error": ' + error.encode() + b", ")])
    assert inside.succeeded


@pytest.mark.parametrize(
    ("value", "key"), [("7", "7"), ("true", None), ("null", None), ("1.5", None), ("[]", None), ('""', "")]
)
def test_a_key_is_a_text(value, key):
    (found,) = read_lines([f'{{"custom_id": {value}}}'.encode()])
    assert isinstance(found, BrokenLine) if key is None else found.custom_id == key


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NEEDED = {"custom_id", "response", "error", "body", "choices", "status_code"}
MEMBERS = st.dictionaries(st.text(max_size=9).filter(lambda name: name not in NEEDED), JSON, max_size=3)


@given(MEMBERS, MEMBERS, MEMBERS, JSON, JSON, st.booleans())
def test_a_line_with_anything_in_members_that_nobody_needs_is_read(outer, inner, body, identifier, request, ascii_only):
    body = {**body, "choices": [{"message": {"content": "hello"}, "logprobs": identifier}]}
    body.pop("error", None)
    response = {**inner, "status_code": 200, "request_id": request, "body": body}
    text = json.dumps({**outer, "custom_id": "k", "id": identifier, "response": response}, ensure_ascii=ascii_only)
    (found,) = read_lines([text.encode("utf-8", "surrogatepass")], CHAT)
    if isinstance(found, BrokenLine):
        assert found.reason == "a name has bytes that are not UTF-8"
        assert found.custom_id in ("", "k")
        return
    assert (found.custom_id, found.succeeded, content_of(found)) == ("k", True, "hello")
    json.loads(found.stored_response())
    found.id.encode()


@given(
    JSON, JSON, JSON, st.sampled_from(["", CHAT, "/v1/responses", "/v1/embeddings", "/v1/messages", "/v1/moderations"])
)
def test_a_line_of_any_form_raises_nothing(response, error, body, url):
    for given_response in (response, {"status_code": 200, "body": body}, {"body": {"choices": body}}, {"body": {"output": body}},
                           {"body": {"data": body}}, {"body": {"content": body, "stop_reason": error}}):  # fmt: skip
        text = json.dumps({"custom_id": "k", "response": given_response, "error": error})
        (found,) = read_lines([text.encode()], url)
        assert found.custom_id == "k"
        if isinstance(found, ResultLine):
            assert found.succeeded is (found.failure is None)
            found.stored_response()


def test_long_integers_and_a_hundred_levels_are_read():
    body = b'{"a": ' + b"9" * 4000 + b', "b": ' + b"[" * 99 + b"]" * 99 + b"}"
    (found,) = read_lines([b'{"custom_id": "k", "response": {"status_code": 200, "body": ' + body + b"}}"])
    assert found.succeeded
    assert found.response.body["a"] == int("9" * 4000)


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
