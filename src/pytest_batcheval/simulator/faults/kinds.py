"""Every fault by name, with its usual call and its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest_batcheval.simulator.faults.connection as connection
import pytest_batcheval.simulator.faults.responses as responses
from pytest_batcheval.simulator.faults.batches import expire_next_batch, fail_lines, fail_next_batch, hold_batches
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
    required: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class BatchFault:
    """A fault of a batch's life or of an execution: its parameters to what happens instead."""

    kind: FaultKind
    happen: Callable[..., object]


def _named(*kinds: tuple[Callable[..., Awaitable[None]], str]) -> dict[str, ExchangeFault]:
    faults = (ExchangeFault(_kind(f, call), f) for f, call in kinds)
    return {fault.kind.name: fault for fault in faults}


def _lines(*spoilers: Callable[..., list[bytes]]) -> dict[str, LineFault]:
    faults = (LineFault(_kind(f, "result.output"), f) for f in spoilers)
    return {fault.kind.name: fault for fault in faults}


def _kind(function: Callable[..., object], call: str) -> FaultKind:
    own = [p for p in inspect.signature(function).parameters.values() if p.name not in _GIVEN]
    required = tuple(parameter.name for parameter in own if parameter.default is parameter.empty)
    meaning = (function.__doc__ or "").partition("\n")[0]
    return FaultKind(function.__name__, call, meaning, tuple(parameter.name for parameter in own), required)


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

BATCHES = {
    function.__name__: BatchFault(_kind(function, call), function)
    for function, call in (
        (fail_lines, "line.run"),
        (expire_next_batch, "batch.run"),
        (fail_next_batch, "batch.validate"),
        (hold_batches, "batch.run"),
    )
}
"""Faults of batches and executions by name."""
