"""Failures of calls to a provider, sorted by whether the call may have been applied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from pytest_batcheval.text.sanitize import redacted, storable, without_secrets
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.bodies.error_report import words_of

Call = Literal["upload", "create", "list", "retrieve", "content", "delete", "cancel"]

LONGEST_PAUSE = 3600.0
"""Seconds; a longer Retry-After is cut to this."""

QUOTA_PAUSE = 600.0
"""Seconds between reads while the account has no quota: reading is free, so it goes on slowly."""

QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit", "billing_hard_limit_reached"})
"""Codes that mean the account has no money left."""

_NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
_LIBRARIES = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
LONGEST_MESSAGE = 1000
"""Characters of a provider's message that are kept."""


class ProviderFailure(Exception):
    """A call that failed. `message` contains nothing that looks like an API key.

    Attributes:
        cause: the provider's code, or the exception's name.
        status_code: HTTP status, if one came.
        request_id: the provider's id of the call, for its support.
    """

    def __init__(self, cause: str, message: str, status_code: int | None = None, request_id: str | None = None) -> None:
        self.cause = without_secrets(storable(cause))[:LONGEST_MESSAGE]
        self.message = without_secrets(storable(message))[:LONGEST_MESSAGE]
        self.status_code = status_code
        self.request_id = without_secrets(storable(request_id))[:LONGEST_MESSAGE] if request_id else None
        super().__init__(str(self))

    def without(self, secret: str) -> ProviderFailure:
        """The same failure without the secret, which a server may have echoed."""
        self.cause, self.message = redacted(self.cause, secret), redacted(self.message, secret)
        self.request_id = redacted(self.request_id, secret) if self.request_id else None
        self.args = (str(self),)
        return self

    def __str__(self) -> str:
        status = f"HTTP {self.status_code} " if self.status_code else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{status}{self.cause}: {self.message}{request}"


class BadReply(Exception):
    """A reply that was not read to its end; the meaning depends on the call.

    Attributes:
        cause: one word for it.
        hopeless: whether the next reply would be the same.
    """

    def __init__(self, cause: str, message: str, hopeless: bool = False) -> None:
        self.cause = cause
        self.hopeless = hopeless
        super().__init__(message)


class Refused(ProviderFailure):
    """A call that was certainly not applied, and would be refused again."""


class Stopped(Refused):
    """A call that was certainly not applied; the account or base URL needs attention (key, permission, quota)."""


class TransientFailure(ProviderFailure):
    """A call that was not applied, or is safe to repeat; `retry_after` in seconds when the provider named a time."""

    def __init__(self, cause: str, message: str, status_code: int | None = None, request_id: str | None = None) -> None:
        super().__init__(cause, message, status_code, request_id)
        self.retry_after: float | None = None


class UnknownOutcome(ProviderFailure):
    """A create that may or may not have been applied; it must be looked for before anything is sent."""


def classify(call: Call, error: Exception) -> ProviderFailure:
    """The failure that an SDK or HTTP exception means for this kind of call.

    Works for the exceptions of openai 2 (httpx) and openai 3 (httpx2) by their names and
    attributes, so that neither has to be imported.

    Raises:
        Exception: `error` itself when it comes from none of the SDK, HTTP and the network.
    """
    if isinstance(error, ProviderFailure):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(call, status, error)
    cause = error.__cause__ or error
    if isinstance(cause, BadReply):
        return _unread(call, cause)
    if not _of_network(error):
        raise error
    name, message = type(cause).__name__, str(cause) or str(error)
    if call == "create" and not (_library(cause) in _LIBRARIES and name in _NEVER_SENT):
        return UnknownOutcome(name, message)
    return TransientFailure(name, message)


def _unread(call: Call, reply: BadReply) -> ProviderFailure:
    if call == "create":
        return UnknownOutcome(reply.cause, str(reply))
    return (Refused if reply.hopeless else TransientFailure)(reply.cause, str(reply))


