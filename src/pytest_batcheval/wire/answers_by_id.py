"""Answers under the `custom_id`s that their requests have in somebody's file or batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.objects import Answer, Request


class AnswersById(Mapping[str, Answer]):
    """Answers by `custom_id`: that of the file a request was read from, that of an adopted batch, or its key.

    It has the answers that are there; looking up another id is a `KeyError` with the reason, one that several
    requests have a `UsageError`.
    """

    def __init__(
        self, requests: Sequence[Request], answers: Iterable[Answer], aliases: Iterable[tuple[str, str]]
    ) -> None:
        """Prepare it; `aliases` are pairs of `custom_id` and key."""
        self._answers = {answer.custom_id: answer for answer in answers}
        given, adopted = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for request in requests:
            if request.given_id:
                given[request.given_id].add(request.custom_id)
        for custom_id, key in aliases:
            adopted[custom_id].add(key)
        own = {request.custom_id: {request.custom_id} for request in requests}
        self._keys: Mapping[str, set[str]] = own | adopted | given

    def __getitem__(self, custom_id: str) -> Answer:
        keys = self._keys.get(custom_id)
        if keys is None:
            raise KeyError(f"no request of this run has the custom_id {custom_id!r}")
        if len(keys) > 1:
            raise UsageError(
                f"{len(keys)} different bodies of this run have the custom_id {custom_id!r}: use their keys"
            )
        (key,) = keys
        if key not in self._answers:
            raise KeyError(f"the request of custom_id {custom_id!r} is still pending")
        return self._answers[key]

    def __iter__(self) -> Iterator[str]:
        return (name for name, keys in self._keys.items() if len(keys) == 1 and keys <= self._answers.keys())

    def __len__(self) -> int:
        return sum(1 for _ in self)
