"""The official SDK of each provider against its dialect: the proof that a dialect is the provider's own.

They are the extra `providers`, which the other tests do not need.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.wire.bodies import form_of

PARAMS: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 300,
    "system": "You are a patient: isolated and fearful, immature",
    "messages": [{"role": "user", "content": "What do you usually do when you disagree with someone?"}],
}


def sdk(name: str) -> Any:
    """The SDK of that name."""
    return pytest.importorskip(
        name, reason=f"the SDK {name} is not installed: pip install 'pytest-batcheval[providers]'"
    )


@pytest.fixture
def anthropic(provider: Callable[..., Any]) -> Iterator[Any]:
    """Anthropic's client, which raises if anything has another form than its types."""
    module = sdk("anthropic")
    url = provider("anthropic").server.base_url
    http = module.DefaultHttpxClient(verify=False)
    options = {"api_key": "key-one", "max_retries": 0, "_strict_response_validation": True}
    with module.Anthropic(base_url=url, http_client=http, **options) as client:
        yield client


@pytest.mark.sampled
def test_anthropic_from_create_to_results(anthropic) -> None:
    batches = anthropic.messages.batches
    bad = {**PARAMS, "max_tokens": 10**7}
    batch = batches.create(
        requests=[
            *({"custom_id": f"r-{n}", "params": PARAMS} for n in range(5)),
            {"custom_id": "bad", "params": bad},
        ]
    )
    while batch.processing_status != "ended":
        batch = batches.retrieve(batch.id)
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (5, 1)
    found = {line.custom_id: line.result for line in batches.results(batch.id)}
    assert len(found) == 6
    message = found["r-0"].message
    assert message.content[0].text
    assert (message.stop_reason, message.usage.service_tier) == ("end_turn", "batch")
    error = found["bad"].error.error
    assert type(error).__name__ == "InvalidRequestErrorObject"
    assert error.message.startswith("max_tokens")


def test_anthropic_lists_all_pages_cancels_and_deletes(anthropic) -> None:
    batches = anthropic.messages.batches
    made = [batches.create(requests=[{"custom_id": "one", "params": PARAMS}]).id for _ in range(5)]
    assert [batch.id for batch in batches.list(limit=2)] == made[::-1]
    assert [batch.id for batch in batches.list(limit=2, before_id=made[0])] == [
        *(made[2], made[1]),
        *(made[4], made[3]),
    ]
    batch = batches.create(requests=[{"custom_id": f"r-{n}", "params": PARAMS} for n in range(9)])
    batch = batches.cancel(batch.id)
    assert batch.processing_status == "canceling"
    while batch.processing_status != "ended":
        batch = batches.retrieve(batch.id)
    assert Counter(line.result.type for line in batches.results(batch.id))["canceled"] == batch.request_counts.canceled
    assert batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(importlib.import_module("anthropic").NotFoundError) as caught:
        batches.retrieve(batch.id)
    assert caught.value.request_id
    assert caught.value.type == "not_found_error"


def test_anthropic_single_calls_and_models(anthropic) -> None:
    message = anthropic.messages.create(**PARAMS)
    assert message._request_id
    form = form_of(message.model_dump(mode="json"))
    assert form.text == message.content[0].text
    assert form.finish_reason == "stop"
    tool = {"name": "note", "input_schema": {"type": "object", "properties": {"hours": {"type": "integer"}}}}
    used = anthropic.messages.create(**PARAMS, tools=[tool], tool_choice={"type": "tool", "name": "note"})
    assert (used.stop_reason, used.content[0].type) == ("tool_use", "tool_use")
    known = [model.id for model in anthropic.models.list()]
    assert PARAMS["model"] in known
    assert anthropic.models.retrieve(known[0]).lifecycle == "active"


def lines(*members: str) -> str:
    """An input file, of whose lines only these members are kept; all without any."""
    body = {"model": "openai/gpt-oss-20b", "messages": PARAMS["messages"]}
    whole = [
        {"custom_id": f"r-{n}", "method": "POST", "url": "/v1/chat/completions", "body": {**body, "seed": n}}
        for n in range(4)
    ]
    return "\n".join(json.dumps({name: line[name] for name in members or line}) for line in whole)


