"""The findings on clients: each mistake is made, told once, and not told of a client that did not make it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import openai
import pytest
from naive import Naive, Resumer

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.conduct.finding import ConductReport, Finding
from pytest_batcheval.simulator.conduct.visits import new_visit
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"


def mistakes(server: SimulatorServer) -> dict[str, Finding]:
    """The mistakes by kind; each kind once."""
    found = server.conduct().mistakes
    assert len({finding.kind for finding in found}) == len(found), found
    return {finding.kind: finding for finding in found}


def good(api: Any, batch: dict[str, Any]) -> None:
    """Wait for a batch and read its files."""
    for file_id in {(ended := api.ended(batch))["output_file_id"], ended["error_file_id"]} - {None, ""}:
        api.content(file_id)


def test_a_client_that_waits_and_reads_makes_no_mistake(simulator: SimulatorServer, api: Any, line: Any) -> None:
    good(api, api.batch([line(1), line(2, temperature=3)]))
    report = simulator.conduct()
    assert not report.mistakes
    assert [finding.kind for finding in report.findings] == ["files left"]
    assert str(report).splitlines()[:2] == ["the client made no mistake", "remarks:"]


def test_a_create_that_the_sdk_repeats_is_told_with_its_cause(
    simulator: SimulatorServer, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    simulator.faults.drop_create_reply()
    run = Naive(simulator.base_url).run([json.dumps(line(number)).encode() for number in range(3)])
    assert run.error is None
    simulator.forward(86_400)
    found = mistakes(simulator)
    assert set(found) == {"billed twice", "repeated creates", "unread results"}
    assert found["billed twice"].text == (
        "2 batches from one input file: 3 requests billed twice (reset_after at the create; retry 1 of the client's SDK)"
    )
    assert (found["billed twice"].count, len(found["billed twice"].evidence)) == (3, 2)
    assert found["unread results"].text == "3 lines of 1 output file never read"


def test_a_client_that_looks_at_the_list_first_pays_once(simulator: SimulatorServer, line: Any) -> None:
    simulator.faults.drop_create_reply()
    Resumer(simulator.base_url).run([json.dumps(line(1)).encode()])
    assert not mistakes(simulator)


def test_a_batch_that_failed_may_be_created_again(simulator: SimulatorServer, api: Any, line: Any) -> None:
    file_id = api.upload([line(1)])
    simulator.faults.fail_next_batch("token_limit_exceeded", "Too much.")
    assert api.ended(api.create(file_id))["status"] == "failed"
    good(api, api.create(file_id))
    assert not mistakes(simulator)


def test_an_idempotency_key_counts_where_it_is_honoured(simulator: SimulatorServer, api: Any, line: Any) -> None:
    file_id = api.upload([line(1)])
    asked = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    for honoured, kinds in (("honoured", set()), ("ignored", {"billed twice", "repeated creates"})):
        simulator.behaviour = Behaviour(idempotency_key=honoured)  # type: ignore[arg-type]
        for _ in range(2):
            good(api, api.post("/v1/batches", asked, headers={"Idempotency-Key": honoured}))
            if honoured == "honoured":
                api.get("/v1/batches")
        assert set(mistakes(simulator)) == kinds


@pytest.mark.parametrize(("range_", "how"), [(None, None), ("bytes=0-9", "not read to the end"), ("", "never read")])
def test_an_error_file_must_be_read_to_its_end(
    simulator: SimulatorServer, api: Any, line: Any, range_: str | None, how: str | None
) -> None:
    ended = api.ended(api.batch([line(1), line(2, temperature=3)]))
    api.content(ended["output_file_id"])
    path = f"/v1/files/{ended['error_file_id']}/content"
    if range_ != "":
        api.request("GET", path, headers={"range": range_} if range_ else {})
    expected = {"unread results": f"1 line of 1 error file {how}"} if how else {}
    assert {kind: finding.text for kind, finding in mistakes(simulator).items()} == expected
    if range_:
        api.request("GET", path, headers={"range": "bytes=10-"})
        assert not mistakes(simulator)


def test_a_file_that_was_deleted_unread_is_told(simulator: SimulatorServer, api: Any) -> None:
    ended = api.ended(api.batch(2))
    api.delete(f"/v1/files/{ended['output_file_id']}")
    assert mistakes(simulator)["unread results"].count == 2


def test_a_download_that_breaks_off_does_not_count(simulator: SimulatorServer, api: Any, http_client: Any) -> None:
    ended = api.ended(api.batch(2))
    simulator.misbehave({"fault": "truncated", "nth": 1})
    with pytest.raises(http_client.RemoteProtocolError):
        api.content(ended["output_file_id"])
    assert set(mistakes(simulator)) == {"unread results"}
    api.content(ended["output_file_id"])
    assert not mistakes(simulator)


def test_a_download_that_the_client_gives_up_does_not_count(simulator: SimulatorServer, api: Any) -> None:
    simulator.misbehave({"fault": "giant_line", "megabytes": 30})
    ended = api.ended(api.batch(1))
    with api.http.stream("GET", f"/v1/files/{ended['output_file_id']}/content") as reply:
        next(reply.iter_raw())
    api.http.close()
    seen = (mistakes(simulator).get("unread results") for _ in range(2_000))  # until the server notices
    assert any(found and found.text == "1 line of 1 output file not read to the end" for found in seen)


def test_an_open_batch_is_forgotten_and_an_ended_one_cancelled_late(simulator: SimulatorServer, api: Any) -> None:
    batch = api.batch(1)
    assert mistakes(simulator)["forgotten batches"].evidence == (batch["id"],)
    good(api, batch)
    assert api.request("POST", f"/v1/batches/{batch['id']}/cancel").status_code == 409
    assert mistakes(simulator)["late cancels"].evidence == (batch["id"],)


def test_refusals_are_told_by_call_and_code(simulator: SimulatorServer, api: Any, line: Any) -> None:
    api.request("POST", "/v1/batches", json={"endpoint": CHAT})
    api.request("POST", "/v1/batches", json={"completion_window": "24h"})
    assert api.errors([{**line(1), "method": "GET"}])[0]["code"] == "invalid_method"
    texts = {finding.text for finding in simulator.conduct().mistakes}
    assert texts == {
        "batches.create got 2 replies 400 missing_required_parameter",
        "1 batch failed at validation with invalid_method",
    }
    assert api.request("GET", "/v1/batches/batch_0").status_code == 404
    assert {finding.kind for finding in simulator.conduct().findings if not finding.wrong} >= {"not found"}


def test_what_a_fault_refuses_is_not_the_clients(simulator: SimulatorServer, api: Any) -> None:
    simulator.misbehave({"fault": "status", "call": "batches.list", "status": 429})
    assert api.request("GET", "/v1/batches").status_code == 429
    assert not mistakes(simulator)


def test_limits_that_are_broken(simulator: SimulatorServer, api: Any, line: Any) -> None:
    simulator.behaviour = Behaviour(max_requests=1, uploads_per_minute=2, max_file_bytes=2_000)
    assert api.errors([line(1), line(2)])[0]["code"] == "too_many_requests"
    assert api.send_file(json.dumps(line(1, user="x" * 2_000)).encode()).status_code == 400
    api.upload([line(1)])
    assert api.send_file(json.dumps(line(1)).encode()).status_code == 429
    texts = {finding.text for finding in simulator.conduct().mistakes if finding.kind == "limits broken"}
    assert texts == {
        "files.create got 1 reply 400",
        "files.create got 1 reply 429 rate_limit_exceeded",
        "1 batch failed at validation with too_many_requests",
    }


def test_a_retry_after_that_is_ignored(simulator: SimulatorServer, api: Any) -> None:
    simulator.misbehave({"fault": "status", "call": "batches.list", "status": 429, "headers": {"Retry-After": "30"}})
    for _ in range(2):
        api.request("GET", "/v1/batches")
    assert mistakes(simulator)["Retry-After ignored"].count == 1


def test_a_final_refusal_that_is_asked_again(simulator: SimulatorServer, api: Any) -> None:
    for _ in range(3):
        api.request("POST", "/v1/batches", json={"endpoint": CHAT, "input_file_id": "file-a"})
    assert mistakes(simulator)["errors ignored"].count == 2


def test_polls_are_counted_where_time_does_not_wait_for_them(line: Any) -> None:
    with SimulatorServer(clock="x600", behaviour=Behaviour(models="any", polls_per_minute=5)) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0)
        file = client.files.create(file=("a.jsonl", json.dumps(line(1)).encode()), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        for _ in range(6):
            client.batches.retrieve(batch.id)
        assert mistakes(server)["polled too often"].text == "1 batch polled up to 6 times a minute; sane is 5"
        server.behaviour = replace(server.behaviour, strict=True)
        with pytest.raises(openai.RateLimitError) as refusal:
            client.batches.retrieve(batch.id)
        assert refusal.value.response.headers["retry-after"] == "12"


def test_a_strict_server_refuses_what_the_api_lets_pass(simulator: SimulatorServer, api: Any, line: Any) -> None:
    asked = {"input_file_id": api.upload([line(1)]), "endpoint": CHAT, "completion_window": "24h"}
    for wrong, param in (({"priority": 1}, "priority"), ({"input_file_id": "file-of-nobody"}, "file_id")):
        simulator.behaviour = Behaviour()
        assert api.post("/v1/batches", {**asked, **wrong})["status"] == "validating"
        simulator.behaviour = Behaviour(strict=True)
        status, error = api.refused("POST", "/v1/batches", json={**asked, **wrong})
        assert (status, error["param"]) == (400, param)


def test_equal_bodies_by_other_ids_are_a_remark(simulator: SimulatorServer, api: Any, line: Any) -> None:
    for name in "ab":
        good(api, api.batch([{**line(1), "custom_id": name}]))
    report = simulator.conduct()
    assert not report.mistakes
    assert "1 body billed in several batches" in str(report)


def test_the_log_has_no_key_and_no_text(simulator: SimulatorServer, api_of: Callable[[str], Any], line: Any) -> None:
    log = io.StringIO()
    simulator.log_to(log)
    api = api_of("sk-proj-0123456789abcdef")
    good(api, api.batch([line(1), line(2)]))
    api.request("GET", "/v1/nothing/sk-proj-0123456789abcdef")
    simulator.conduct()  # a reply is logged when it has been sent
    entries = [json.loads(entry) for entry in log.getvalue().splitlines()]
    assert [entry["custom_ids"] for entry in entries if entry["call"] in ("files.create", "files.content")] == [2, 2]
    assert entries[0].keys() >= {"time", "method", "path", "status", "call", "request_id", "bytes_in", "bytes_out"}
    assert entries[-1]["status"] == 404
    assert "sleep" not in log.getvalue()
    assert "0123456789" not in log.getvalue()


@pytest.mark.parametrize("size", [1, 3, 10, 11, 12, 1_000])
def test_custom_ids_are_counted_across_chunks(size: int) -> None:
    data = b'{"custom_id": "a"}\n{"custom_id": "b", "text": "\\"custom_id\\""}\n' * 3
    chunks = [{"body": data[start : start + size]} for start in range(0, len(data), size)]
    visit = new_visit(1, 0.0, {"headers": [], "method": "POST", "path": "/"}, "req_1", shared=False)

    async def receive() -> Any:
        return chunks.pop(0)

    async def read() -> None:
        counted = visit.receiving(receive)
        while chunks:
            await counted()

    asyncio.run(read())
    assert (visit.custom_ids, visit.received) == (6, len(data))


def test_the_report_is_data_for_the_control_api(simulator: SimulatorServer, api: Any) -> None:
    batch = api.batch(1)
    reply = api.request("GET", "/_simulator/report", headers={"authorization": f"Bearer {simulator.token}"})
    data = reply.json()
    assert (data["clean"], data["findings"][0]["kind"]) == (False, "forgotten batches")
    assert data["findings"][0]["evidence"] == [batch["id"]]


def test_a_report_shows_hostile_ids_harmlessly_and_not_all_of_many() -> None:
    report = ConductReport([Finding("x", True, 7, "y", ("\x1b[2J", *"abcdef"))])
    assert str(report).splitlines() == ["the client made 1 mistake:", "  x: y", "    \\x1b[2J, a, b, c, d, and 2 more"]


def test_a_batch_of_another_dialect_is_read_by_its_own_id(http_client: Any) -> None:
    params = {"model": "claude-sonnet-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    with (
        SimulatorServer(dialect="anthropic") as server,
        http_client.Client(base_url=server.base_url, headers=headers, verify=False) as client,
    ):
        batches = "/v1/messages/batches"
        batch = client.post(batches, json={"requests": [{"custom_id": "a", "params": params}]}).json()
        while batch["processing_status"] != "ended":
            batch = client.get(f"{batches}/{batch['id']}").json()
        assert mistakes(server)["unread results"].count == 1
        client.get(f"{batches}/{batch['id']}/results")
        assert not mistakes(server)
