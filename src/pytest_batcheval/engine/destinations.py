"""Requests by the backend that each of them chose, and sends to several backends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from pytest_batcheval.errors import UnfinishedError, UsageError
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Request

T = TypeVar("T")


def by_backend(requests: Iterable[Request], backend_of: Callable[[str], str]) -> dict[str, list[Request]]:
    """The distinct requests for each backend; `backend_of` says which one a name means, an empty name the usual one.

    Raises:
        UsageError: the same request is asked of two: its answer is found by its key.
    """
    groups: dict[str, dict[str, Request]] = {}
    chosen: dict[str, str] = {}
    for request in requests:
        backend = backend_of(request.backend)
        if (other := chosen.setdefault(request.custom_id, backend)) != backend:
            raise asked_of_two(request.custom_id, other, backend)
        groups.setdefault(backend, {})[request.custom_id] = request
    return {backend: list(some.values()) for backend, some in groups.items()}


def asked_of_two(key: str, one: str, other: str) -> UsageError:
    """The error of a request that is asked of two backends: its answer is found by its key."""
    return UsageError(
        f"the same request ({key[:KEY_SHOWN]}…) is asked of {one} and of {other}; a run asks "
        "each request of one backend: select those of one, as with -k or -m, and run again for the other"
    )


def send_each(sends: Sequence[Callable[[float | None], T]], patience: float | None, together: bool) -> list[T]:
    """Send to several backends, one after the other, each by a function of the seconds to wait.

    With `together` the batches of all are begun before those of the first are waited for.

    Raises:
        UnfinishedError: batches of one still run; those of the others that have ended are collected.
    """
    done: dict[int, T] = {}
    late: list[UnfinishedError] = []
    for number, send in enumerate(sends if together and len(sends) > 1 else ()):
        with suppress(UnfinishedError):
            done[number] = send(0.0)
    for number, send in enumerate(sends):
        try:
            if number not in done:
                done[number] = send(patience)
        except UnfinishedError as error:
            patience = 0.0
            late.append(error)
    if late:
        raise UnfinishedError("; ".join(dict.fromkeys(map(str, late))))
    return [done[number] for number in sorted(done)]