def test_groq_from_upload_to_results(provider, tmp_path: Path) -> None:
    module = sdk("groq")
    root = provider("groq").server.base_url.removesuffix("/openai/v1")
    (tmp_path / "in.jsonl").write_text(lines())
    http = module.DefaultHttpxClient(verify=False)
    with module.Groq(
        base_url=root, api_key="k", max_retries=0, http_client=http, _strict_response_validation=True
    ) as client:
        file = client.files.create(file=tmp_path / "in.jsonl", purpose="batch")
        asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "7d"}
        batch = client.batches.create(**asked, metadata={"run": "1"})
        assert batch.expires_at - batch.created_at == 7 * 86_400
        while batch.status != "completed":
            batch = client.batches.retrieve(batch.id)
        assert batch.metadata == {"run": "1"}
        read = [json.loads(line) for line in client.files.content(batch.output_file_id).read().splitlines()]
        assert {line["custom_id"] for line in read} == {"r-0", "r-1", "r-2", "r-3"}
        assert {line["response"]["body"]["service_tier"] for line in read} == {"on_demand"}
        for _ in range(24):
            client.batches.create(**asked)
        assert len(client.batches.list().data) == 25
        assert client.batches.cancel(client.batches.create(**asked).id).status == "cancelling"
        assert {found.purpose for found in client.files.list().data} == {"batch", "batch_output"}
        assert client.files.delete(file.id).deleted
        answer = client.chat.completions.create(model="openai/gpt-oss-20b", messages=PARAMS["messages"])
        assert answer.choices[0].message.content


@pytest.mark.sampled
@pytest.mark.parametrize("members", [(), ("custom_id", "body")])
def test_together_from_upload_to_results(provider, tmp_path: Path, members: tuple[str, ...]) -> None:
    module = sdk("together")
    root = provider("together").server.base_url.removesuffix("/v1")
    (tmp_path / "in.jsonl").write_text(lines(*members))
    with module.Together(
        base_url=root, api_key="k", max_retries=0, http_client=module.DefaultHttpxClient(verify=False)
    ) as client:
        file = client.files.upload(tmp_path / "in.jsonl", purpose="batch-api", check=False)
        assert (file.purpose, file.file_type, file.bytes) == ("batch-api", "jsonl", len(lines(*members)))
        job = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions").job
        assert (job.status, job.input_file_id, job.completed_at) == ("VALIDATING", file.id, None)
        assert (job.job_deadline - job.created_at).total_seconds() == 86_400
        while job.status != "COMPLETED":
            job = client.batches.retrieve(job.id)
        assert (job.progress, job.error_file_id, job.error) == (100, "", "")
        read = [json.loads(line) for line in client.files.content(job.output_file_id).read().splitlines()]
        assert {line["custom_id"] for line in read} == {"r-0", "r-1", "r-2", "r-3"}
        assert [found.id for found in client.batches.list()] == [job.id]
        second = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions").job
        seen = [client.batches.cancel(second.id).status]
        while seen[-1] != "CANCELLED":
            seen.append(client.batches.retrieve(second.id).status)
        assert set(seen) == {"IN_PROGRESS", "CANCELLED"}
        assert file.id in [found.id for found in client.files.list().data]
        assert client.files.delete(file.id).deleted
        with pytest.raises(module.NotFoundError):
            client.batches.retrieve("nobody")


