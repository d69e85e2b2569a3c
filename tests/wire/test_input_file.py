import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval import ImportedLine, InputFileError, Request
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.wire import input_file
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, RESPONSES
from pytest_batcheval.wire.input_file import InputLineError, InputLines, parse_input_line
from pytest_batcheval.wire.schemas import validator

FIXTURES = Path(__file__).parents[2] / "fixtures"
CHAT_BODY = {"model": "m", "messages": [{"role": "user", "content": "안녕"}]}
SCHEMAS = {CHAT: "input-line-chat", RESPONSES: "input-line-responses", EMBEDDINGS: "input-line-embeddings"}


def line(custom_id="a", body=CHAT_BODY, url=CHAT, **other):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body, **other}).encode()


def simple(text="안녕", **other):
    return json.dumps({"model": "m", "input": text, **other}, ensure_ascii=False).encode()


def chat(text):
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def found(*lines, **options):
    return [(f.request.body, f.custom_id, f.number) for f in Request.from_jsonl(lines, **options)]


def refusal(*lines, **options):
    with pytest.raises(InputFileError) as caught:
        list(Request.from_jsonl(lines, **options))
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/v1/chat/completions", {"messages": []}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/embeddings", {"input": ["a", "b"]}),
        ("/v1/completions", {"prompt": "hi"}),
        ("/v1/moderations", {"input": "hi"}),
        ("/v1/images/generations", {"prompt": "a cat"}),
        ("/v1/images/edits", {"prompt": "a cat"}),
        ("/v1/videos", {"prompt": "a cat"}),
    ],
)
def test_official_lines_of_each_endpoint_are_read(url, words):
    body = {"model": "m", **words, "seed": 2**63 - 1}
    (only,) = Request.from_jsonl([line("mine", body, url)])
    assert only == ImportedLine(Request(body, url), "mine", 1)
    assert only.request.custom_id != "mine"


def test_a_simplified_line_is_one_user_message_as_it_stands():
    text = "질문: 어디가 불편하세요?\n페르소나: 고립되고 겁이 많은, 미성숙한"
    assert found(simple(text)) == [({"model": "m", "messages": [{"role": "user", "content": text}]}, "", 1)]


def test_a_line_without_a_model_takes_the_one_that_is_given():
    unnamed = b'{"input": "hi"}'
    assert found(unnamed, simple("ho"), model="given") == [
        ({"model": "given", "messages": [{"role": "user", "content": "hi"}]}, "", 1),
        (chat("ho"), "", 2),
    ]
    assert found(line(body={"messages": []}), model="given")[0][0]["model"] == "given"
    assert "has no model" in refusal(unnamed)


