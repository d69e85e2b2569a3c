"""OpenAI's API, which the other dialects over files and batches share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.dialects.dialect import Call, Calls, Dialect
from pytest_batcheval.simulator.endpoints import batches, files, model_calls

CALLS: Calls = {
    "/v1/files": {
        "POST": Call("files.create", files.create, "api.files.write"),
        "GET": Call("files.list", files.list_files, "api.files.read"),
    },
    "/v1/files/{}": {
        "GET": Call("files.retrieve", files.retrieve, "api.files.read"),
        "DELETE": Call("files.delete", files.delete, "api.files.write"),
    },
    "/v1/files/{}/content": {"GET": Call("files.content", files.content, "api.files.read")},
    "/v1/batches": {
        "POST": Call("batches.create", batches.create, "api.batches.write"),
        "GET": Call("batches.list", batches.list_batches, "api.batches.read"),
    },
    "/v1/batches/{}": {"GET": Call("batches.retrieve", batches.retrieve, "api.batches.read")},
    "/v1/batches/{}/cancel": {"POST": Call("batches.cancel", batches.cancel, "api.batches.write")},
    "/v1/models": {"GET": Call("models.list", model_calls.list_models, "api.model.read")},
    "/v1/models/{}": {"GET": Call("models.retrieve", model_calls.retrieve_model, "api.model.read")},
    "/v1/chat/completions": {"POST": Call("chat", model_calls.call, "model.request")},
    "/v1/responses": {"POST": Call("responses", model_calls.call, "model.request")},
    "/v1/embeddings": {"POST": Call("embeddings", model_calls.call, "model.request")},
}


class OpenAI(Dialect):
    """OpenAI's API."""

    headers: Mapping[str, str] = {"openai-version": "2020-10-01", "openai-organization": "org-simulator"}
    timing_header = "openai-processing-ms"


OPENAI = OpenAI("openai", CALLS)
ANY_NAME: Mapping[str, Any] = {"models": "any"}
"""The behaviour of a provider whose models have names of all kinds."""
