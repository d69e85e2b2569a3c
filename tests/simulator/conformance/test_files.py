"""Cases 1 to 18: files."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.server import SimulatorServer

MONTH = 2_592_000


def test_01_upload_gives_a_processed_file(client: openai.OpenAI, line: Any) -> None:
    data = json.dumps(line(1)).encode()
    file = client.files.create(file=("bad_lines.jsonl", data), purpose="batch")
    assert (file.object, file.purpose, file.status) == ("file", "batch", "processed")
    assert (file.filename, file.bytes) == ("bad_lines.jsonl", len(data))
    assert file.expires_at == file.created_at + MONTH
    assert file.status_details is None
    assert len(file.id) == 27
    assert file.id.startswith("file-")
    assert file.id[5:].isalnum()


def test_02_expires_after_sets_the_end_of_a_file(client: openai.OpenAI, api: Any, line: Any) -> None:
    data = json.dumps(line(1)).encode()
    expiry = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(file=("a.jsonl", data), purpose="batch", expires_after=expiry)
    assert file.expires_at == file.created_at + 3600
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592000"}
    raw = api.send_file(data, **fields).json()
    assert raw["expires_at"] == raw["created_at"] + MONTH


@pytest.mark.parametrize(
    ("anchor", "seconds", "param"),
    [
        ("created_at", "3599", "expires_after.seconds"),
        ("created_at", "2592001", "expires_after.seconds"),
        ("created_at", "soon", "expires_after.seconds"),
        ("created_at", "٣٦٠٠", "expires_after.seconds"),
        ("last_active_at", "3600", "expires_after.anchor"),
    ],
)
@pytest.mark.parametrize("code", ["invalid_value", "out_of_range"])
def test_03_an_expiry_out_of_range_is_refused(
    simulator: SimulatorServer, api: Any, line: Any, anchor: str, seconds: str, param: str, code: str
) -> None:
    if code != "invalid_value":
        simulator.behaviour = Behaviour(codes={"expires_after": code})
    fields = {"expires_after[anchor]": anchor, "expires_after[seconds]": seconds}
    response = api.send_file(json.dumps(line(1)).encode(), **fields)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"], error["code"]) == (param, code)
    assert api.get("/v1/files")["data"] == []


@pytest.mark.parametrize("code", ["missing_required_parameter", None])
@pytest.mark.parametrize("absent", ["file", "purpose"])
def test_04_file_and_purpose_are_required(
    simulator: SimulatorServer, api: Any, line: Any, absent: str, code: str | None
) -> None:
    if code is None:
        simulator.behaviour = Behaviour(codes={"missing_form_field": None})
    data = json.dumps(line(1)).encode()
    response = api.send_file(data, name=None) if absent == "file" else api.send_file(data, purpose=None)
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": f"Missing required parameter: '{absent}'.",
        "type": "invalid_request_error",
        "param": absent,
        "code": code,
    }


@pytest.mark.parametrize("code", [None, "invalid_value"])
def test_05_an_unknown_purpose_is_refused(simulator: SimulatorServer, api: Any, line: Any, code: str | None) -> None:
    if code is not None:
        simulator.behaviour = Behaviour(codes={"purpose": code})
    response = api.send_file(json.dumps(line(1)).encode(), purpose="batches")
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (400, "invalid_request_error", code)
    assert error["param"] == "purpose"


@pytest.mark.parametrize("purpose", ["assistants", "fine-tune", "vision", "user_data", "evals"])
def test_05_the_other_purposes_are_known(api: Any, purpose: str) -> None:
    file = api.send_file(b"anything", name="notes.txt", purpose=purpose).json()
    assert (file["purpose"], file["expires_at"]) == (purpose, None)


def test_06_a_name_that_is_not_jsonl_is_refused(client: openai.OpenAI, line: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.files.create(file=("notes.txt", json.dumps(line(1)).encode()), purpose="batch")
    assert refusal.value.response.json() == {
        "error": {
            "message": "Invalid file format for Batch API. Must be .jsonl",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }


@pytest.mark.parametrize("data", [b"", b"custom_id,method\n", b'{"custom_id": "a"', b'{"a": 1} {"b": 2}\n'])
def test_07_an_empty_file_or_a_first_line_that_is_no_json_is_refused(api: Any, data: bytes) -> None:
    response = api.send_file(data)
    assert response.status_code == 400
    message = response.json()["error"]["message"].lower()
    assert "invalid file format" in message
    assert "jsonl" in message


def test_08_a_broken_second_line_shows_in_the_batch(api: Any, line: Any) -> None:
    faults = api.errors([line(1), "{broken"])
    assert [(fault["code"], fault["line"]) for fault in faults] == [("invalid_json_line", 2)]


def test_09_lines_without_method_can_be_uploaded(api: Any, line: Any) -> None:
    without = {name: value for name, value in line(1).items() if name != "method"}
    assert api.upload([without]).startswith("file-")


def test_10_a_file_over_the_limit_is_refused(simulator: SimulatorServer, api: Any, line: Any) -> None:
    assert simulator.behaviour.max_file_bytes == 200_000_000
    data = json.dumps(line(1)).encode()
    simulator.behaviour = Behaviour(max_file_bytes=len(data))
    assert api.send_file(data).status_code == 200
    response = api.send_file(data + b"\n")
    assert response.status_code == 400
    assert response.json() == {
        "error": {"message": "File is too large.", "type": "invalid_request_error", "param": None, "code": None}
    }


def test_11_an_edge_proxy_may_refuse_a_big_body(simulator: SimulatorServer, client: openai.OpenAI, api: Any) -> None:
    simulator.behaviour = Behaviour(edge_limit_bytes=1_000)
    response = api.send_file(b" " * 1_000)
    assert response.status_code == 413
    assert response.headers["content-type"] == "text/html"
    assert "413 Request Entity Too Large" in response.text
    with pytest.raises(openai.APIStatusError) as refusal:
        client.files.create(file=("a.jsonl", b" " * 1_000), purpose="batch")
    assert refusal.value.status_code == 413


@pytest.mark.parametrize("given", [b"bytes", "part"])
def test_12_plain_bytes_come_under_the_name_upload(client: openai.OpenAI, api: Any, line: Any, given: object) -> None:
    data = json.dumps(line(1)).encode()
    if given == "part":
        assert api.send_file(data, name="upload").json()["filename"] == "upload"
    else:
        assert client.files.create(file=data, purpose="batch").filename == "upload"


def test_13_a_fresh_file_may_404_for_a_moment(simulator: SimulatorServer, api: Any, line: Any) -> None:
    assert api.get(f"/v1/files/{api.upload([line(1)])}")["object"] == "file"
    simulator.behaviour = Behaviour(file_lag=1)
    fresh = api.upload([line(1)])
    assert api.refused("GET", f"/v1/files/{fresh}")[0] == 404
    simulator.forward(1)
    assert api.get(f"/v1/files/{fresh}")["id"] == fresh


@pytest.mark.parametrize("text", ["No such File object: {id}", "There is no file {id}."])
@pytest.mark.parametrize("state", ["unknown", "deleted", "expired"])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/content")])
def test_14_a_file_that_is_gone_is_a_404(
    simulator: SimulatorServer, api: Any, line: Any, text: str, state: str, method: str, tail: str
) -> None:
    if not text.startswith("No such"):
        simulator.behaviour = Behaviour(texts={"no_such_file": text})
    name = api.upload([line(1)], **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
    if state == "unknown":
        name = "file-abc"
    elif state == "deleted":
        api.delete(f"/v1/files/{name}")
    else:
        simulator.forward(3600)
    status, error = api.refused(method, f"/v1/files/{name}{tail}")
    assert status == 404
    assert error == {
        "message": text.replace("{id}", name),
        "type": "invalid_request_error",
        "param": "id",
        "code": None,
    }


def test_15_delete_says_so(client: openai.OpenAI, api: Any, line: Any) -> None:
    name = api.upload([line(1)])
    assert api.delete(f"/v1/files/{name}") == {"id": name, "object": "file", "deleted": True}
    assert client.files.delete(api.upload([line(1)])).deleted


def test_16_files_are_listed_by_purpose_order_and_page(client: openai.OpenAI, api: Any, line: Any) -> None:
    batches = [api.batch(1) for _ in range(4)]
    outputs = [api.ended(batch)["output_file_id"] for batch in batches]
    first = api.get("/v1/files", purpose="batch_output", order="desc", limit=2)
    newest = first["data"][0]["created_at"]
    assert all(file["created_at"] <= newest for file in first["data"])
    assert (first["object"], first["has_more"]) == ("list", True)
    assert (first["first_id"], first["last_id"]) == (first["data"][0]["id"], first["data"][1]["id"])
    rest = api.get("/v1/files", purpose="batch_output", order="desc", limit=2, after=first["last_id"])
    assert rest["has_more"] is False
    assert sorted(file["id"] for file in first["data"] + rest["data"]) == sorted(outputs)
    inputs = [batch["input_file_id"] for batch in batches]
    assert [file.id for file in client.files.list(purpose="batch", order="asc", limit=3)] == inputs
    assert len(api.get("/v1/files")["data"]) == 8


def test_17_content_is_the_bytes_of_a_file(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, line: Any
) -> None:
    batch = api.ended(api.batch(3))
    content = client.files.content(batch["output_file_id"]).content
    assert len(content) == api.get(f"/v1/files/{batch['output_file_id']}")["bytes"]
    assert content.endswith(b"\n")
    assert {json.loads(text)["custom_id"] for text in content.splitlines()} == {"line-0", "line-1", "line-2"}
    sent = json.dumps(line(7)).encode()
    name = api.upload(sent)
    assert api.content(name) == sent
    simulator.behaviour = Behaviour(download_input=False)
    status, error = api.refused("GET", f"/v1/files/{name}/content")
    assert (status, error["message"]) == (400, "Not allowed to download files of purpose: batch")
    assert client.files.content(batch["output_file_id"]).content == content


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, None),
        ("bytes=-5", 206, -5, None),
        ("bytes=5-99999999", 206, 5, None),
        ("bytes=0-0,2-3", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=-", 200, 0, None),
    ],
)
def test_17_content_has_ranges(api: Any, line: Any, wanted: str, status: int, first: int, last: int | None) -> None:
    sent = json.dumps(line(7)).encode()
    response = api.request("GET", f"/v1/files/{api.upload(sent)}/content", headers={"range": wanted})
    assert response.status_code == status
    assert response.content == sent[first:last]
    if status == 206:
        start = first % len(sent)
        ends = start + len(response.content) - 1
        assert response.headers["content-range"] == f"bytes {start}-{ends}/{len(sent)}"


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=-0", "bytes=5-2"])
def test_17_a_range_that_is_not_there_is_a_416(api: Any, line: Any, wanted: str) -> None:
    sent = json.dumps(line(7)).encode()
    response = api.request("GET", f"/v1/files/{api.upload(sent)}/content", headers={"range": wanted})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(sent)}"


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/content")])
def test_18_a_file_of_another_project_is_not_there(api: Any, api_of: Any, line: Any, method: str, tail: str) -> None:
    name, other = api.upload([line(1)]), api_of("key-of-another-project")
    status, error = other.refused(method, f"/v1/files/{name}{tail}")
    assert (status, error["message"]) == (404, f"No such File object: {name}")
    assert other.get("/v1/files")["data"] == []
    assert api.get(f"/v1/files/{name}")["id"] == name