def test_a_path_a_string_and_lines_of_any_kind_are_read_alike(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(line() + b"\n" + simple("x"))
    expected = [(CHAT_BODY, "a", 1), (chat("x"), "", 2)]
    with path.open("rb") as stream:
        for source in (
            path,
            str(path),
            stream,
            [line(), simple("x").decode()],
            [line() + b"\n", simple("x") + b"\r\n"],
        ):
            assert [(f.request.body, f.custom_id, f.number) for f in Request.from_jsonl(source)] == expected


def test_bom_crlf_and_blank_lines_are_tolerated_and_numbers_count_every_line():
    data = b"\xef\xbb\xbf" + line("a") + b"\r\n\r\n  \n" + line("b", chat("x")) + b"\r\n" + b'{"nope": 1}\n\n'
    lines = InputLines([data], Request, on_bad=(bad := []).append)
    assert [(f.custom_id, f.number) for f in lines] == [("a", 1), ("b", 4)]
    assert [(b.number, data[b.offset : b.offset + b.length]) for b in bad] == [(5, b'{"nope": 1}')]
    assert (lines.lines, lines.requests, lines.bad, lines.bytes) == (3, 2, 1, len(data))


def test_only_newlines_end_lines():
    text = "one\u2028two\u0085three\x0bfour\x1cfive"
    data = json.dumps({"model": "m", "input": text}, ensure_ascii=False)
    assert found(data) == [(chat(text), "", 1)]


def test_a_file_is_read_no_further_than_it_is_asked_for():
    pulled = []

    def source():
        for number in range(1000):
            pulled.append(number)
            yield simple(f"question {number}")

    lines = iter(Request.from_jsonl(source()))
    assert next(lines).number == 1
    assert pulled == [0]
    assert next(lines).number == 2
    assert pulled == [0, 1]


BAD = {
    "not json": (b"{broken", r"is not valid JSON \(.*\); write one whole object"),
    "cut": (line()[:-5], "is not valid JSON"),
    "two objects": (line() + line(), "is not valid JSON"),
    "list": (b'[{"model": "m"}]', "must be a JSON object, not an array; write one object per line"),
    "text": (b'"hello"', "must be a JSON object, not a string; write one object per line"),
    "invalid utf-8": (b'{"model": "m", "input": "\xff"}', r"is not UTF-8 \(byte 26 of the line\)"),
    "utf-16": (simple().decode().encode("utf-16"), "is not UTF-8"),
    "lone surrogate": (b'{"model": "m", "input": "\\ud800"}', r"\$\.input holds a lone surrogate"),
    "lone surrogate in str": ('{"model": "m", "input": "\ud800"}', "is not UTF-8"),
    "nan": (b'{"model": "m", "input": "x", "temperature": NaN}', r"\$\.temperature is nan, which JSON does not have"),
    "infinity": (line(body={**CHAT_BODY, "x": float("-inf")}), r"\$\.body\.x is -inf"),
    "overflow": (line().replace(b'"m"', b'"m", "top_p": 1e999'), r"\$\.body\.top_p is inf"),
    "digits": (line().replace(b'"m"', b'"m", "seed": ' + b"9" * 5000), "is not valid JSON"),
    "bottomless": (b'{"model": "m", "input": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "is nested too deeply"),
    "deep": (line(body={**CHAT_BODY, "x": json.loads("[" * 120 + "]" * 120)}), "more than 100 levels deep"),
    "empty object": (b"{}", "must have the members of a batch input line"),
    "only a model": (b'{"model": "m"}', "must have the members"),
    "only an id": (b'{"custom_id": "a"}', "has no method, url, body"),
    "no body": (b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}', "has no body"),
    "no custom_id": (b'{"method": "POST", "url": "/v1/embeddings", "body": {}}', "has no custom_id"),
    "custom_id a number": (line(7), "has custom_id 7, which must be a string; put it in quotes"),
    "get": (line(method="GET"), "has method 'GET'; the Batch API accepts POST only"),
    "wrong url": (line(url="/v1/chat"), "has url '/v1/chat'; the Batch API accepts /v1/chat/completions, "),
    "url of another server": (line(url="https://api.openai.com/v1/embeddings"), "has url 'https:"),
    "url no text": (line(url=["x"]), r"has url \['x'\]"),
    "body a list": (line(body=[]), r"has body \[\], which must be a JSON object"),
    "body null": (line(body=None), "has body None, which must be a JSON object"),
    "no messages": (line(body={"model": "m"}), "without `messages`, which /v1/chat/completions requires"),
    "null messages": (line(body={"model": "m", "messages": None}), "without `messages`"),
    "no input": (line(body={"model": "m"}, url=EMBEDDINGS), "without `input`, which /v1/embeddings requires"),
    "no model": (line(body={"messages": []}), "has no model; add `model` to its body"),
    "empty model": (line(body={"model": "", "messages": []}), "has model '', which must be a string that is not empty"),
    "model a number": (
        line(body={"model": 4, "messages": []}),
        "has model 4, which must be a string that is not empty",
    ),
    "stream": (line(body={**CHAT_BODY, "stream": True}), "has `stream`"),
    "stream 0": (line(body={**CHAT_BODY, "stream": 0}), "has `stream`"),
    "unknown member": (line(metadata={}), "has 'metadata' beside custom_id, method, url, body, which would be lost"),
    "unknown simplified member": (simple(temperature=1), "has 'temperature' beside model, input, which would be lost"),
    "input a list": (
        b'{"model": "m", "input": ["x"]}',
        r"has input \['x'\]; the input of a simplified line is the prompt, a string",
    ),
    "input empty": (
        b'{"model": "m", "input": ""}',
        "has input ''; the input of a simplified line is the prompt, a string",
    ),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_with_its_number_and_the_lines_around_it_are_read(bad, reason):
    lines = Request.from_jsonl([line("before"), bad, line("after", chat("other"))])
    read = iter(lines)
    assert [next(read).custom_id, next(read).custom_id] == ["before", "after"]
    with pytest.raises(InputFileError, match=f"input: 1 line of 3 cannot be used:\ninput:2: .*{reason}"):
        next(read)


def test_the_first_ten_bad_lines_are_listed_and_the_others_counted(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"".join(b"{broken\n" if n % 2 else line(str(n), chat(str(n))) + b"\n" for n in range(50)))
    with pytest.raises(InputFileError) as caught:
        list(Request.from_jsonl(path))
    head, *listed, last = str(caught.value).splitlines()
    assert head == f"{path}: 25 lines of 50 cannot be used:"
    assert [text.partition(": ")[0] for text in listed] == [f"{path}:{n}" for n in range(2, 21, 2)]
    assert last == "… and 15 more"
    assert [bad.number for bad in caught.value.bad] == list(range(2, 21, 2))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b" \r\n\t\n"], ids=repr)
def test_a_file_without_a_line_is_an_error(tmp_path, data):
    path = tmp_path / "empty.jsonl"
    path.write_bytes(data)
    with pytest.raises(InputFileError, match=r"empty\.jsonl: the file is empty; write one request per line"):
        list(Request.from_jsonl(path))


def test_a_pointer_in_place_of_the_file_is_named(tmp_path):
    path = tmp_path / "input.jsonl"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n")
    with pytest.raises(InputFileError, match=r"input\.jsonl is a Git LFS pointer.*git lfs pull"):
        list(Request.from_jsonl(path))


@pytest.mark.parametrize("name", ["", "missing.jsonl"], ids=["a folder", "missing"])
def test_what_cannot_be_read_is_an_error(tmp_path, name):
    with pytest.raises(InputFileError, match="cannot be read"):
        list(Request.from_jsonl(tmp_path / name))


def test_a_line_too_long_for_any_batch_is_named_and_not_held(monkeypatch):
    monkeypatch.setattr(input_file, "MAX_BYTES", 2000)
    assert "input:2: has 5,027 bytes; a batch input file has at most 2,000" in refusal(line(), simple("x" * 5000))


def test_repeated_lines_are_merged_and_counted():
    reordered = {"messages": CHAT_BODY["messages"], "model": "m"}
    lines = Request.from_jsonl([line("a"), simple("x"), line("a", reordered), simple("x"), simple("x"), simple("안녕")])
    assert [(f.custom_id, f.number) for f in lines] == [("a", 1), ("", 2)]
    assert (lines.lines, lines.requests, lines.repeated) == (6, 2, 4)


def test_one_custom_id_with_two_bodies_is_an_error_that_names_both_lines():
    text = refusal(line("a"), line("b", chat("x")), line("a", chat("y")))
    assert "input:3: has the custom_id 'a' of line 1, but another body; rename one" in text
    assert "input:2: has the custom_id 'a' of line 1" in refusal(
        line("a", {"model": "m", "input": "x"}, RESPONSES), line("a", {"model": "m", "input": "x"}, EMBEDDINGS)
    )


def test_equal_bodies_under_different_custom_ids_are_samples():
    read = list(Request.from_jsonl([line("a"), line("b"), line("a"), line("c")]))
    assert [(f.custom_id, f.request.sample) for f in read] == [("a", 0), ("b", 1), ("c", 2)]
    assert {f.request.custom_id for f in read} == {Request(CHAT_BODY, sample=n).custom_id for n in range(3)}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2,), (999,)], ids=str)
