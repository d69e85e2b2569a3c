"""Cases 78 to 85: lists, keys, transport."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
KEYS = {
    "keys": [
        {"key": "key-one", "project": "a"},
        {"key": "key-two", "project": "a"},
        {"key": "sk-proj-0123456789abcdef", "project": "b"},
        {"key": "restricted", "project": "a", "scopes": ["api.files.read", "api.batches.read"]},
    ]
}


@pytest.mark.parametrize("newest_first", [True, False])
def test_78_batches_are_listed_by_20(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, newest_first: bool
) -> None:
    simulator.behaviour = Behaviour(newest_first=newest_first)
    simulator.faults.hold_batches()
    file_id = api.batch(1)["input_file_id"]
    first_id = api.get("/v1/batches")["data"][0]["id"]
    ids = [first_id, *(api.create(file_id)["id"] for _ in range(24))]
    if newest_first:
        ids.reverse()
    page = api.get("/v1/batches")
    assert list(page) == ["object", "data", "first_id", "last_id", "has_more"]
    assert (page["object"], page["has_more"]) == ("list", True)
    assert [batch["id"] for batch in page["data"]] == ids[:20]
    assert (page["first_id"], page["last_id"]) == (ids[0], ids[19])
    rest = api.get("/v1/batches", after=ids[19], limit=5)
    assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == (ids[20:], False)
    assert [batch.id for batch in client.batches.list(limit=7)] == ids


@pytest.mark.parametrize("empty", ["null", "absent"])
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files"])
def test_78_an_empty_list_has_no_ids(simulator: SimulatorServer, api: Any, path: str, empty: Any) -> None:
    simulator.behaviour = Behaviour(empty_list_ids=empty)
    ids = {"first_id": None, "last_id": None} if empty == "null" else {}
    assert api.get(path) == {"object": "list", "data": [], **ids, "has_more": False}


@pytest.mark.parametrize("own_codes", [False, True])
@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("/v1/batches", "limit=0", "limit"),
        ("/v1/batches", "limit=101", "limit"),
        ("/v1/batches", "limit=ten", "limit"),
        ("/v1/batches", "limit=-1", "limit"),
        ("/v1/batches", "limit=99999999999999999999", "limit"),
        ("/v1/batches", "after=batch_0", "after"),
        ("/v1/files", "limit=10001", "limit"),
        ("/v1/files", "after=file-0", "after"),
    ],
)
def test_79_a_limit_out_of_range_and_an_unknown_after_are_refused(
    simulator: SimulatorServer, api: Any, path: str, query: str, param: str, own_codes: bool
) -> None:
    if own_codes:
        simulator.behaviour = Behaviour(codes={"list_limit": "bad_limit", "list_after": "bad_after"})
    status, error = api.refused("GET", f"{path}?{query}")
    assert (status, error["param"]) == (400, param)
    assert error["code"] == (f"bad_{param}" if own_codes else "invalid_value")


def test_80_a_batch_of_another_project_is_not_there(simulator: SimulatorServer, api: Any, api_of: Any) -> None:
    simulator.keys = KeyRing.from_data(KEYS)
    batch, other = api.batch(1), api_of("sk-proj-0123456789abcdef")
    for method, path in (("GET", f"/v1/batches/{batch['id']}"), ("POST", f"/v1/batches/{batch['id']}/cancel")):
        status, error = other.refused(method, path)
        assert status == 404
        assert error == {
            "message": f"No batch found with id '{batch['id']}'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    assert other.get("/v1/batches")["data"] == []
    assert api_of("key-two").retrieve(batch)["id"] == batch["id"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/v1/batches", "/v1/batches/batch_0"])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic a2V5", "key-one"])
def test_81_without_a_key_it_is_a_401(http_client: Any, simulator: SimulatorServer, path: str, header: str) -> None:
    headers = {} if header is None else {"authorization": header}
    response = http_client.get(simulator.base_url.removesuffix("/v1") + path, headers=headers)
    error = response.json()["error"]
    assert response.status_code == 401
    assert error["message"].startswith("You didn't provide an API key.")
    assert (error["type"], error["code"]) == ("invalid_request_error", None)


@pytest.mark.parametrize("code", ["invalid_api_key", "unauthorized"])
def test_81_a_wrong_key_is_a_401(simulator: SimulatorServer, code: str) -> None:
    simulator.keys = KeyRing.from_data(KEYS)
    if code != "invalid_api_key":
        simulator.behaviour = Behaviour(codes={"wrong_api_key": code})
    secret = "sk-proj-" + "abcd1234" * 4 + "last"
    with (
        openai.OpenAI(base_url=simulator.base_url, api_key=secret, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as refusal,
    ):
        client.models.list()
    error = refusal.value.body
    assert isinstance(error, dict)
    assert error["message"].startswith("Incorrect API key provided: ****")
    assert error["message"].endswith("last.")
    assert "abcd1234" not in error["message"]
    assert error["code"] == code


@pytest.mark.parametrize("status", [401, 403])
def test_82_a_restricted_key_lacks_scopes(simulator: SimulatorServer, api_of: Any, body: Any, status: Any) -> None:
    simulator.keys = KeyRing.from_data(KEYS)
    simulator.behaviour = Behaviour(scope_status=status)
    restricted = api_of("restricted")
    assert restricted.get("/v1/files")["data"] == restricted.get("/v1/batches")["data"] == []
    lacking = {
        "api.files.write": restricted.refused("POST", "/v1/files"),
        "api.batches.write": restricted.refused("POST", "/v1/batches", json={}),
        "model.request": restricted.refused("POST", CHAT, json=body(CHAT, "Hello")),
        "api.model.read": restricted.refused("GET", "/v1/models"),
    }
    for scope, (given, error) in lacking.items():
        assert given == status
        text = f"You have insufficient permissions for this operation. Missing scopes: {scope}"
        assert error["message"].startswith(text)


def test_83_a_result_file_may_be_a_502_again_and_again(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any
) -> None:
    async def bad_gateway(exchange: Exchange) -> None:
        if exchange.call == "files.content":
            await exchange.send(
                HttpReply(502, b"<html>502 Bad Gateway</html>", headers=[(b"content-type", b"text/html")])
            )
        else:
            await exchange.answer()

    batch = api.ended(api.batch(1))
    simulator.intercept(bad_gateway)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            client.files.content(batch["output_file_id"])
    assert client.batches.retrieve(batch["id"]).status == "completed"
    simulator.intercept(None)
    assert client.files.content(batch["output_file_id"]).text


@pytest.mark.parametrize("lag", [0, 30])
def test_84_a_new_batch_may_be_missing_from_the_list(simulator: SimulatorServer, api: Any, lag: float) -> None:
    simulator.behaviour = Behaviour(list_lag=lag, validating_seconds=(5, 5))
    simulator.faults.hold_batches()  # or looking at the list would take time on
    batch = api.batch(1)
    assert api.retrieve(batch)["id"] == batch["id"]
    assert [seen["id"] for seen in api.get("/v1/batches")["data"]] == ([] if lag == 30 else [batch["id"]])
    simulator.forward(30)
    assert [seen["id"] for seen in api.get("/v1/batches")["data"]] == [batch["id"]]


def test_85_a_create_may_be_applied_without_a_reply(
    simulator: SimulatorServer, client: openai.OpenAI, api: Any, line: Any
) -> None:
    file_id = api.upload([line(1)])
    simulator.faults.drop_create_reply()
    with pytest.raises(openai.APIConnectionError):
        client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    (batch,) = api.get("/v1/batches")["data"]
    assert batch["input_file_id"] == file_id


def test_85_the_sdks_own_retry_makes_a_second_batch(simulator: SimulatorServer, api: Any, line: Any) -> None:
    file_id = api.upload([line(1)])
    simulator.faults.drop_create_reply()
    with openai.OpenAI(base_url=simulator.base_url, api_key="key-one", max_retries=1) as client:
        known = client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    ids = [batch["id"] for batch in api.get("/v1/batches")["data"]]
    assert len(ids) == 2
    assert known.id in ids