def _by_status(call: Call, status: int, error: Exception) -> ProviderFailure:
    code, message = _code_and_message(error)
    details = (code or type(error).__name__, message, status, getattr(error, "request_id", None))
    if call == "create" and status in (403, 429) and not _has_api_error(error):  # a proxy may have held back the reply
        return UnknownOutcome(*details)
    if status in (401, 402, 403) or (300 <= status < 400 and call != "create"):
        return Stopped(*details)
    if status == 429:
        return _limited(call, error, code, details)
    if call == "create":
        return Refused(*details) if status in (400, 404, 413, 422) else UnknownOutcome(*details)
    if status == 501:  # the provider has no such call, and never will have
        return Refused(*details)
    if status in (408, 409, 425) or status >= 500:
        return _after(TransientFailure(*details), error)
    return Refused(*details)


def is_api_error(body: object) -> bool:
    """Whether a refusal's body, decoded, is the API's own: its `error`, or it itself by its word, has a text.

    Anything on the way writes words or HTML, with the same status and perhaps after the request was run.
    """
    error = body.get("error") if isinstance(body, Mapping) else None
    error = body if error is None and isinstance(body, Mapping) and body.get("object") == "error" else error
    return isinstance(error, Mapping) and any(
        isinstance(error.get(name), str) and error[name] for name in ("message", "code", "type")
    )


def _has_api_error(error: Exception) -> bool:
    with suppress(AttributeError, ValueError, RecursionError):
        return is_api_error(json.loads(error.response.content))  # type: ignore[attr-defined] # the SDK's
    return False


def _limited(
    call: Call, error: Exception, code: str | None, details: tuple[str, str, int, str | None]
) -> ProviderFailure:
    failure = _after(TransientFailure(*details), error)
    if code not in QUOTA_CODES:
        return failure
    if call in ("upload", "create"):
        return Stopped(*details)
    failure.retry_after = QUOTA_PAUSE
    return failure


def _after(failure: TransientFailure, error: Exception) -> TransientFailure:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    failure.retry_after = retry_after(headers)
    return failure


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds named by `retry-after-ms` or `retry-after` (seconds or an HTTP date), at most an hour."""
    for seconds in (_milliseconds(headers), _seconds(headers)):
        if seconds is not None and seconds == seconds:
            return min(max(seconds, 0.0), LONGEST_PAUSE)
    return None


def _milliseconds(headers: Mapping[str, str]) -> float | None:
    with suppress(ValueError):
        return float(headers.get("retry-after-ms", "")) / 1000
    return None


def _seconds(headers: Mapping[str, str]) -> float | None:
    after = headers.get("retry-after", "").strip()
    with suppress(ValueError):
        return float(after)
    with suppress(ValueError, TypeError, OverflowError):
        return _date(after) - _server_time(headers)
    return None


def _server_time(headers: Mapping[str, str]) -> float:
    """The time by the server's own clock where its reply has it: ours may be wrong."""
    date = headers.get("date")
    return _date(date) if date else real_time.now()


def _date(text: str) -> float:
    from email.utils import parsedate_to_datetime  # reports do without

    return parsedate_to_datetime(text).timestamp()


def _code_and_message(error: Exception) -> tuple[str | None, str]:
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(inner, Mapping):
        code, word = inner.get("code") or inner.get("type"), inner.get("status")
        code = word if isinstance(code, int) and isinstance(word, str) else code  # Google's code is the HTTP status
        said = words_of(inner.get("message")) or words_of(inner.get("detail"))
        return (str(code) if code else None), said or str(dict(inner) or error)
    return None, str(inner or error)


def _of_network(error: Exception) -> bool:
    """Whether an exception comes from the SDK or the network; a reply that is not JSON raises a ValueError."""
    return _library(error) in _LIBRARIES or isinstance(error, (OSError, ValueError))


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
