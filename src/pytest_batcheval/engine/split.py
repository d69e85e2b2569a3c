"""Requests cut into batches within the provider's limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.endpoints import EMBEDDINGS
from pytest_batcheval.wire.objects import Request


@dataclass(frozen=True)
class Limits:
    """The limits of one input file; the defaults are OpenAI's.

    Attributes:
        requests: lines of a file.
        bytes: of a file.
        inputs: texts of all embedding requests of a file.
        tokens: enqueued input tokens by model, over all batches under way; a model that is
            missing has no limit (it depends on the account). Counted by estimate.
    """

    requests: int = PROVIDERS["openai"].requests
    bytes: int = PROVIDERS["openai"].bytes
    inputs: int = PROVIDERS["openai"].inputs
    tokens: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, provider: Capabilities, requests: int | None = None, tokens: Mapping[str, int] | None = None) -> Limits:
        """The limits of a provider; `requests` are the user's own."""
        most = provider.requests if requests is None else min(requests, provider.requests)
        return cls(most, provider.bytes, provider.inputs, tokens or {})

    def within(self, provider: Capabilities) -> Limits:
        """No more than a provider takes."""
        most = self.of(provider)
        return replace(
            self,
            requests=min(self.requests, most.requests),
            bytes=min(self.bytes, most.bytes),
            inputs=min(self.inputs, most.inputs),
        )

    def halved(self) -> Limits:
        """Half as many requests and bytes, for a provider that accepts less than it documents."""
        return replace(self, requests=max(self.requests // 2, 1), bytes=max(self.bytes // 2, 1))


OPEN = 50
"""Batches that are filled side by side under a limit of tokens."""


@dataclass(frozen=True)
class _Size:
    """The size of requests, in the units of each limit."""

    requests: int = 0
    bytes: int = 0
    inputs: int = 0
    tokens: int = 0

    def __add__(self, other: _Size) -> _Size:
        return _Size(
            self.requests + other.requests,
            self.bytes + other.bytes,
            self.inputs + other.inputs,
            self.tokens + other.tokens,
        )

    def fits(self, limits: Limits, model: str) -> bool:
        tokens = limits.tokens.get(model, self.tokens)
        return (
            self.requests <= limits.requests
            and self.bytes <= limits.bytes
            and self.inputs <= limits.inputs
            and self.tokens <= tokens
        )


def split(requests: Iterable[Request], limits: Limits) -> Iterator[list[Request]]:
    """Batches of one endpoint and one model each, in the order of their keys, each request once.

    A request of more tokens than its model's limit makes a batch of its own: tokens are only estimated.

    Raises:
        UsageError: one request alone is over the limit of bytes or inputs.
    """
    unique = {request.custom_id: request for request in requests}
    ordered = sorted(unique.values(), key=lambda r: (r.url, r.model, r.custom_id))
    for _, group in groupby(ordered, key=lambda r: (r.url, r.model)):
        yield from _cut(group, limits)


def at_once(batches: Iterable[list[Request]], limits: Limits) -> Iterator[list[Request]]:
    """The batches that may be under way together; of each model at least one, so that it ends."""
    queued: dict[str, int] = defaultdict(int)
    for batch in batches:
        model = batch[0].model
        limit = limits.tokens.get(model)
        if limit is None:
            yield batch
            continue
        tokens = sum(input_tokens(request.body) for request in batch)
        if not queued[model] or queued[model] + tokens <= limit:
            queued[model] += max(tokens, 1)
            yield batch


def _cut(group: Iterator[Request], limits: Limits) -> Iterator[list[Request]]:
    """Requests of one model in batches, in the given order; under a limit of tokens each where it still fits."""
    # Never by size: long answers may be those of one trait, and a judge that drifts over its files would fake it.
    sized = [(request, _checked_size(request, limits)) for request in group]
    open_batches: list[tuple[list[Request], _Size]] = []
    for request, size in sized:
        for number, (batch, total) in enumerate(open_batches):
            if (total + size).fits(limits, request.model):
                batch.append(request)
                open_batches[number] = batch, total + size
                break
        else:
            open_batches.append(([request], size))
            if len(open_batches) > (OPEN if request.model in limits.tokens else 1):
                yield open_batches.pop(0)[0]
    yield from (batch for batch, _ in open_batches)


def _checked_size(request: Request, limits: Limits) -> _Size:
    size = _size(request, limits)
    if size.bytes > limits.bytes:
        raise UsageError(
            f"request {request.custom_id} has {size.bytes} bytes; a batch file takes at most {limits.bytes}"
        )
    if size.inputs > limits.inputs:
        raise UsageError(
            f"request {request.custom_id} has {counted(size.inputs, 'input')}; a batch takes at most {limits.inputs}"
        )
    return size


def _size(request: Request, limits: Limits) -> _Size:
    tokens = input_tokens(request.body) if request.model in limits.tokens else 0
    return _Size(1, len(request.line()) + 1, _inputs(request), tokens)


def _inputs(request: Request) -> int:
    """Texts of an embedding request; a list of numbers is one text in tokens."""
    given = request.body.get("input")
    if request.url != EMBEDDINGS:
        return 0
    texts = isinstance(given, (list, tuple)) and not all(isinstance(item, int) for item in given)
    return len(given) if texts and isinstance(given, (list, tuple)) else 1
