"""Gemini's batches and files over raw HTTP: what Google's API reference and guide to batches say of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pytest_batcheval.simulator.behaviour import Behaviour

MODEL = "gemini-2.5-flash"
CREATE = f"/v1beta/models/{MODEL}:batchGenerateContent"
KEY = "0123456789abcdef" * 2 + "01234567"
NOT_THERE = "You do not have permission to access the File nobody or it may not exist."


def request(words: str = "How do you sleep?", **more: Any) -> dict[str, Any]:
    return {"contents": [{"parts": [{"text": words}], "role": "user"}], **more}


def jsonl(count: int = 3, **more: Any) -> bytes:
    lines = [{"key": f"r-{n}", "request": request(f"Question {n}", **more)} for n in range(count)]
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.fixture
def api(provider: Callable[..., Any]) -> Any:
    return provider("gemini")


def announce(api: Any, size: int, **headers: str) -> Any:
    given = {"x-goog-upload-command": "start", "x-goog-upload-header-content-length": str(size), **headers}
    about = {"file": {"display_name": "in.jsonl", "mimeType": "application/jsonl"}}
    return api.request("POST", "/upload/v1beta/files", json=about, headers=given)


def send(api: Any, url: str, data: bytes, offset: int = 0, command: str = "upload, finalize") -> Any:
    headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
    return api.request("POST", url, content=data, headers=headers)


def upload(api: Any, data: bytes) -> dict[str, Any]:
    url = announce(api, len(data)).headers["x-goog-upload-url"]
    return dict(send(api, url, data).json()["file"])


def create(api: Any, config: dict[str, Any], name: str = "mine") -> dict[str, Any]:
    return dict(api.good("POST", CREATE, json={"batch": {"displayName": name, "inputConfig": config}}))


def of_file(api: Any, data: bytes | None = None) -> dict[str, Any]:
    return create(api, {"fileName": upload(api, jsonl() if data is None else data)["name"]})


def ended(api: Any, operation: dict[str, Any]) -> dict[str, Any]:
    for _ in range(50):
        if operation.get("done"):
            return operation
        operation = api.good("GET", f"/v1beta/{operation['name']}")
    raise AssertionError(operation)


def responses(api: Any, operation: dict[str, Any]) -> list[dict[str, Any]]:
    name = operation["response"]["responsesFile"]
    return list(api.lines(f"/v1beta/{name}:download?alt=media"))


def refused(response: Any) -> tuple[int, str, str]:
    error = response.json()["error"]
    assert error["code"] == response.status_code
    return error["code"], error["status"], error["message"]


def test_a_batch_from_its_upload_to_its_responses(api) -> None:
    operation = of_file(api)
    batch = operation["metadata"]
    assert operation["name"] == batch["name"]
    assert operation["name"].startswith("batches/")
    assert (batch["state"], batch["model"], batch["displayName"]) == ("BATCH_STATE_PENDING", f"models/{MODEL}", "mine")
    assert batch["batchStats"] == {"requestCount": "3", "pendingRequestCount": "3"}
    assert not {"done", "response", "error"} & set(operation)
    done = ended(api, operation)
    assert (done["metadata"]["state"], done["done"]) == ("BATCH_STATE_SUCCEEDED", True)
    assert done["metadata"]["batchStats"] == {"requestCount": "3", "successfulRequestCount": "3"}
    times = [datetime.fromisoformat(done["metadata"][name]) for name in ("createTime", "endTime")]
    assert times[0] < times[1]
    assert done["metadata"]["output"]["responsesFile"] == done["response"]["responsesFile"]
    lines = responses(api, done)
    assert [line["key"] for line in lines] == ["r-0", "r-1", "r-2"]  # in the order of the requests
    answer = lines[0]["response"]
    assert (answer["modelVersion"], answer["candidates"][0]["finishReason"]) == (MODEL, "STOP")
    usage = answer["usageMetadata"]
    assert [one.tokens for one in api.server.ledger.executions if one.custom_id == "r-0"] == [usage["totalTokenCount"]]


def test_our_keys_are_billed_under_themselves(api) -> None:
    ended(api, of_file(api, json.dumps({"key": KEY, "request": request()}).encode()))
    assert api.server.ledger.billed() == {KEY: 1}


def test_states_between(api) -> None:
    api.server.faults.hold_batches()
    operation = of_file(api)
    seen = [api.good("GET", f"/v1beta/{operation['name']}")["metadata"]["state"] for _ in range(3)]
    assert seen[-1] == "BATCH_STATE_RUNNING"


def test_requests_of_a_create_are_answered_in_their_order_with_their_metadata(api) -> None:
    inline = [{"request": request(f"Question {n}"), "metadata": {"key": f"k-{n}"}} for n in range(3)]
    inline.append({"request": request(temperature=3)})
    done = ended(api, create(api, {"requests": {"requests": inline}}))
    found = done["response"]["inlinedResponses"]["inlinedResponses"]
    assert [one["metadata"] for one in found] == [{"key": "k-0"}, {"key": "k-1"}, {"key": "k-2"}, {}]
    assert all(one["response"]["candidates"] for one in found[:3])
    assert found[3]["error"] == {
        "code": 3,
        "message": 'Invalid JSON payload received. Unknown name "temperature": Cannot find field.',
    }
    (listed,) = api.good("GET", "/v1beta/batches")["operations"]
    assert "response" not in listed  # the responses are only in the batch itself


def test_lines_without_key_are_requests_themselves(api) -> None:
    done = ended(api, of_file(api, json.dumps(request()).encode()))
    assert responses(api, done)[0]["response"]["candidates"]


@pytest.mark.parametrize("line", [b"nonsense", b'{"key": "a"}', b"[]"])
def test_a_line_that_is_no_request_fails_the_batch(api, line) -> None:
    done = ended(api, of_file(api, jsonl() + b"\n" + line))
    assert done["metadata"]["state"] == "BATCH_STATE_FAILED"
    assert done["error"] == {"code": 3, "message": "This line is not parseable as valid JSON."}
    assert "response" not in done
    assert not api.server.ledger.executions


def test_a_request_that_is_refused_has_an_error_in_its_line(api) -> None:
    done = ended(api, of_file(api, jsonl(1) + b"\n" + jsonl(1, generationConfig={"thinking": 1})))
    assert done["metadata"]["batchStats"] == {
        **{"requestCount": "2", "successfulRequestCount": "1", "failedRequestCount": "1"},
    }
    error = responses(api, done)[1]["error"]
    assert (error["code"], "\"thinking\" at 'generation_config'" in error["message"]) == (3, True)


def test_an_expired_batch_has_no_responses_and_is_not_billed(api) -> None:
    api.server.faults.expire_next_batch(after=1)
    done = ended(api, of_file(api))
    assert (done["metadata"]["state"], "response" in done) == ("BATCH_STATE_EXPIRED", False)
    times = [datetime.fromisoformat(done["metadata"][name]) for name in ("createTime", "endTime")]
    assert (times[1] - times[0]).total_seconds() == 48 * 3_600
    assert not api.server.ledger.billed()


def test_a_cancel_stops_a_batch_at_once(api) -> None:
    operation = of_file(api)
    assert api.good("POST", f"/v1beta/{operation['name']}:cancel") == {}
    done = ended(api, operation)
    assert (done["metadata"]["state"], done["error"]["code"]) == ("BATCH_STATE_CANCELLED", 1)
    assert api.good("POST", f"/v1beta/{operation['name']}:cancel") == {}
    assert api.good("DELETE", f"/v1beta/{operation['name']}") == {}
    response = api.request("GET", f"/v1beta/{operation['name']}")
    assert refused(response)[:2] == (404, "NOT_FOUND")


def test_a_batch_that_runs_is_not_deleted(api) -> None:
    assert refused(api.request("DELETE", f"/v1beta/{of_file(api)['name']}"))[:2] == (400, "INVALID_ARGUMENT")


def test_lists_have_pages(api) -> None:
    assert api.good("GET", "/v1beta/batches") == {}
    name = upload(api, jsonl(1))["name"]
    made = [create(api, {"fileName": name})["name"] for _ in range(12)]
    first = api.good("GET", "/v1beta/batches")
    assert len(first["operations"]) == 10
    rest = api.good("GET", "/v1beta/batches", params={"pageToken": first["nextPageToken"], "pageSize": 9_000})
    assert "nextPageToken" not in rest
    assert [one["name"] for one in first["operations"] + rest["operations"]] == made[::-1]
    files = api.good("GET", "/v1/files", params={"pageSize": 100})["files"]
    assert [file["name"] for file in files if file["source"] == "UPLOADED"] == [name]
    assert refused(api.request("GET", "/v1beta/batches", params={"pageSize": "many"}))[0] == 400


def test_an_upload_in_parts(api) -> None:
    data = jsonl()
    begun = announce(api, len(data))
    assert begun.headers["x-goog-upload-status"] == "active"
    url = begun.headers["x-goog-upload-url"]
    assert send(api, url, data[:5], command="upload").headers["x-goog-upload-status"] == "active"
    assert refused(send(api, url, data[5:], offset=4))[0] == 400
    response = send(api, url, data[5:], offset=5)
    assert response.headers["x-goog-upload-status"] == "final"
    file = response.json()["file"]
    assert (file["sizeBytes"], file["state"], file["displayName"]) == (str(len(data)), "ACTIVE", "in.jsonl")
    times = [datetime.fromisoformat(file[name]) for name in ("createTime", "expirationTime")]
    assert (times[1] - times[0]).total_seconds() == 48 * 3_600
    assert api.good("GET", f"/v1beta/{file['name']}") == file
    assert refused(send(api, url, b"", offset=len(data)))[0] == 404


def test_uploads_that_are_refused(api) -> None:
    assert refused(announce(api, 2_000_000_001))[0] == 400
    assert refused(announce(api, 5, **{"x-goog-upload-command": "upload"}))[0] == 400
    url = announce(api, 5).headers["x-goog-upload-url"]
    assert refused(send(api, url, b"1234"))[0] == 400
    assert api.good("GET", "/v1beta/files") == {}


def test_what_was_uploaded_cannot_be_read_back(api) -> None:
    file = upload(api, jsonl())
    assert "downloadUri" not in file
    assert refused(api.request("GET", f"/v1beta/{file['name']}:download?alt=media"))[0] == 400
    assert api.good("DELETE", f"/v1beta/{file['name']}") == {}


def test_a_file_that_is_not_there_may_be_another_s(api) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", ":download")):
        response = api.request(method, f"/v1beta/files/nobody{path}")
        assert refused(response) == (403, "PERMISSION_DENIED", NOT_THERE)
    body = {"batch": {"inputConfig": {"fileName": "files/nobody"}}}
    assert refused(api.request("POST", CREATE, json=body)) == (403, "PERMISSION_DENIED", NOT_THERE)


def test_responses_are_kept_for_48_hours(api) -> None:
    done = ended(api, of_file(api))
    api.server.forward(49 * 3_600)
    name = done["response"]["responsesFile"]
    assert refused(api.request("GET", f"/v1beta/{name}:download?alt=media"))[0] == 403
    assert api.good("GET", f"/v1beta/{done['name']}")["metadata"]["state"] == "BATCH_STATE_SUCCEEDED"


@pytest.mark.parametrize(
    "config",
    [{}, {"fileName": "files/a", "requests": {"requests": [{}]}}, {"requests": {"requests": []}}, {"requests": {}}],
)
def test_a_create_that_is_refused(api, config) -> None:
    response = api.request("POST", CREATE, json={"batch": {"displayName": "d", "inputConfig": config}})
    assert refused(response)[:2] == (400, "INVALID_ARGUMENT")
    assert api.good("GET", "/v1beta/batches") == {}


def test_a_model_that_does_not_exist(api, provider) -> None:
    known = provider("gemini", behaviour=Behaviour())
    body = {"batch": {"inputConfig": {"requests": {"requests": [{"request": request()}]}}}}
    response = known.request("POST", "/v1beta/models/claude-m:batchGenerateContent", json=body)
    assert refused(response)[:2] == (404, "NOT_FOUND")
    assert known.request("GET", "/v1beta/models/claude-m").status_code == 404
    known.stop()


def test_keys(api, http_client) -> None:
    def status(**headers: str) -> tuple[int, str, str]:
        return refused(http_client.get(f"{api.server.base_url}/v1beta/batches", headers=headers))

    assert status()[:2] == (403, "PERMISSION_DENIED")
    assert status(authorization="Bearer key-one")[:2] == (403, "PERMISSION_DENIED")


def test_a_wrong_key_is_an_invalid_argument(provider) -> None:
    from pytest_batcheval.simulator.api_keys import KeyRing

    keys = KeyRing.from_data({"keys": [{"key": "another", "project": "p"}, {"key": "key-one", "project": "p"}]})
    api = provider("gemini", keys=keys)
    response = api.request("GET", "/v1beta/batches", headers={"x-goog-api-key": "unknown"})
    assert refused(response) == (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
    assert response.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    api.stop()


def test_a_lost_create_is_found_by_its_name(api) -> None:
    name = upload(api, jsonl())["name"]
    api.server.misbehave({"fault": "status_after", "status": 503})
    body = {"batch": {"display_name": "ours", "input_config": {"file_name": name}}}
    assert api.request("POST", CREATE, json=body).status_code == 503
    (found,) = api.good("GET", "/v1beta/batches")["operations"]
    assert found["metadata"]["displayName"] == "ours"


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"fault": "unknown_status"}, "BATCH_STATE_PAUSED"),
        ({"fault": "stuck"}, "BATCH_STATE_RUNNING"),
        ({"fault": "status_backwards"}, "BATCH_STATE_PENDING"),
    ],
)
def test_faults_are_in_the_words_of_the_dialect(api, fault, seen) -> None:
    done = ended(api, of_file(api))
    api.server.misbehave(fault)
    found = api.good("GET", f"/v1beta/{done['name']}")
    assert (found["metadata"]["state"], "done" in found) == (seen, False)


@pytest.mark.parametrize(
    ("fault", "keys"),
    [
        ("duplicate_line", ["r-0", "r-1", "r-0"]),
        ("foreign_line", ["r-0", "r-1", "somebody-elses"]),
        ("conflicting_line", ["r-0", "r-1", "r-0"]),
        ("status_zero_line", ["r-0", "r-1"]),
    ],
)
def test_faults_of_lines(api, fault, keys) -> None:
    api.server.misbehave({"fault": fault, "custom_id": "r-0"})
    lines = responses(api, ended(api, of_file(api, jsonl(2))))
    assert [line["key"] for line in lines] == keys
    if fault == "conflicting_line":
        assert lines[2]["response"] != lines[0]["response"]
    if fault == "status_zero_line":
        assert lines[0]["response"] == {}


def test_page_repeats(api) -> None:
    for _ in range(3):
        create(api, {"requests": {"requests": [{"request": request()}]}})
    api.server.misbehave({"fault": "page_repeats", "times": 2})
    first = api.good("GET", "/v1beta/batches", params={"pageSize": 2})
    again = api.good("GET", "/v1beta/batches", params={"pageSize": 2, "pageToken": first["nextPageToken"]})
    assert [one["name"] for one in again["operations"]] == [one["name"] for one in first["operations"]]
    assert again["nextPageToken"] == first["nextPageToken"]
