"""Mistral's batch jobs over raw HTTP: what the guide, the SDK and users' reports say of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.behaviour import Behaviour

CHAT = "/v1/chat/completions"
MODEL = "mistral-small-latest"
JOB = {
    *("id", "object", "input_files", "metadata", "endpoint", "model", "agent_id", "output_file", "error_file"),
    *("outputs", "errors", "status", "created_at", "started_at", "completed_at"),
    *("total_requests", "completed_requests", "succeeded_requests", "failed_requests"),
}


def line(number: int, **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Question {number}"}]
    return {"custom_id": f"r-{number}", "body": {"messages": messages, **body}}


def jsonl(*lines: Any) -> bytes:
    return b"".join(one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in lines)


@pytest.fixture
def api(provider: Callable[..., Any]) -> Any:
    return provider("mistral")


def upload(api: Any, *lines: Any) -> str:
    form = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", jsonl(*(lines or (line(0), line(1)))))}}
    return str(api.good("POST", "/files", **form)["id"])


def create(api: Any, *lines: Any, **asked: Any) -> Any:
    files = {} if "requests" in asked else {"input_files": [upload(api, *lines)]}
    return api.request("POST", "/batch/jobs", json={"endpoint": CHAT, "model": MODEL, **files, **asked})


def ended(api: Any, job: dict[str, Any]) -> dict[str, Any]:
    for _ in range(50):
        job = api.good("GET", f"/batch/jobs/{job['id']}")
        if job["completed_at"] is not None:
            return job
    raise AssertionError(job)


def results(api: Any, job: dict[str, Any], kind: str = "output_file") -> dict[str, dict[str, Any]]:
    return {found["custom_id"]: found for found in api.lines(f"/files/{job[kind]}/content")}


def test_a_job_from_its_create_to_its_results(api) -> None:
    job = create(api, metadata={"run": "1"}).json()
    assert set(job) == JOB
    assert (job["status"], job["total_requests"], job["started_at"]) == ("QUEUED", 0, None)
    done = ended(api, job)
    assert (done["status"], done["succeeded_requests"], done["completed_requests"]) == ("SUCCESS", 2, 2)
    found = results(api, done)
    assert set(found["r-0"]) == {"id", "custom_id", "response", "error"}
    body = found["r-0"]["response"]["body"]
    assert set(body) == {"id", "object", "created", "model", "choices", "usage", "x_simulator"}
    assert set(body["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert set(body["choices"][0]["message"]) == {"role", "content", "tool_calls", "prefix"}
    assert body["model"] == MODEL


@pytest.mark.parametrize(
    ("lines", "asked", "model"),
    [
        ((line(0),), {}, MODEL),
        ((line(0, model="mistral-large-latest"),), {}, MODEL),  # a guess: that of the job counts
        ((line(0, model="mistral-large-latest"),), {"model": None}, "mistral-large-latest"),
    ],
)
def test_the_model_is_that_of_the_job_or_else_of_the_lines(api, lines, asked, model) -> None:
    done = ended(api, create(api, *lines, **asked).json())
    assert results(api, done)["r-0"]["response"]["body"]["model"] == model
    assert {execution.model for execution in api.server.ledger.executions} == {model}


@pytest.mark.parametrize(
    ("lines", "asked", "error"),
    [
        ((line(0), b"nonsense\n"), {}, {"message": "This line is not parseable as valid JSON.", "count": 1}),
        ((line(0), line(1)), {"model": None}, {"message": "Model parameter is required.", "count": 2}),
        ((line(0, model="a"), line(1, model="b")), {"model": None}, None),
        ((line(0), line(0)), {}, None),
    ],
)
def test_a_file_that_cannot_run_fails_the_job(api, lines, asked, error) -> None:
    done = ended(api, create(api, *lines, **asked).json())
    assert (done["status"], done["output_file"], done["total_requests"]) == ("FAILED", None, 0)
    assert error in (None, done["errors"][0])
    assert done["errors"]
    assert not api.server.ledger.executions


def test_a_line_without_a_custom_id_has_its_number(api) -> None:
    done = ended(api, create(api, {"body": line(0)["body"]}, {"body": line(1)["body"]}).json())
    assert set(results(api, done)) == {"0", "1"}


def test_lines_that_fail_are_in_the_error_file(api) -> None:
    done = ended(api, create(api, line(0), line(1, temperature=9)).json())
    assert (done["status"], done["succeeded_requests"], done["failed_requests"]) == ("SUCCESS", 1, 1)
    response = results(api, done, "error_file")["r-1"]["response"]
    assert response["status_code"] == 422
    assert response["body"]["detail"][0]["loc"] == ["temperature"]
    assert api.good("GET", f"/files/{done['error_file']}")["sample_type"] == "batch_error"


def test_a_job_that_is_created_does_not_need_its_input_file(api) -> None:
    """A guess, and the reason that a deletion stops no create."""
    job = create(api).json()
    assert api.good("DELETE", f"/files/{job['input_files'][0]}")["deleted"]
    assert ended(api, job)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("asked", "place", "kind"),
    [
        ({"endpoint": None}, "endpoint", "enum"),
        ({"endpoint": "/v1/ocr"}, "endpoint", "enum"),
        ({"input_files": []}, "input_files", "value_error"),
        ({"input_files": ["a", "b"]}, "input_files", "value_error"),
        ({"requests": [line(0)], "input_files": ["a"]}, "input_files", "value_error"),
        ({"timeout_hours": 0}, "timeout_hours", "int"),
        ({"timeout_hours": 168}, "timeout_hours", "int"),
        ({"timeout_hours": True}, "timeout_hours", "int"),
        ({"metadata": {"a": 1}}, "metadata", "dict_type"),
        ({"completion_window": "24h"}, "completion_window", "extra_forbidden"),
    ],
)
def test_a_create_is_validated(api, asked, place, kind) -> None:
    refusal = create(api, **asked)
    assert refusal.status_code == 422
    (problem,) = refusal.json()["detail"]
    assert (problem["loc"], problem["type"]) == (["body", place], kind)
    assert problem["msg"]
    assert not api.good("GET", "/batch/jobs")["data"]


def test_errors_have_the_forms_that_users_report(api, provider, http_client) -> None:
    missing = api.request("GET", "/batch/jobs/nobody")
    assert (missing.status_code, missing.json()["object"]) == (404, "error")
    assert create(api, input_files=["nobody"]).json()["raw_status_code"] == 404
    nobody = http_client.get(f"{api.server.base_url}/batch/jobs")
    assert (nobody.status_code, nobody.json()) == (401, {"detail": "Unauthorized"})
    strict = provider("mistral", behaviour=Behaviour(models=("m",), requests_per_minute=1))
    body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}]}
    wrong, limited = (strict.request("POST", "/chat/completions", json=body) for _ in range(2))
    assert (wrong.status_code, wrong.json()["type"], wrong.json()["code"]) == (400, "invalid_model", "1500")
    assert (limited.status_code, limited.json()["type"], limited.json()["code"]) == (429, "rate_limited", "1300")
    assert float(limited.headers["retry-after"]) > 0
    strict.stop()


def test_an_account_that_cannot_pay(provider) -> None:
    entry = {"key": "key-one", "project": "poor", "insufficient_quota": True}
    poor = provider("mistral", keys=KeyRing.from_data({"keys": [entry]}))
    assert create(poor).status_code == 402
    poor.stop()


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", (4, 3, 2, 1, 0)),
        ("page_size=2", (4, 3)),
        ("page=1&page_size=2", (2, 1)),
        ("page=3&page_size=2", ()),
        ("order_by=created&page_size=2", (0, 1)),
        ("run=1", (3, 1)),
        ("run=1&other=2", ()),
        ("status=SUCCESS", ()),
        ("status=QUEUED&status=SUCCESS&page_size=1", (4,)),
        ("model=mistral-small-latest&page_size=1", (4,)),
        ("model=other", ()),
        ("created_after=2100-01-01T00:00:00Z", ()),
    ],
)
def test_lists_have_numbered_pages_and_filters(provider, query, numbers) -> None:
    api = provider("mistral")
    file = upload(api)
    made = [create(api, input_files=[file], metadata={"run": str(n % 2)}).json()["id"] for n in range(5)]
    page = api.good("GET", f"/batch/jobs?{query}")
    assert [job["id"] for job in page["data"]] == [made[n] for n in numbers]
    assert page["total"] >= len(numbers)


@pytest.mark.parametrize("query", ["page=-1", "page=x", "page_size=0", "page_size=1001"])
@pytest.mark.parametrize("path", ["/batch/jobs", "/files"])
def test_a_page_that_cannot_be_is_refused(api, path, query) -> None:
    assert api.request("GET", f"{path}?{query}").status_code == 422


def test_files_are_listed_with_results_under_the_same_purpose(api) -> None:
    done = ended(api, create(api).json())
    listed = api.good("GET", "/files?purpose=batch")
    assert [(file["id"], file["source"]) for file in listed["data"]] == [
        (done["output_file"], "mistral"),
        (done["input_files"][0], "upload"),
    ]
    assert (listed["total"], api.good("GET", "/files?search=nothing")["total"]) == (2, 0)
    assert not api.good("GET", "/files?purpose=ocr")["data"]


def test_results_are_kept(api) -> None:
    done = ended(api, create(api).json())
    api.server.forward(400 * 86_400)
    assert len(results(api, done)) == 2


def test_a_job_that_takes_too_long_is_stopped(api) -> None:
    api.server.faults.expire_next_batch(after=1)
    done = ended(api, create(api, timeout_hours=2).json())
    assert (done["status"], done["completed_at"] - done["created_at"]) == ("TIMEOUT_EXCEEDED", 7_200)
    assert (done["succeeded_requests"], len(results(api, done))) == (1, 1)
    (left,) = results(api, done, "error_file").values()
    assert left["error"]["code"] == "batch_expired"


def test_a_job_is_cancelled_once(api) -> None:
    job = create(api).json()
    path = f"/batch/jobs/{job['id']}"
    assert api.good("POST", f"{path}/cancel")["status"] == "CANCELLATION_REQUESTED"
    assert api.request("DELETE", path).status_code == 409
    assert ended(api, job)["status"] == "CANCELLED"
    assert api.request("POST", f"/batch/jobs/{ended(api, create(api).json())['id']}/cancel").status_code == 409
    assert api.good("DELETE", path) == {"id": job["id"], "object": "batch", "deleted": True}
    assert api.request("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"fault": "unknown_status"}, "PAUSED"),
        ({"fault": "stuck"}, "RUNNING"),
        ({"fault": "status_backwards"}, "QUEUED"),
    ],
)
def test_faults_are_in_the_words_of_the_dialect(api, fault, seen) -> None:
    job = create(api).json()
    api.server.misbehave(fault)
    assert api.good("GET", f"/batch/jobs/{job['id']}")["status"] == seen


def test_a_list_that_lags_or_repeats_its_page(api) -> None:
    for _ in range(3):
        create(api)
    api.server.misbehave({"fault": "list_lag"})
    lagged = api.good("GET", "/batch/jobs")
    api.server.misbehave({"fault": "page_repeats"})
    assert (lagged["data"], lagged["total"]) == ([], 0)
    repeated = api.good("GET", "/batch/jobs?page=1&page_size=2")
    assert (len(repeated["data"]), repeated["total"]) == (2, 3)


@pytest.mark.sampled
def test_a_restarted_server_goes_on(provider, tmp_path) -> None:
    first = provider("mistral", state_dir=tmp_path)
    job = create(first).json()
    first.stop()
    second = provider("mistral", state_dir=tmp_path)
    assert ended(second, job)["status"] == "SUCCESS"
    second.stop()