def test_a_key_keeps_its_sample_number(order):
    requests = [Request(CHAT_BODY, sample=n) for n in order]
    assert [f.request for f in Request.from_jsonl(r.line() for r in requests)] == requests


def test_custom_ids_that_only_look_like_keys_are_custom_ids():
    ids = [f"{n:040x}" for n in range(300)]
    read = list(Request.from_jsonl(line(i, chat(i)) for i in ids))
    assert [(f.custom_id, f.request.sample) for f in read] == [(i, 0) for i in ids]


def test_a_simplified_line_beside_its_converted_one_is_asked_once():
    converted = Request(chat("x")).line()
    for lines in ([simple("x"), converted], [converted, simple("x")]):
        assert len(list(Request.from_jsonl(lines))) == 1


def test_several_models_and_endpoints_are_fine_unless_strict():
    lines = [
        line("a"),
        line("b", {**CHAT_BODY, "model": "other"}),
        line("c", {"model": "m", "input": "x"}, RESPONSES),
        line("d", chat("y")),
    ]
    assert len(found(*lines)) == 4
    text = refusal(*lines, strict=True)
    assert "2 lines of 4" in text
    assert "input:2: has model 'other', earlier lines 'm'; a batch has one model" in text
    assert "input:3: has url /v1/responses, earlier lines /v1/chat/completions; a batch has one endpoint" in text


def test_a_repeated_custom_id_is_fine_unless_strict():
    assert len(found(line(), line())) == 1
    assert "input:2: repeats the custom_id 'a' of line 1, which the Batch API refuses" in refusal(
        line(), line(), strict=True
    )


