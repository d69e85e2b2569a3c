"""Every fault by its name, with the call it usually waits for and what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pytest_batcheval.simulator.faultplan import told, wire
from pytest_batcheval.simulator.faultplan.lines import (
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
class Kind:
    """A fault's name, the call it waits for unless a plan says otherwise, its meaning in one line, what it takes."""

    name: str
    usual_call: str
    meaning: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class ExchangeFault:
    """A fault of one exchange."""

    kind: Kind
    strike: Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class LineFault:
    """A fault of a result file: (lines, places of the lines meant, dice) to lines."""

    kind: Kind
    spoil: Callable[..., list[bytes]]


def _named(*kinds: tuple[Callable[..., Awaitable[None]], str]) -> dict[str, ExchangeFault]:
    faults = (ExchangeFault(_kind(f, call), f) for f, call in kinds)
    return {fault.kind.name: fault for fault in faults}


def _lines(*spoilers: Callable[..., list[bytes]]) -> dict[str, LineFault]:
    faults = (LineFault(_kind(f, "result.output"), f) for f in spoilers)
    return {fault.kind.name: fault for fault in faults}


def _kind(function: Callable[..., object], call: str) -> Kind:
    takes = [name for name in inspect.signature(function).parameters if name not in _GIVEN]
    return Kind(function.__name__, call, (function.__doc__ or "").partition("\n")[0], tuple(takes))


EXCHANGES = _named(
    (wire.status, "*"),
    (wire.status_after, "batches.create"),
    (wire.reset_before, "*"),
    (wire.reset_after, "batches.create"),
    (wire.late, "batches.create"),
    (wire.delay, "*"),
    (wire.truncated, "files.content"),
    (wire.truncated_silently, "files.content"),
    (wire.garbage, "*"),
    (wire.drip, "files.content"),
    (wire.redirect, "*"),
    (wire.kill_client, "*"),
    (wire.kill_client_after, "*"),
    (told.list_lag, "batches.list"),
    (told.page_repeats, "batches.list"),
    (told.file_not_found, "files.retrieve"),
    (told.batch_not_found, "batches.retrieve"),
    (told.wrong_counts, "batches.retrieve"),
    (told.status_backwards, "batches.retrieve"),
    (told.unknown_status, "batches.retrieve"),
    (told.stuck, "batches.retrieve"),
    (told.null_output, "batches.retrieve"),
    (told.empty_error_file, "batches.retrieve"),
    (told.vanished, "batches.retrieve"),
    (told.expired_output, "files.content"),
    (told.cancel_refused, "batches.cancel"),
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
