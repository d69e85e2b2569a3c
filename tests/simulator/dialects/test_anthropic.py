"""Message Batches over raw HTTP: what the API reference and the guide to batch processing say of them."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.faults.plan import FaultPlan

BATCHES = "/v1/messages/batches"
MODEL = "claude-haiku-5-5"
KEY = "0123456789abcdef" * 2 + "01234567"
COUNTS = {"processing", "succeeded", "errored", "canceled", "expired"}


def marked(key: str, tail: str) -> str:
    """A `custom_id` that packs a key and has a mark behind it."""
    return "1" + base64.urlsafe_b64encode(bytes.fromhex(key)).decode().rstrip("=") + tail.rjust(23, "A")


def params(words: str = "How do you sleep?", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": words}], **more}


def requests(count: int, **more: Any) -> dict[str, Any]:
    return {"requests": [{"custom_id": f"r-{n}", "params": params(f"Question {n}", **more)} for n in range(count)]}


@pytest.fixture
def api(provider: Callable[..., Any]) -> Any:
    return provider("anthropic")


def create(api: Any, body: dict[str, Any] | int = 3) -> dict[str, Any]:
    return dict(api.good("POST", BATCHES, json=requests(body) if isinstance(body, int) else body))


def ended(api: Any, batch: dict[str, Any]) -> dict[str, Any]:
    for _ in range(50):
        if batch["processing_status"] == "ended":
            return batch
        batch = api.good("GET", f"{BATCHES}/{batch['id']}")
    raise AssertionError(batch)


def results(api: Any, batch: dict[str, Any]) -> dict[str, dict[str, Any]]:
    lines = api.lines(batch["results_url"])
    assert all(set(line) == {"custom_id", "result"} for line in lines)
    found = {line["custom_id"]: line["result"] for line in lines}
    assert len(found) == len(lines)
    counts = Counter(result["type"] for result in found.values())
    assert {name: count for name, count in batch["request_counts"].items() if count} == dict(counts)
    return found


def refused(response: Any) -> tuple[int, str, str]:
    body = response.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"]
    return response.status_code, body["error"]["type"], body["error"]["message"]


def test_a_batch_from_its_create_to_its_results(api) -> None:
    batch = create(api)
    assert batch["id"].startswith("msgbatch_01")
    assert (batch["type"], batch["processing_status"]) == ("message_batch", "in_progress")
    assert batch["request_counts"] == dict.fromkeys(COUNTS, 0) | {"processing": 3}
    times = [datetime.fromisoformat(batch[name]) for name in ("created_at", "expires_at")]
    assert (times[1] - times[0]).total_seconds() == 86_400
    empty = ("ended_at", "cancel_initiated_at", "archived_at", "results_url")
    assert [batch[name] for name in empty] == [None] * 4
    done = ended(api, batch)
    assert done["request_counts"] == dict.fromkeys(COUNTS, 0) | {"succeeded": 3}
    assert datetime.fromisoformat(done["ended_at"]) > times[0]
    message = results(api, done)["r-1"]["message"]
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", MODEL)
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert [block["type"] for block in message["content"]] == ["text"]
    assert message["usage"]["service_tier"] == "batch"
    assert [e.tokens for e in api.server.ledger.executions if e.custom_id == "r-1"] == [
        message["usage"]["input_tokens"] + message["usage"]["output_tokens"]
    ]


def test_results_are_in_another_order_and_of_mixed_models(api) -> None:
    body = requests(12)
    body["requests"][3]["params"]["model"] = "claude-sonnet-4-5"
    found = results(api, ended(api, create(api, body)))
    assert list(found) != [request["custom_id"] for request in body["requests"]]
    assert found["r-3"]["message"]["model"] == "claude-sonnet-4-5-20250929"


def test_a_params_object_is_checked_when_its_request_runs(api) -> None:
    body = requests(2)
    body["requests"][1]["params"] = {"model": "claude-nobody", "messages": []}
    batch = ended(api, create(api, body))
    assert batch["request_counts"] == dict.fromkeys(COUNTS, 0) | {"succeeded": 1, "errored": 1}
    error = results(api, batch)["r-1"]["error"]
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert error["error"]["message"] == "max_tokens: Field required"
    assert sum(api.server.ledger.billed().values()) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "requests: Field required"),
        ({"requests": "r"}, "requests: Input should be a valid list"),
        ({"requests": []}, "requests: List should have at least 1 item after validation, not 0"),
        ({"requests": ["r"]}, "requests.0: Input should be a valid dictionary"),
        ({"requests": [{"params": {}}]}, "requests.0.custom_id: Field required"),
        ({"requests": [{"custom_id": 1}]}, "requests.0.custom_id: Input should be a valid string"),
        ({"requests": [{"custom_id": "a" * 65}]}, "requests.0.custom_id: String should have at most 64 characters"),
        (
            {"requests": [{"custom_id": "a b"}]},
            "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ),
        (
            {"requests": [{"custom_id": "a\n"}]},
            "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ),
        ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
    ],
)
def test_a_create_that_is_refused(api, body, message) -> None:
    assert refused(api.request("POST", BATCHES, json=body)) == (400, "invalid_request_error", message)
    assert api.good("GET", BATCHES)["data"] == []


def test_too_many_requests_are_refused(provider) -> None:
    small = provider("anthropic", behaviour=Behaviour(max_requests=4))
    refusal = (400, "invalid_request_error", "requests: List should have at most 4 items after validation, not 5")
    assert refused(small.request("POST", BATCHES, json=requests(5))) == refusal
    small.stop()


def test_a_custom_id_twice_is_refused(api) -> None:
    body = requests(2)
    body["requests"][1]["custom_id"] = "r-0"
    status, kind, message = refused(api.request("POST", BATCHES, json=body))
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("requests.1.custom_id")


def test_the_limits_are_those_of_the_provider(api, provider) -> None:
    assert (api.server.behaviour.max_requests, api.server.behaviour.max_file_bytes) == (100_000, 256_000_000)
    small = provider("anthropic", behaviour=Behaviour(max_file_bytes=1_000))
    assert refused(small.request("POST", BATCHES, json=requests(9)))[:2] == (413, "request_too_large")
    small.stop()


def test_the_list_pages_both_ways(api) -> None:
    made = [create(api, 1)["id"] for _ in range(5)][::-1]
    page = api.good("GET", BATCHES, params={"limit": 2})
    assert [b["id"] for b in page["data"]] == made[:2]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[0], made[1], True)
    after = api.good("GET", BATCHES, params={"limit": 3, "after_id": made[1]})
    assert ([b["id"] for b in after["data"]], after["has_more"]) == (made[2:], False)
    before = api.good("GET", BATCHES, params={"limit": 2, "before_id": made[3]})
    assert ([b["id"] for b in before["data"]], before["has_more"]) == (made[1:3], True)
    assert set(page) == {"data", "first_id", "last_id", "has_more"}
    for query in ({"limit": 0}, {"limit": 1_001}, {"limit": "x"}, {"after_id": "nobody"}):
        assert refused(api.request("GET", BATCHES, params=query))[:2] == (400, "invalid_request_error")


def test_an_empty_list(api) -> None:
    assert api.good("GET", BATCHES) == {"data": [], "first_id": None, "last_id": None, "has_more": False}


def test_a_cancel_keeps_what_was_answered(api) -> None:
    batch = create(api, 8)
    api.server.forward(70)
    cancelled = api.good("POST", f"{BATCHES}/{batch['id']}/cancel")
    assert cancelled["processing_status"] == "canceling"
    assert cancelled["cancel_initiated_at"] is not None
    done = ended(api, cancelled)
    found = Counter(result["type"] for result in results(api, done).values())
    assert found["canceled"] + found["succeeded"] == 8
    assert found["canceled"]
    assert found["succeeded"] == sum(api.server.ledger.billed().values())
    assert api.good("POST", f"{BATCHES}/{batch['id']}/cancel")["processing_status"] == "ended"


def test_a_batch_that_is_cancelled_at_once(api) -> None:
    batch = create(api)
    api.good("POST", f"{BATCHES}/{batch['id']}/cancel")
    assert {r["type"] for r in results(api, ended(api, batch)).values()} == {"canceled"}


def test_a_batch_is_deleted_only_when_it_has_ended(api) -> None:
    batch = create(api)
    path = f"{BATCHES}/{batch['id']}"
    assert refused(api.request("DELETE", path))[:2] == (400, "invalid_request_error")
    url = ended(api, batch)["results_url"]
    assert api.good("DELETE", path) == {"id": batch["id"], "type": "message_batch_deleted"}
    for gone in (path, url):
        assert refused(api.request("GET", gone))[:2] == (404, "not_found_error")


def test_a_deleted_batch_leaves_no_files(provider, tmp_path) -> None:
    api = provider("anthropic", state_dir=tmp_path)
    batch = ended(api, create(api))
    assert len(list((tmp_path / "files").iterdir())) == 1
    api.good("DELETE", f"{BATCHES}/{batch['id']}")
    assert list((tmp_path / "files").iterdir()) == []
    api.stop()


def test_results_go_after_29_days(api) -> None:
    batch = ended(api, create(api))
    api.server.forward(29 * 86_400)
    archived = api.good("GET", f"{BATCHES}/{batch['id']}")
    assert archived["results_url"] is None
    kept = datetime.fromisoformat(archived["archived_at"]) - datetime.fromisoformat(batch["created_at"])
    assert kept.days == 29
    assert refused(api.request("GET", batch["results_url"]))[:2] == (404, "not_found_error")


def test_there_are_no_results_before_the_end(api) -> None:
    assert refused(api.request("GET", f"{BATCHES}/{create(api)['id']}/results"))[:2] == (404, "not_found_error")


def test_a_repeated_create_makes_a_second_batch(api) -> None:
    body = {"requests": [{"custom_id": marked(KEY, "BAAB"), "params": params()}]}
    for _ in range(2):
        ended(api, api.good("POST", BATCHES, json=body, headers={"idempotency-key": "same"}))
    assert api.server.ledger.billed() == {KEY: 2}
    assert len(api.good("GET", BATCHES)["data"]) == 2


def test_the_answer_depends_on_the_request_key_in_the_custom_id(api) -> None:
    ids = [KEY, marked(KEY, "BAAB"), marked(KEY, "CAAB"), marked(KEY[::-1], "BAAB"), "one", "two"]
    system = "You are a patient: isolated and fearful, immature"
    body = {"requests": [{"custom_id": name, "params": params(system=system)} for name in ids]}
    found = results(api, ended(api, create(api, body)))
    texts = [found[name]["message"]["content"][0]["text"] for name in ids]
    assert texts[0] == texts[1] == texts[2] != texts[3]
    assert texts[4] == texts[5]
    assert api.server.ledger.billed()[KEY] == 3
    assert found[ids[0]]["message"]["x_simulator"]["persona"] is not None


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"anthropic-version": "2023-06-01", "x-api-key": ""}, 401, "authentication_error"),
        ({"x-api-key": "key"}, 400, "invalid_request_error"),
        ({"anthropic-version": "2023-06-01", "authorization": "Bearer token"}, 200, ""),
    ],
)
def test_headers_that_a_request_needs(api, http_client, headers, status, kind) -> None:
    response = http_client.get(f"{api.server.base_url}{BATCHES}", headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["x-simulator"] == "pytest-batcheval"
    assert response.headers["x-simulator-clock"] == api.server.clock_address
    assert not kind or refused(response)[1] == kind


def test_paths_and_methods_that_do_not_exist(api) -> None:
    assert refused(api.request("GET", "/v1/files"))[:2] == (404, "not_found_error")
    assert refused(api.request("PUT", BATCHES))[:2] == (405, "invalid_request_error")
    assert refused(api.request("GET", f"{BATCHES}/msgbatch_nobody"))[:2] == (404, "not_found_error")


def test_models_are_listed_as_here(api) -> None:
    listed = api.good("GET", "/v1/models")
    assert {model["type"] for model in listed["data"]} == {"model"}
    assert MODEL in [model["id"] for model in listed["data"]]
    assert api.good("GET", "/v1/models/claude-haiku-4-5")["id"] == "claude-haiku-4-5-20251001"
    windows = {model["id"]: model["max_input_tokens"] for model in listed["data"]}
    assert windows["claude-haiku-4-5-20251001"] == 200_000


FAULTS: dict[str, tuple[dict[str, Any], Callable[[Any], None]]] = {}


def after(**fault: Any) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """A test of a server with that fault."""

    def register(check: Callable[[Any], None]) -> Callable[[Any], None]:
        FAULTS[check.__name__] = (fault, check)
        return check

    return register


def only(api: Any) -> dict[str, Any]:
    (batch,) = api.good("GET", BATCHES)["data"]
    return dict(batch)


@after(fault="reset_after")
def reset_after(api: Any) -> None:
    with pytest.raises(Exception, match=r"disconnected|reset|closed|read"):
        create(api)
    assert len(results(api, ended(api, only(api)))) == 3


@after(fault="reset_before", call="batches.create")
def reset_before(api: Any) -> None:
    with pytest.raises(Exception, match=r"disconnected|reset|closed|read"):
        create(api)
    assert api.good("GET", BATCHES)["data"] == []


@after(fault="status_after", status=502)
def status_after(api: Any) -> None:
    assert refused(api.request("POST", BATCHES, json=requests(3)))[:2] == (502, "api_error")
    assert len(results(api, ended(api, only(api)))) == 3


@after(fault="status", status=529, call="batches.create")
def overloaded(api: Any) -> None:
    assert refused(api.request("POST", BATCHES, json=requests(3)))[:2] == (529, "overloaded_error")


@after(fault="late", seconds=60)
def late(api: Any) -> None:
    with pytest.raises(Exception, match=r"disconnected|reset|closed|read"):
        create(api)
    assert api.good("GET", BATCHES)["data"] == []
    api.server.forward(61)
    assert only(api)["request_counts"]["processing"] + only(api)["request_counts"]["succeeded"] == 3


@after(fault="delay", call="batches.list", seconds=600)
def slow_list(api: Any) -> None:
    before = api.server.now()
    api.good("GET", BATCHES)
    assert api.server.now() == before + 600


@after(fault="list_lag", seconds=3_600)
def list_lag(api: Any) -> None:
    create(api)
    assert api.good("GET", BATCHES)["data"] == []
    assert only(api)


@after(fault="page_repeats")
def page_repeats(api: Any) -> None:
    ids = [create(api, 1)["id"] for _ in range(3)][::-1]
    page = api.good("GET", BATCHES, params={"limit": 1, "after_id": ids[1]})
    assert ([batch["id"] for batch in page["data"]], page["has_more"]) == (ids[:1], True)


@after(fault="batch_not_found")
def batch_not_found(api: Any) -> None:
    path = f"{BATCHES}/{create(api)['id']}"
    assert refused(api.request("GET", path))[:2] == (404, "not_found_error")
    assert api.good("GET", path)


@after(fault="unknown_status")
def unknown_status(api: Any) -> None:
    assert api.good("GET", f"{BATCHES}/{create(api)['id']}")["processing_status"] == "paused"


@after(fault="stuck", times=9)
def stuck(api: Any) -> None:
    path = f"{BATCHES}/{create(api)['id']}"
    seen = [api.good("GET", path) for _ in range(9)]
    assert {(batch["processing_status"], batch["results_url"]) for batch in seen} == {("in_progress", None)}


@after(fault="vanished", times=99)
def vanished(api: Any) -> None:
    path = f"{BATCHES}/{create(api)['id']}"
    statuses = [api.request("GET", path).status_code for _ in range(9)]
    assert (statuses[0], statuses[-1]) == (200, 404)


@after(fault="null_output", nth=[4])
def no_results_url(api: Any) -> None:
    path = f"{BATCHES}/{create(api)['id']}"
    seen = [api.good("GET", path) for _ in range(5)]
    assert [batch["results_url"] is None for batch in seen[2:]] == [False, True, False]


@after(fault="expired_output")
def expired_output(api: Any) -> None:
    url = ended(api, create(api))["results_url"]
    for _ in range(2):
        assert refused(api.request("GET", url))[:2] == (404, "not_found_error")


@after(fault="truncated")
def truncated(api: Any) -> None:
    url = ended(api, create(api))["results_url"]
    with pytest.raises(Exception, match=r"closed|incomplete|complete"):
        api.request("GET", url)
    assert len(api.lines(url)) == 3


@after(fault="drip", call="batches.retrieve", pieces=3, pause=0)
def drip(api: Any) -> None:
    assert api.good("GET", f"{BATCHES}/{create(api)['id']}")["type"] == "message_batch"


@after(fault="broken_line", custom_id="r-1", bytes_left=40)
def broken_line(api: Any) -> None:
    lines = api.request("GET", ended(api, create(api))["results_url"]).content.splitlines()
    assert sorted(len(line) == 40 for line in lines) == [False, False, True]


@after(fault="missing_line")
def missing_line(api: Any) -> None:
    assert len(api.lines(ended(api, create(api))["results_url"])) == 2


@after(fault="conflicting_line", custom_id="r-1")
def conflicting_line(api: Any) -> None:
    lines = api.lines(ended(api, create(api))["results_url"])
    kinds = [line["result"]["type"] for line in lines if line["custom_id"] == "r-1"]
    assert kinds == ["succeeded", "errored"]


@after(fault="status_zero_line", custom_id="r-1")
def status_zero_line(api: Any) -> None:
    lines = api.lines(ended(api, create(api))["results_url"])
    assert {"type": "errored", "error": None} in [line["result"] for line in lines]


@after(fault="foreign_line")
def foreign_line(api: Any) -> None:
    assert "somebody-elses" in [line["custom_id"] for line in api.lines(ended(api, create(api))["results_url"])]


@after(fault="fail_lines", match="Question 1", status_code=529)
def fail_lines(api: Any) -> None:
    error = results(api, ended(api, create(api)))["r-1"]["error"]["error"]
    assert error["type"] == "overloaded_error"


@after(fault="fail_lines", times=1)
def fail_a_key_once(api: Any) -> None:
    kinds = []
    for attempt in ("B", "C"):
        body = {"requests": [{"custom_id": marked(KEY, attempt), "params": params()}]}
        kinds += [result["type"] for result in results(api, ended(api, create(api, body))).values()]
    assert kinds == ["errored", "succeeded"]


@after(fault="expire_next_batch", after=2)
def expire(api: Any) -> None:
    batch = ended(api, create(api, 5))
    assert batch["ended_at"] == batch["expires_at"]
    assert Counter(r["type"] for r in results(api, batch).values()) == {"succeeded": 2, "expired": 3}
    assert sum(api.server.ledger.billed().values()) == 2


@after(fault="fail_next_batch", code="server_error", message="Sorry.")
def fail_batch(api: Any) -> None:
    found = results(api, ended(api, create(api)))
    assert [r["error"]["error"] for r in found.values()] == [{"type": "api_error", "message": "Sorry."}] * 3
    assert not api.server.ledger.executions


@after(fault="wrong_counts", nth=[9])
def wrong_counts(api: Any) -> None:
    body = requests(3)
    body["requests"][0]["params"] = {}
    path = f"{BATCHES}/{create(api, body)['id']}"
    counts = [api.good("GET", path)["request_counts"] for _ in range(9)]
    assert [counts[n]["succeeded"] for n in (7, 8)] == [2, 3]


@after(fault="cancel_refused")
def cancel_refused(api: Any) -> None:
    assert refused(api.request("POST", f"{BATCHES}/{create(api)['id']}/cancel"))[0] == 409


@pytest.mark.parametrize("name", FAULTS)
def test_faults(api, name) -> None:
    fault, check = FAULTS[name]
    plan: FaultPlan = api.server.misbehave(fault)
    check(api)
    assert plan.struck[fault["fault"]] >= 1


def test_batches_are_held_until_they_are_released(api) -> None:
    api.server.faults.hold_batches()
    path = f"{BATCHES}/{create(api)['id']}"
    seen = [api.good("GET", path)["processing_status"] for _ in range(5)]
    assert set(seen) == {"in_progress"}
    api.server.faults.release()
    ended(api, api.good("GET", path))


def test_a_server_that_starts_again_goes_on(provider, tmp_path) -> None:
    first = provider("anthropic", state_dir=tmp_path)
    batch = create(first, 6)
    first.server.forward(70)
    first.stop()
    second = provider("anthropic", state_dir=tmp_path)
    done = ended(second, second.good("GET", f"{BATCHES}/{batch['id']}"))
    assert len(results(second, done)) == 6
    assert set(second.server.ledger.billed().values()) == {1}
    second.stop()
