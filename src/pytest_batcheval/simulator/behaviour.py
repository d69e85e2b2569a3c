"""Configuration of the simulated API: behaviour that is not documented, limits, durations.

Every default is the best known behaviour of the live API; a setting exists where that is an
assumption, so that a client can be tested against each alternative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytest_batcheval.simulator.config import read_config

CODES: Mapping[str, str | None] = {
    "expires_after": "invalid_value",
    "missing_form_field": "missing_required_parameter",
    "purpose": None,
    "completion_window": "invalid_value",
    "metadata_pairs": "object_above_max_properties",
    "metadata_length": "string_above_max_length",
    "output_expires_after": "invalid_value",
    "input_purpose": None,
    "list_limit": "invalid_value",
    "list_after": "invalid_value",
    "no_api_key": None,
    "wrong_api_key": "invalid_api_key",
    "missing_scope": None,
    "rate_limit": "rate_limit_exceeded",
    "duplicate_custom_id": "duplicate_custom_id",
    "mismatched_model": "mismatched_model",
    "invalid_method": "invalid_method",
    "too_many_requests": "too_many_requests",
    "too_many_inputs": "too_many_inputs",
    "cancelled_line": "batch_cancelled",
}
"""Assumed error codes by the name of the situation."""

TEXTS: Mapping[str, str] = {
    "no_such_file": "No such File object: {id}",
    "duplicate_custom_id": "The custom_id '{id}' is used by an earlier line of this file.",
    "mismatched_model": "All requests of a batch must name the same model; this one names '{model}'.",
    "cancelled_line": "This request was not executed because the batch was cancelled.",
}
"""Assumed texts; the name in braces is filled in."""


@dataclass(frozen=True)
class Behaviour:
    """One set of assumptions about the API.

    Attributes:
        models: `known`: the names of known families; `any`: every name; or a list of the only names.
        unknown_file: result of a create with an unknown file: 200 and `failed` later, or a 400.
        wrong_purpose: result of a create with a file of another purpose: a 400, or `failed` later.
        idempotency_key: `honoured` answers a repeated `Idempotency-Key` with the first batch.
        download_input: whether the content of a batch input file can be read.
        all_faults: whether every error of a line is reported, or only its first.
        no_error_file: value of `error_file_id` when no line failed: null, `""`, or an empty file.
        failed_lines_in_output: whether failed lines are in the output file too.
        shuffle_output: whether the order of the results differs from that of the input.
        cancelled_lines: lines that a cancelled batch did not run are in its error file, or absent.
        bill_cancelled: whether the finished lines of a cancelled batch are billed.
        cancel_finalizing: result of a cancel while the batch is finalizing: a 409, or accepted.
        newest_first: whether the list of batches begins with the newest.
        empty_list_ids: `first_id` and `last_id` of an empty page: null, or absent.
        scope_status: HTTP status of a call that the key's scopes do not allow.
        usage: whether ended batches have `usage`.
        rate_limit_headers: whether replies to individual calls have `x-ratelimit-*`.
        codes, texts: replacements for entries of `CODES` and `TEXTS`.
        max_file_bytes: largest batch input file (200 MB, Batch guide).
        max_other_bytes: largest file of another purpose (512 MB, published reference).
        max_line_bytes: longest line of an input file; a longer one counts as invalid JSON.
        edge_limit_bytes: larger bodies are refused by a proxy in front, as HTML; `None` for no proxy.
        max_requests, max_inputs: lines, and embedding inputs, of one batch (50,000; published reference).
        max_faults: most entries of `errors.data`.
        creates_per_hour, uploads_per_minute: limits of one project (2,000 and 1,000; published reference).
        validating_seconds: shortest and longest time until the first line runs.
        line_seconds: shortest and longest mean time of a line; a batch draws one.
        start_seconds: added to the time of all lines.
        longest_run: longest run of a batch, as a share of its completion window; over 1 it expires.
        finalizing_seconds: base, and time per line (2 s for 9 lines, 1,065 s for 10,000 were observed).
        cancelling_seconds: time from a cancel to `cancelled` ("up to 10 minutes").
        call_seconds: time from an individual call to its answer.
        requests_per_minute, tokens_per_minute: limits for individual calls of a key without its own.
        calls_at_once: limit of concurrent individual calls, of all keys together.
        flex: whether calls of the service tier flex find capacity.
        list_lag: seconds until a new batch appears in the list.
        file_lag: seconds until a new file can be retrieved.
        polls_per_minute: of one batch, on the client's clock; more are a mistake of the client.
        strict: refuse what the API lets pass: see `endpoints.strictness`.
    """

    models: tuple[str, ...] | Literal["known", "any"] = "known"
    unknown_file: Literal["failed", "refused"] = "failed"
    wrong_purpose: Literal["refused", "failed"] = "refused"
    idempotency_key: Literal["ignored", "honoured"] = "ignored"
    download_input: bool = True
    all_faults: bool = True
    no_error_file: Literal["null", "blank", "empty_file"] = "null"
    failed_lines_in_output: bool = False
    shuffle_output: bool = True
    cancelled_lines: Literal["error_file", "absent"] = "error_file"
    bill_cancelled: bool = True
    cancel_finalizing: Literal["refused", "accepted"] = "refused"
    newest_first: bool = True
    empty_list_ids: Literal["null", "absent"] = "null"
    scope_status: Literal[401, 403] = 401
    usage: bool = True
    rate_limit_headers: bool = True
    codes: Mapping[str, str | None] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    max_file_bytes: int = 200_000_000
    max_other_bytes: int = 512_000_000
    max_line_bytes: int = 200_000_000
    edge_limit_bytes: int | None = None
    max_requests: int = 50_000
    max_inputs: int = 50_000
    max_faults: int = 1_000
    creates_per_hour: int = 2_000
    uploads_per_minute: int = 1_000
    validating_seconds: tuple[float, float] = (5, 57)
    line_seconds: tuple[float, float] = (2, 8)
    start_seconds: float = 60
    longest_run: float = 0.9
    finalizing_seconds: tuple[float, float] = (2, 0.1)
    cancelling_seconds: float = 600
    call_seconds: float = 0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    calls_at_once: int | None = None
    flex: Literal["served", "refused"] = "served"
    list_lag: float = 0
    file_lag: float = 0
    polls_per_minute: int = 60
    strict: bool = False

    def code(self, situation: str) -> str | None:
        """The error code of a situation named in `CODES`."""
        return self.codes[situation] if situation in self.codes else CODES[situation]

    def text(self, situation: str, **values: str) -> str:
        """The text of a situation named in `TEXTS`, with the names in braces filled in."""
        text = self.texts.get(situation, TEXTS[situation])
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def load_behaviour(path: Path) -> Behaviour:
    """Read a behaviour file (YAML or JSON), checked against `schemas/behaviour.schema.json`.

    Raises:
        UsageError: the file cannot be read or does not match the schema; the message names the place.
    """
    data: dict[str, Any] = read_config(path, "behaviour")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Behaviour(**values)
