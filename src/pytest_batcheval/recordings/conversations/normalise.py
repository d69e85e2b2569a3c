"""The normal form of requests and replies, without meaningless differences between runs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping

from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.key import BodyError, canonical
from pytest_batcheval.wire.origin import RESPONDENT_HEADER, SIMULATOR_HEADER

BOUNDARY = "boundary"
"""Placeholder for the random boundary of a multipart body."""

REQUEST_HEADERS = ("content-type",)
REPLY_HEADERS = (
    "content-type",
    "content-encoding",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    SIMULATOR_HEADER,
    RESPONDENT_HEADER,
)
"""The headers that are stored; the others are dropped. The address of a simulator's clock must not be among them."""

SECRET_HEADERS = (
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "openai-organization",
    "openai-project",
    "cookie",
)
"""Headers whose values are not stored; where a body repeats them, they are replaced by stars."""

SHORTEST_SECRET = 12
"""Least characters of a secret; a shorter value is not a key, and could occur in any text."""

_FILE_NAME = re.compile(rb"(batcheval-[0-9a-f]{16}-)([0-9a-f]{8})(?![0-9a-f])")
_MARK = re.compile(rb'("batcheval":)"[0-9]+;[^"]*"')
_ACCOUNT = re.compile(r"\b(org-|proj_)[A-Za-z0-9]{8,}")
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)')


def matched_body(body: bytes) -> bytes:
    """The body in the form in which requests are matched: versions of ours mark their batches in different ways."""
    return _MARK.sub(rb'\1""', body)


class FileNames:
    """The nonces in the names of our input files, numbered for each batch in the order in which requests name them.

    Thus a recording has the same bytes each time, and a replay returns the names of the current run.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, dict[bytes, bytes]] = {}
        self._lock = threading.Lock()

    def learn(self, request: bytes) -> None:
        """Number the new names in a request."""
        with self._lock:
            for match in _FILE_NAME.finditer(request):
                numbers = self._numbers.setdefault(match[1], {})
                numbers.setdefault(match[2], b"%08x" % (len(numbers) + 1))

    def stored(self, data: bytes) -> bytes:
        """The data with numbers in place of this run's nonces."""
        return _FILE_NAME.sub(lambda m: m[1] + self._numbers.get(m[1], {}).get(m[2], m[2]), data)

    def live(self, data: bytes) -> bytes:
        """The data with this run's nonces in place of numbers."""
        nonces = {(name, number): nonce for name, known in self._numbers.items() for nonce, number in known.items()}
        return _FILE_NAME.sub(lambda m: m[1] + nonces.get((m[1], m[2]), m[2]), data)


class Secrets:
    """The credentials in a recording's requests, which are replaced by the same number of stars."""

    def __init__(self) -> None:
        self._known: frozenset[bytes] = frozenset()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Remember the credentials in a request's headers."""
        found = (headers.get(name, "").removeprefix("Bearer ").encode() for name in SECRET_HEADERS)
        self._known |= {secret for secret in found if len(secret) >= SHORTEST_SECRET}

    def starred(self, data: bytes) -> bytes:
        """The data with stars in place of the credentials."""
        for secret in sorted(self._known, key=len, reverse=True):
            data = data.replace(secret, b"*" * len(secret))
        return data

    def without(self, refusal: bytes) -> bytes:
        """A refusal's body without the credentials, or anything else that looks like a key or an account."""
        try:
            text = self.starred(refusal).decode()
        except UnicodeDecodeError:
            return b""
        return _ACCOUNT.sub(r"\1…", redacted(text)).encode()


def kept(headers: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The headers with these names, in that order; a request id is hashed, a boundary is replaced."""
    return {name: _CHANGED.get(name, str)(headers[name]) for name in names if headers.get(name)}


def normal_body(content_type: str, body: bytes) -> bytes:
    """The body in its stored form: JSON in canonical form, multipart with a fixed boundary and no types."""
    if content_type.startswith("multipart/"):
        boundary = _BOUNDARY.search(content_type)
        return _multipart(body, boundary[1].encode()) if boundary else body
    if not body:
        return body
    try:
        return canonical(json.loads(body)).encode()
    except (BodyError, ValueError, RecursionError):
        return body


def _multipart(body: bytes, boundary: bytes) -> bytes:
    """A multipart body with newlines at the ends of lines outside parts, and only the names in the parts' headers."""
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(parts) < 3 or parts[0] or not parts[-1].startswith(b"--"):
        return body.replace(boundary, BOUNDARY.encode())
    normal = b""
    for part in parts[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition:")]
        normal += b"\n".join((f"--{BOUNDARY}".encode(), *named, b"", content, b""))
    return normal + f"--{BOUNDARY}--\n".encode()


def _hashed(request_id: str) -> str:
    return f"req_{hashlib.sha256(request_id.encode()).hexdigest()[:32]}"


def _bounded(content_type: str) -> str:
    return _BOUNDARY.sub(f"boundary={BOUNDARY}", content_type)


_CHANGED: Mapping[str, Callable[[str], str]] = {"x-request-id": _hashed, "content-type": _bounded}