@pytest.mark.sampled
def test_50_001_requests_are_fine_unless_strict():
    lines = [simple(str(number)) for number in range(50_001)]
    assert sum(1 for _ in Request.from_jsonl(lines)) == 50_001
    assert sum(1 for _ in Request.from_jsonl(lines[1:], strict=True)) == 50_000
    assert "input:50001: is request 50,001 or later; the limit of a batch is 50,000" in refusal(*lines, strict=True)


def sized(total, pieces=20):
    """Lines of so many bytes in all, newlines counted."""
    size = total // pieces
    for number in range(pieces):
        length = size if number else total - size * (pieces - 1)
        head = f'{{"model": "m", "input": "{number:02}'
        yield (head + "x" * (length - len(head) - 3) + '"}\n').encode()


@pytest.mark.sampled
def test_a_byte_more_than_200_mb_is_fine_unless_strict():
    lines = Request.from_jsonl(sized(200_000_001))
    assert sum(1 for _ in lines) == 20
    assert lines.bytes == 200_000_001
    assert sum(1 for _ in Request.from_jsonl(sized(200_000_000), strict=True)) == 20
    assert "more than 200,000,000 bytes" in refusal(*sized(200_000_001), strict=True)


def test_the_limits_are_those_a_send_keeps():
    assert (Limits().requests, Limits().bytes) == (input_file.MAX_REQUESTS, input_file.MAX_BYTES)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.builds(
    lambda extra, messages: {**extra, "model": "m", "messages": messages},
    st.dictionaries(TEXT.filter(lambda name: name != "stream"), DOCUMENT, max_size=3),
    st.lists(DOCUMENT, max_size=3),
)


@given(st.lists(BODIES | TEXT.filter(bool), min_size=1, max_size=4), st.booleans())
def test_what_is_imported_and_written_is_imported_again_as_it_was(bodies, ascii_only):
    rows = [
        {"model": "m", "input": body}
        if isinstance(body, str)
        else {"custom_id": f"line {number}", "method": "POST", "url": CHAT, "body": body}
        for number, body in enumerate(bodies)
    ]
    once = list(Request.from_jsonl(json.dumps(row, ensure_ascii=ascii_only) for row in rows))
    written = [f.request.line() for f in once]
    again = list(Request.from_jsonl(written))
    assert [f.request for f in again] == [f.request for f in once]
    assert [f.custom_id for f in again] == [f.request.custom_id for f in once]
    assert [f.request.line() for f in again] == written


ODD = st.sampled_from([None, "", "m", "POST", "GET", 0, False, True, [], {}, [1], {"a": 1}, *SCHEMAS, "/v1/other"])
LINES = st.fixed_dictionaries(
    {"custom_id": st.just("a") | ODD},
    optional={
        "method": st.just("POST") | ODD,
        "url": st.sampled_from(list(SCHEMAS)) | ODD,
        "body": ODD
        | st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("model", "messages", "input", "stream", "temperature"), ODD)
        )
        | st.fixed_dictionaries({"model": st.just("m"), "messages": ODD, "input": ODD}, optional={"stream": ODD}),
    },
)


@given(LINES)
def test_a_line_is_read_exactly_when_it_fits_the_schema_of_its_endpoint(value):
    schema = SCHEMAS.get(value["url"]) if isinstance(value.get("url"), str) else None
    valid = schema is not None and validator(schema).is_valid(value)
    try:
        _, request = parse_input_line(json.dumps(value).encode(), Request)
    except InputLineError:
        assert not valid
    else:
        assert valid
        assert (request.url, request.body) == (value["url"], value["body"])


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_no_bytes_raise_anything_else_or_lose_the_lines_around_them(junk, at, byte):
    mutated = bytearray(line("mutated", chat("mutated")))
    mutated[at % len(mutated)] = byte
    bad = []
    data = b"\n".join([line("first"), junk, bytes(mutated), line("last", chat("last"))])
    lines = InputLines([data], Request, on_bad=bad.append)
    ids = [f.custom_id for f in lines]
    assert ids[0] == "first"
    assert ids[-1] == "last"
    assert lines.requests + lines.repeated + lines.bad == lines.lines
    assert lines.bad == len(bad)


def test_the_committed_batch_input_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_batchinput", FIXTURES / "make_batchinput.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (FIXTURES / "batchinput.jsonl").read_text(encoding="utf-8") == "".join(script.lines())


def test_the_committed_batch_input_is_275_different_requests():
    lines = Request.from_jsonl(FIXTURES / "batchinput.jsonl", strict=True)
    texts = [f.request.body["messages"][0]["content"] for f in lines]
    assert len(texts) == lines.requests == 275
    assert lines.repeated == 0
    assert "질문: 어디가 불편해서 방문하게 되셨나요?\n페르소나: 고립되고 겁이 많은, 미성숙한" in texts
