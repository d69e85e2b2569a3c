"""Every fault by name, with its usual call and its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pytest_batcheval.simulator.faults import connection, responses
from pytest_batcheval.simulator.faults.result_lines import (
    blank_lines,
    broken_line,
    byte_order_mark,
    conflicting_line,
    crlf,
    duplicate_line,
    foreign_line,
    giant_line,
    missing_line,
    reordered_lines,
    status_zero_line,
)

_GIVEN = ("exchange", "lines", "places", "dice")


@dataclass(frozen=True)
class FaultKind:
    """A fault's name, the call it strikes unless a plan says otherwise, its meaning in one line, its parameters."""

    name: str
    usual_call: str
    meaning: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class ExchangeFault:
    """A fault of one exchange."""

    kind: FaultKind
    strike: Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class LineFault:
    """A fault of a result file: a function from (lines, places of the chosen lines, dice) to lines."""

    kind: FaultKind
    spoil: Callable[..., list[bytes]]


def _named(*kinds: tuple[Callable[..., Awaitable[None]], str]) -> dict[str, ExchangeFault]:
    faults = (ExchangeFault(_kind(f, call), f) for f, call in kinds)
    return {fault.kind.name: fault for fault in faults}


def _lines(*spoilers: Callable[..., list[bytes]]) -> dict[str, LineFault]:
    faults = (LineFault(_kind(f, "result.output"), f) for f in spoilers)
    return {fault.kind.name: fault for fault in faults}


def _kind(function: Callable[..., object], call: str) -> FaultKind:
    takes = [name for name in inspect.signature(function).parameters if name not in _GIVEN]
    return FaultKind(function.__name__, call, (function.__doc__ or "").partition("\n")[0], tuple(takes))


EXCHANGES = _named(
    (connection.status, "*"),
    (connection.status_after, "batches.create"),
    (connection.reset_before, "*"),
    (connection.reset_after, "batches.create"),
    (connection.late, "batches.create"),
    (connection.delay, "*"),
    (connection.truncated, "files.content"),
    (connection.truncated_silently, "files.content"),
    (connection.garbage, "*"),
    (connection.drip, "files.content"),
    (connection.redirect, "*"),
    (connection.kill_client, "*"),
    (connection.kill_client_after, "*"),
    (responses.list_lag, "batches.list"),
    (responses.page_repeats, "batches.list"),
    (responses.file_not_found, "files.retrieve"),
    (responses.batch_not_found, "batches.retrieve"),
    (responses.wrong_counts, "batches.retrieve"),
    (responses.status_backwards, "batches.retrieve"),
    (responses.unknown_status, "batches.retrieve"),
    (responses.stuck, "batches.retrieve"),
    (responses.null_output, "batches.retrieve"),
    (responses.empty_error_file, "batches.retrieve"),
    (responses.vanished, "batches.retrieve"),
    (responses.expired_output, "files.content"),
    (responses.cancel_refused, "batches.cancel"),
)
"""Faults of exchanges by name."""

LINES = _lines(
    duplicate_line,
    conflicting_line,
    missing_line,
    foreign_line,
    reordered_lines,
    broken_line,
    giant_line,
    crlf,
    byte_order_mark,
    blank_lines,
    status_zero_line,
)
"""Faults of result files by name."""
