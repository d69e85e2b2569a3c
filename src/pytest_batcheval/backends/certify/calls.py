"""Cases on individual calls: the endpoints whose requests a batch holds, models, keys."""

from __future__ import annotations

from pytest_batcheval.backends.certify.batches import is_completion
from pytest_batcheval.backends.certify.case import Chapter, Deviation, Lacking
from pytest_batcheval.backends.certify.expect import equal
from pytest_batcheval.backends.certify.server import Server

CALLS = Chapter("individual calls")


@CALLS.case(requests=1)
def chat_completion(server: Server) -> None:
    """POST /chat/completions answers at once: chat.completion with choices, model and usage."""
    is_completion(server.ask("POST", "/chat/completions", json=server.line(1)["body"]).object())


@CALLS.case(requests=1)
def embeddings(server: Server) -> None:
    """POST /embeddings of three inputs gives three embeddings with their index from 0."""
    if not server.embedding_model:
        raise Lacking("an embedding model: see --embedding-model")
    asked = {"model": server.embedding_model, "input": ["a", "b", "c"]}
    found = server.ask("POST", "/embeddings", json=asked).object()
    equal(found, object="list")
    if [item.get("index") for item in found.get("data") or ()] != [0, 1, 2]:
        raise Deviation("data without index 0 to 2")


@CALLS.case(requests=1)
def call_with_an_unknown_model(server: Server) -> None:
    """A model that does not exist is a 404."""
    body = {**server.line(1)["body"], "model": "model-of-nobody"}
    server.ask("POST", "/chat/completions", json=body).refusal(404)


@CALLS.case(requests=1)
def call_without_messages(server: Server) -> None:
    """A chat completion without messages is a 400."""
    server.ask("POST", "/chat/completions", json={"model": server.model}).refusal(400)


@CALLS.case(requests=1)
def call_with_a_bad_parameter(server: Server) -> None:
    """A temperature of 3 is a 400."""
    server.ask("POST", "/chat/completions", json=server.line(1, temperature=3)["body"]).refusal(400)


@CALLS.case()
def models_are_listed(server: Server) -> None:
    """GET /models gives {object: list, data} of models with an id."""
    page = server.get("/models")
    equal(page, object="list")
    data = page.get("data")
    if not isinstance(data, list) or not all(isinstance(m, dict) and isinstance(m.get("id"), str) for m in data):
        raise Deviation("data are no models with an id")


@CALLS.case()
def call_without_a_key(server: Server) -> None:
    """Without a key files and batches are a 401."""
    replies = [server.ask("GET", path, key="") for path in ("/files", "/batches")]
    if server.is_local and all(reply.status == 200 for reply in replies):
        raise Lacking("keys: this server asks for none")
    for reply in replies:
        reply.refusal(401)
