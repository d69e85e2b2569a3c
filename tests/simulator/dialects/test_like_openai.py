"""Providers with OpenAI's files and batches: what each does otherwise, over HTTP and with OpenAI's SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import openai
import pytest

from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.dialects.azure import PENDING_SECONDS
from pytest_batcheval.simulator.dialects.registry import DIALECTS
from pytest_batcheval.simulator.server import SimulatorServer

CHAT = "/v1/chat/completions"
PATHS = {
    "openai": "/v1",
    "azure": "/openai/v1",
    "groq": "/openai/v1",
    "together": "/v1",
    "doubleword": "/v1",
    "deepinfra": "/v1/openai",
    "mistral": "/v1",
    "anthropic": "",
    "gemini": "",
}
COMPATIBLE = ("azure", "groq", "doubleword", "deepinfra")


def jsonl(count: int = 2, *models: str) -> bytes:
    """Lines `r-0` …, each with the next of these models."""
    named = models or ("m",)
    lines = [
        {
            "custom_id": f"r-{n}",
            "method": "POST",
            "url": CHAT,
            "body": {"model": named[n % len(named)], "messages": [{"role": "user", "content": f"Question {n}"}]},
        }
        for n in range(count)
    ]
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.fixture(params=COMPATIBLE)
def client(request: pytest.FixtureRequest, provider) -> Iterator[tuple[Any, openai.OpenAI]]:
    """A server of each dialect that OpenAI's SDK speaks, and the SDK."""
    found = provider(request.param)
    transport = openai.DefaultHttpxClient(verify=False)
    url = found.server.base_url
    with openai.OpenAI(base_url=url, api_key="key-one", max_retries=0, http_client=transport) as sdk:
        yield found, sdk


def test_every_provider_has_a_dialect_with_its_limits() -> None:
    assert DIALECTS.keys() == PROVIDERS.keys() == PATHS.keys()
    for name, capabilities in PROVIDERS.items():
        behaviour = DIALECTS[name].adjusted(Behaviour())
        assert (behaviour.max_requests, behaviour.max_file_bytes) == (capabilities.requests, capabilities.bytes)
        assert DIALECTS[name].base_path == PATHS[name]
        known = capabilities.base_url.removeprefix("https://").partition("/")[2]
        assert not known or f"/{known}" == PATHS[name]
    assert DIALECTS["openai"].adjusted(Behaviour()) == Behaviour()
    assert DIALECTS["groq"].adjusted(Behaviour(max_requests=5)).max_requests == 5


def test_an_unknown_dialect_lists_the_others() -> None:
    with pytest.raises(UsageError, match="unknown dialect 'openia'; known: openai, azure, groq"):
        SimulatorServer(dialect="openia")


def test_from_upload_to_results(client) -> None:
    found, sdk = client
    file = sdk.files.create(file=("in.jsonl", jsonl(3)), purpose="batch")
    while sdk.files.retrieve(file.id).status == "pending":
        pass
    batch = sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"run": "1"})
    while batch.status != "completed":
        batch = sdk.batches.retrieve(batch.id)
    lines = [json.loads(line) for line in sdk.files.content(batch.output_file_id).iter_lines()]
    assert {line["custom_id"] for line in lines} == {"r-0", "r-1", "r-2"}
    # iterating would never end at Groq, whose list has no `has_more` and ignores `after`
    assert [seen.metadata for seen in sdk.batches.list().data] == [{"run": "1"}]
    assert set(found.server.ledger.billed().values()) == {1}
    with pytest.raises(openai.NotFoundError):
        sdk.batches.retrieve("nobody")


def upload(api: Any, data: bytes, purpose: str = "batch", path: str = "/files") -> dict[str, Any]:
    return dict(
        api.good("POST", path, data={"purpose": purpose, "file_name": "in.jsonl"}, files={"file": ("in.jsonl", data)})
    )


def create(api: Any, file_id: str, **more: Any) -> Any:
    asked = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **more}
    return api.request("POST", "/batches", json=asked)


def ended(api: Any, batch: dict[str, Any], *, polls: int = 99) -> dict[str, Any]:
    for _ in range(polls):
        batch = api.good("GET", f"/batches/{batch['id']}")
        if batch["status"].lower() in ("completed", "failed", "expired", "cancelled"):
            return batch
    raise AssertionError(batch)


@pytest.mark.parametrize(
    ("dialect", "taken", "refused"),
    [
        ("azure", {"24h": 24}, ("1h", "7d")),
        ("groq", {"24h": 24, "36h": 36, "7d": 168}, ("1h", "8d", "169h")),
        ("doubleword", {"24h": 24, "1h": 1}, ("2h", "7d")),
        ("deepinfra", {"24h": 24}, ("1h",)),
    ],
)
def test_completion_windows(provider, dialect, taken, refused) -> None:
    api = provider(dialect)
    file = upload(api, jsonl())["id"]
    api.server.forward(PENDING_SECONDS)
    for window, hours in taken.items():
        batch = create(api, file, completion_window=window).json()
        assert (batch["completion_window"], batch["expires_at"] - batch["created_at"]) == (window, hours * 3_600)
    for window in refused:
        assert create(api, file, completion_window=window).status_code == 400


def test_a_batch_expires_with_its_window(provider) -> None:
    api = provider("doubleword")
    api.server.faults.expire_next_batch(after=1)
    batch = ended(api, create(api, upload(api, jsonl())["id"], completion_window="1h").json())
    assert (batch["status"], batch["expired_at"] - batch["created_at"]) == ("expired", 3_600)