@pytest.mark.sampled
def test_gemini_with_a_file_and_with_requests_in_the_create(provider, tmp_path: Path) -> None:
    genai = sdk("google.genai")
    types, model = importlib.import_module("google.genai.types"), "gemini-2.5-flash"
    contents = [{"role": "user", "parts": [{"text": PARAMS["messages"][0]["content"]}]}]
    asked = {"contents": contents, "systemInstruction": {"parts": [{"text": PARAMS["system"]}]}}
    bad = {"key": "bad", "request": {"contents": []}}
    lines = [*({"key": f"r-{n}", "request": asked} for n in range(3)), bad]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options = types.HttpOptions(base_url=provider("gemini").server.base_url, client_args={"verify": False})
    with genai.Client(api_key="key-one", http_options=options) as client:
        given = types.UploadFileConfig(display_name="in.jsonl", mime_type="application/jsonl")
        file = client.files.upload(file=tmp_path / "in.jsonl", config=given)
        assert (file.display_name, file.state.name, file.source.name) == ("in.jsonl", "ACTIVE", "UPLOADED")
        job = client.batches.create(model=model, src=file.name, config={"display_name": "mine"})
        assert (job.state.name, job.display_name, job.model) == ("JOB_STATE_PENDING", "mine", f"models/{model}")
        while not job.done:
            job = client.batches.get(name=job.name)
        assert job.state.name == "JOB_STATE_SUCCEEDED"
        read = {
            line["key"]: line for line in map(json.loads, client.files.download(file=job.dest.file_name).splitlines())
        }
        assert (read["bad"]["error"]["code"], len(read)) == (3, 4)
        answer = types.GenerateContentResponse.model_validate(
            {name: value for name, value in read["r-0"]["response"].items() if name != "x_simulator"}
        )
        assert (answer.text, answer.candidates[0].finish_reason.name) == (form_of(read["r-0"]["response"]).text, "STOP")
        request = types.InlinedRequest(contents=contents[0], metadata={"key": "k"}, config={"temperature": 0.5})
        inline = client.batches.create(model=model, src=[request, request])
        while not inline.done:
            inline = client.batches.get(name=inline.name)
        assert [one.metadata["key"] for one in inline.dest.inlined_responses] == ["k", "k"]
        assert all(one.response.text for one in inline.dest.inlined_responses)
        third = client.batches.create(model=model, src=file.name)
        client.batches.cancel(name=third.name)
        assert client.batches.get(name=third.name).state.name == "JOB_STATE_CANCELLED"
        listed = [one.name for one in client.batches.list(config={"page_size": 2})]
        assert listed == [third.name, inline.name, job.name]
        client.batches.delete(name=third.name)
        with pytest.raises(importlib.import_module("google.genai.errors").ClientError) as caught:
            client.batches.get(name=third.name)
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
        assert file.name in [found.name for found in client.files.list()]
        client.files.delete(name=file.name)
        called = types.GenerateContentConfig(
            tools=[{"function_declarations": [{"name": "note", "parameters": {"type": "OBJECT"}}]}],
            tool_config={"function_calling_config": {"mode": "ANY"}},
        )
        single = client.models.generate_content(model=model, contents=contents, config=called)
        assert single.function_calls[0].name == "note"
        assert f"models/{model}" in [found.name for found in client.models.list()]


@pytest.fixture
def mistral(provider: Callable[..., Any]) -> Iterator[Any]:
    """Mistral's client, whose types have every member that it needs."""
    module = sdk("mistralai.client")
    root = provider("mistral").server.base_url.removesuffix("/v1")
    http = importlib.import_module("mistralai.client.sdk").httpx.Client(verify=False)
    with http, module.Mistral(server_url=root, api_key="key-one", client=http) as client:
        yield client


def mistral_error(name: str) -> Any:
    """A class of errors of Mistral's SDK."""
    return getattr(importlib.import_module("mistralai.client.errors"), name)


def mistral_file(client: Any, data: str) -> Any:
    return client.files.upload(file={"file_name": "in.jsonl", "content": data.encode()}, purpose="batch")


