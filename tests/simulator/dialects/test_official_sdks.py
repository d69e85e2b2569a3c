"""The official SDK of each provider against its dialect: the proof that a dialect is the provider's own.

They are the extra `providers`, which the other tests do not need.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator
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