@pytest.mark.parametrize("dialect", ["groq", "together", "deepinfra"])
def test_endpoints_that_a_batch_cannot_have(provider, dialect) -> None:
    api = provider(dialect)
    purpose, path = ("batch-api", "/files/upload") if dialect == "together" else ("batch", "/files")
    file = upload(api, jsonl(), purpose, path)["id"]
    assert create(api, file, endpoint="/v1/responses").status_code == 400


def test_groq_lists_without_pages(provider) -> None:
    api = provider("groq")
    file = upload(api, jsonl())
    assert set(file) == {"id", "object", "bytes", "created_at", "filename", "purpose"}
    made = [create(api, file["id"]).json()["id"] for _ in range(23)]
    listed = api.good("GET", "/batches", params={"limit": 2, "after": made[5]})
    assert set(listed) == {"object", "data"}
    assert [batch["id"] for batch in listed["data"]] == made[::-1]


def test_azure_files_are_pending_first(provider) -> None:
    api = provider("azure")
    file = upload(api, jsonl())
    assert file["status"] == "pending"
    refusal = create(api, file["id"])
    assert refusal.status_code == 400
    assert "'pending' state" in refusal.json()["error"]["message"]
    assert create(api, file["id"]).status_code == 200  # a poll moved the time
    assert api.good("GET", f"/files/{file['id']}")["status"] == "processed"


def test_azure_batches_do_not_expire_and_have_an_error_file(provider) -> None:
    slow = Behaviour(models="any", longest_run=2, line_seconds=(50_000, 50_000))
    for dialect, status in (("azure", "completed"), ("doubleword", "expired")):
        api = provider(dialect, behaviour=slow)
        file = upload(api, jsonl(3))["id"]
        api.server.forward(PENDING_SECONDS)
        batch = ended(api, create(api, file).json())
        assert batch["status"] == status
        if dialect == "azure":
            assert batch["completed_at"] > batch["expires_at"]
            assert api.lines(f"/files/{batch['error_file_id']}/content") == []
        api.stop()


def test_azure_takes_any_deployment_and_its_own_header(provider, http_client) -> None:
    api = provider("azure", behaviour=Behaviour())
    body = {"model": "my-deployment", "messages": [{"role": "user", "content": "Hello"}]}
    answer = http_client.post(f"{api.server.base_url}/chat/completions", json=body, headers={"api-key": "key-one"})
    assert answer.status_code == 200, answer.text
    assert not [name for name in answer.headers if name.startswith("openai-")]
    api.stop()


@pytest.mark.parametrize(("dialect", "code"), [("deepinfra", "mismatched_model"), ("azure", "model_mismatch")])
def test_two_models_in_a_file_fail_the_batch(provider, dialect, code) -> None:
    api = provider(dialect)
    file = upload(api, jsonl(4, "m", "n"))["id"]
    api.server.forward(PENDING_SECONDS)
    batch = ended(api, create(api, file).json())
    assert batch["status"] == "failed"
    assert {problem["code"] for problem in batch["errors"]["data"]} == {code}
    assert not api.server.ledger.executions


def test_together_has_words_of_its_own(provider) -> None:
    api = provider("together")
    form = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", jsonl())}}
    assert api.request("POST", "/files/upload", **form).status_code == 400
    file = upload(api, jsonl(), "batch-api", "/files/upload")
    assert (file["purpose"], file["FileType"]) == ("batch-api", "jsonl")
    assert [found["id"] for found in api.good("GET", "/files", params={"purpose": "batch-api"})["data"]] == [file["id"]]
    made = create(api, file["id"], metadata={"run": "1"}).json()
    assert set(made) == {"job", "warning"}
    assert "metadata" not in made["job"]
    assert datetime.fromisoformat(made["job"]["created_at"]).tzinfo is not None
    listed = api.good("GET", "/batches")
    assert [job["id"] for job in listed] == [made["job"]["id"]]
    done = ended(api, made["job"])
    assert (done["status"], done["progress"]) == ("COMPLETED", 100)
    assert len(api.lines(f"/files/{done['output_file_id']}/content")) == 2
    assert api.good("GET", f"/files/{done['output_file_id']}")["purpose"] == "batch-generated"
    assert isinstance(api.good("GET", "/models"), list)


def test_together_says_why_a_batch_failed(provider) -> None:
    api = provider("together")
    file = upload(api, jsonl() + b"\nnonsense", "batch-api", "/files/upload")["id"]
    done = ended(api, create(api, file).json()["job"])
    assert (done["status"], done["error"]) == ("FAILED", "This line is not parseable as valid JSON.")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"fault": "unknown_status"}, "PAUSED"),
        ({"fault": "stuck"}, "IN_PROGRESS"),
        ({"fault": "status_backwards"}, "VALIDATING"),
    ],
)
def test_faults_are_in_the_words_of_the_dialect(provider, fault, seen) -> None:
    api = provider("together")
    job = create(api, upload(api, jsonl(), "batch-api", "/files/upload")["id"]).json()["job"]
    api.server.misbehave(fault)
    assert api.good("GET", f"/batches/{job['id']}")["status"] == seen


def test_a_lost_create_is_found_by_its_file(provider) -> None:
    api = provider("together")
    file = upload(api, jsonl(), "batch-api", "/files/upload")["id"]
    api.server.misbehave({"fault": "status_after", "status": 502})
    assert create(api, file).status_code == 502
    assert [job["input_file_id"] for job in api.good("GET", "/batches")] == [file]


@pytest.mark.parametrize("name", PATHS)
def test_every_reply_says_that_it_is_simulated(provider, name) -> None:
    api = provider(name)
    for path in ("/nothing", "/models"):
        headers = api.request("GET", path if PATHS[name] else f"/v1{path}").headers
        assert headers["x-simulator"] == "pytest-batcheval"
        assert headers["x-simulator-clock"] == api.server.clock_address
        assert headers["request-id" if name == "anthropic" else "x-request-id"]
