"""Requests cut into batches within the provider's limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.endpoints import EMBEDDINGS
from pytest_batcheval.wire.objects import Request

T = TypeVar("T")


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


class Size(NamedTuple):
    """The size of a request, in the units of each limit; `tokens` counts only where its model has a limit of them."""

    bytes: int
    inputs: int
    tokens: int = 0


@dataclass
class _OpenBatch(Generic[T]):
    """A batch that is being filled, and its size so far."""

    parts: list[T] = field(default_factory=list)
    bytes: int = 0
    inputs: int = 0
    tokens: int = 0

    def takes(self, part: T, size: Size, limits: Limits, most_tokens: float) -> bool:
        """Add a part if the limits allow it; the first one always fits."""
        most_bytes, most_inputs = self.bytes + size.bytes, self.inputs + size.inputs
        tokens = self.tokens + size.tokens
        if self.parts and (
            len(self.parts) >= limits.requests
            or most_bytes > limits.bytes
            or most_inputs > limits.inputs
            or tokens > most_tokens
        ):
            return False
        self.parts.append(part)
        self.bytes, self.inputs, self.tokens = most_bytes, most_inputs, tokens
        return True


def split(requests: Iterable[Request], limits: Limits) -> Iterator[list[Request]]:
    """Batches of one endpoint and one model each, in the order of their keys, each request once.

    A request of more tokens than its model's limit makes a batch of its own: tokens are only estimated.

    Raises:
        UsageError: one request alone is over the limit of bytes or inputs.
    """
    unique = {request.custom_id: request for request in requests}
    ordered = sorted(unique.values(), key=lambda r: (r.url, r.model, r.custom_id))
    for (_, model), group in groupby(ordered, key=lambda r: (r.url, r.model)):
        yield from cut(((request, _size(request, limits)) for request in group), model, limits)


class ModelQueue:
    """The tokens of batches that are to be under way together, by model."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits.tokens
        self._queued: dict[str, int] = defaultdict(int)

    def takes(self, model: str, tokens: Iterable[int]) -> bool:
        """Whether a batch of so many tokens may go too; they are counted only where the model has a limit."""
        limit = self._limits.get(model)
        if limit is None:
            return True
        total = sum(tokens)
        if self._queued[model] and self._queued[model] + total > limit:
            return False
        self._queued[model] += max(total, 1)
        return True


def cut(sized: Iterable[tuple[T, Size]], model: str, limits: Limits) -> Iterator[list[T]]:
    """Parts of one model in batches, in the given order; under a limit of tokens each where it still fits."""
    # Never by size: long answers may be those of one trait, and a judge that drifts over its files would fake it.
    limit = limits.tokens.get(model)
    most_tokens = float("inf") if limit is None else limit
    open_batches: list[_OpenBatch[T]] = [_OpenBatch()]
    for part, size in sized:
        if any(batch.takes(part, size, limits, most_tokens) for batch in open_batches):
            continue
        open_batches.append(new := _OpenBatch[T]())
        new.takes(part, size, limits, most_tokens)
        if len(open_batches) > (1 if limit is None else OPEN):
            yield open_batches.pop(0).parts
    yield from (batch.parts for batch in open_batches if batch.parts)


def check_size(key: str, size: Size, limits: Limits) -> None:
    """Make sure that a request fits a batch.

    Raises:
        UsageError: it alone is over the limit of bytes or inputs.
    """
    if size.bytes > limits.bytes:
        raise UsageError(f"request {key} has {size.bytes} bytes; a batch file takes at most {limits.bytes}")
    if size.inputs > limits.inputs:
        raise UsageError(f"request {key} has {counted(size.inputs, 'input')}; a batch takes at most {limits.inputs}")


def _size(request: Request, limits: Limits) -> Size:
    tokens = input_tokens(request.body) if request.model in limits.tokens else 0
    size = Size(len(request.line()) + 1, inputs_of(request), tokens)
    check_size(request.custom_id, size, limits)
    return size


def inputs_of(request: Request) -> int:
    """Texts of an embedding request, 0 of any other; a list of numbers is one text in tokens."""
    if request.url != EMBEDDINGS:
        return 0
    given = request.body.get("input")
    texts = isinstance(given, (list, tuple)) and not all(isinstance(item, int) for item in given)
    return len(given) if texts and isinstance(given, (list, tuple)) else 1