@pytest.mark.sampled
@pytest.mark.parametrize("members", [(), ("custom_id", "body")])
def test_mistral_from_upload_to_results(mistral, members: tuple[str, ...]) -> None:
    file = mistral_file(mistral, lines(*members))
    assert (file.purpose, file.sample_type, file.size_bytes) == ("batch", "batch_request", len(lines(*members)))
    asked = {"input_files": [file.id], "model": "mistral-small-latest", "endpoint": "/v1/chat/completions"}
    job = mistral.batch.jobs.create(**asked, metadata={"run": "1"}, timeout_hours=36)
    assert (job.status, job.total_requests, job.completed_at, job.metadata) == ("QUEUED", 0, None, {"run": "1"})
    seen = set()
    while job.status != "SUCCESS":
        job = mistral.batch.jobs.get(job_id=job.id)
        seen.add(job.status)
    assert seen <= {"QUEUED", "RUNNING", "SUCCESS"}
    assert (job.total_requests, job.succeeded_requests, job.error_file, job.errors) == (4, 4, None, [])
    read = [json.loads(line) for line in mistral.files.download(file_id=job.output_file).read().splitlines()]
    assert {line["custom_id"] for line in read} == {"r-0", "r-1", "r-2", "r-3"}
    assert {line["response"]["body"]["model"] for line in read} == {"mistral-small-latest"}  # not that of the lines
    made = mistral.files.retrieve(file_id=job.output_file)
    assert (made.sample_type, made.source, made.deleted) == ("batch_result", "mistral", False)
    assert {found.sample_type for found in mistral.files.list(purpose="batch").data} == {
        "batch_request",
        "batch_result",
    }
    assert mistral.files.delete(file_id=file.id).deleted


def test_mistral_lists_cancels_and_deletes(mistral) -> None:
    jobs, file = mistral.batch.jobs, mistral_file(mistral, lines())
    asked = {"input_files": [file.id], "model": "m", "endpoint": "/v1/chat/completions"}
    made = [jobs.create(**asked, metadata={"run": str(n % 2)}).id for n in range(5)]
    assert [job.id for job in jobs.list(page=1, page_size=2).data] == [made[2], made[1]]
    assert (jobs.list(page_size=2).total, jobs.list(page=9).data) == (5, [])
    assert [job.id for job in jobs.list(metadata={"run": "1"}, order_by="created").data] == [made[1], made[3]]
    assert jobs.cancel(job_id=made[0]).status == "CANCELLATION_REQUESTED"
    assert [job.id for job in jobs.list(status=["CANCELLATION_REQUESTED"]).data] == [made[0]]
    with pytest.raises(mistral_error("SDKError"), match="409"):
        jobs.delete(job_id=made[0])
    while jobs.get(job_id=made[0]).status != "CANCELLED":
        pass
    assert jobs.delete(job_id=made[0]).deleted
    with pytest.raises(mistral_error("SDKError"), match="404"):
        jobs.get(job_id=made[0])


def test_mistral_takes_requests_inline(mistral) -> None:
    requests = [{"body": {"messages": PARAMS["messages"], "random_seed": n}} for n in range(3)]
    job = mistral.batch.jobs.create(requests=requests, model="mistral-small-latest", endpoint="/v1/chat/completions")
    while job.status != "SUCCESS":
        job = mistral.batch.jobs.get(job_id=job.id, inline=True)
    assert {line["custom_id"] for line in job.outputs} == {"0", "1", "2"}
    assert all(line["response"]["status_code"] == 200 for line in job.outputs)


def test_mistral_single_calls_and_models(mistral) -> None:
    completion = mistral.chat.complete(model="mistral-small-latest", messages=PARAMS["messages"])
    assert (completion.model, completion.choices[0].finish_reason) == ("mistral-small-latest", "stop")
    form = form_of(completion.model_dump(mode="json"))
    assert (form.text, form.tokens[1]) == (completion.choices[0].message.content, completion.usage.completion_tokens)
    vectors = mistral.embeddings.create(model="mistral-embed", inputs=["one", "two"])
    assert [len(item.embedding) for item in vectors.data] == [1_024, 1_024]
    assert mistral.models.retrieve(model_id="mistral-large-latest").max_context_length == 262_144
    assert "mistral-embed" in [model.id for model in mistral.models.list().data]
    with pytest.raises(mistral_error("HTTPValidationError")) as caught:
        mistral.chat.complete(model="m", messages=PARAMS["messages"], temperature=3)
    assert caught.value.data.detail[0].loc == ["temperature"]
