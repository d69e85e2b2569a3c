"""The server under test: raw HTTP in which no call waits for ever, and the batches that several cases look at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import openai

from pytest_batcheval.backends._sdk import http
from pytest_batcheval.backends.base_url import is_loopback, past_proxies
from pytest_batcheval.backends.certify.case import Deviation, Lacking
from pytest_batcheval.text.sanitize import safe_to_show
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.endpoints import CHAT

OPEN = ("validating", "in_progress", "finalizing", "cancelling")
ENDED = ("completed", "failed", "expired", "cancelled")

MOST_BYTES = 64 * 2**20
"""Bytes of a reply after which it is given up."""

_SHOWN = 160
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.01, 1.5, 10.0


@dataclass(frozen=True)
class Reply:
    """One reply; `call` names its request in messages."""

    call: str
    status: int
    content: bytes

    @cached_property
    def data(self) -> Any:
        """The JSON of the body; `None` if it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def seen(self) -> str:
        """The reply in a few words."""
        text = safe_to_show(" ".join(self.content.decode("utf-8", "replace").split()))
        return f"{self.call}: {self.status} {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}".rstrip()

    def object(self) -> dict[str, Any]:
        """The JSON object of a reply with status 200.

        Raises:
            Deviation: another status or body.
        """
        if self.status != 200 or not isinstance(self.data, dict):
            raise Deviation(self.seen)
        return self.data

    def refusal(self, *statuses: int) -> dict[str, Any]:
        """The error of a refusal with one of these statuses.

        Raises:
            Deviation: another status, or no `error` with a message.
        """
        error = self.data.get("error") if isinstance(self.data, dict) else None
        if self.status not in statuses:
            raise Deviation(self.seen)
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            raise Deviation(f"{self.seen}, which is no {{'error': {{'message': …}}}}")
        return error


@dataclass
class Server:
    """A server, by its base URL with `/v1`.

    Attributes:
        key: sent as `Authorization: Bearer`.
        model, embedding_model: of the requests.
        patience: seconds after which a batch that has not ended is given up.
        timeout: seconds of one call.
    """

    base_url: str
    key: str
    model: str
    embedding_model: str = ""
    patience: float = 120.0
    timeout: float = 30.0
    calls: int = 0
    _made: dict[str, Any] = field(default_factory=dict)
    _files: list[str] = field(default_factory=list)
    _open: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base_url = self.base_url.rstrip("/")
        timeout = openai.Timeout(self.timeout, connect=min(self.timeout, 10.0))
        self._http = openai.DefaultHttpxClient(
            mounts=past_proxies(self.base_url),
            timeout=timeout,
            follow_redirects=False,
            # a server that closes a connection after a refusal would fail the next case
            limits=http.Limits(max_keepalive_connections=0),
        )

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.base_url)

    def ask(self, method: str, path: str, *, key: str | None = None, **options: Any) -> Reply:
        """Make a call below the base URL; another `key` than the server's, or none for an empty one.

        Raises:
            Deviation: there is no reply, or it does not end in time.
        """
        call = f"{method} {path.partition('?')[0]}"
        sent = self.key if key is None else key
        headers = {"authorization": f"Bearer {sent}"} if sent else {}
        until = real_time.monotonic() + self.timeout
        self.calls += 1
        content = bytearray()
        try:
            with self._http.stream(method, self.base_url + path, headers=headers, **options) as reply:
                for chunk in reply.iter_bytes():
                    content += chunk
                    if real_time.monotonic() > until or len(content) > MOST_BYTES:
                        raise Deviation(f"{call}: the reply does not end")
                return Reply(call, reply.status_code, bytes(content))
        except (http.HTTPError, http.StreamError) as error:
            raise Deviation(f"{call}: no reply ({type(error).__name__})") from None

    def get(self, path: str) -> dict[str, Any]:
        """The object that a GET gives."""
        return self.ask("GET", path).object()

    def send_file(
        self, data: bytes, name: str | None = "certify.jsonl", purpose: str | None = "batch", **fields: str
    ) -> Reply:
        """The reply to an upload, with or without a file and a purpose."""
        form = {**({"purpose": purpose} if purpose is not None else {}), **fields}
        files = {"file": (name, data, "application/octet-stream")} if name is not None else {"other": ("x", b"x")}
        reply = self.ask("POST", "/files", data=form, files=files)
        if reply.status == 200 and isinstance(reply.data, dict) and isinstance(reply.data.get("id"), str):
            self._files.append(reply.data["id"])
        return reply

    def upload(self, lines: Sequence[Mapping[str, Any] | str] | bytes, **options: Any) -> str:
        """The id of a file of these lines, for a case that needs one.

        Raises:
            Lacking: the server takes no file.
        """
        data = lines if isinstance(lines, bytes) else jsonl(lines)
        reply = self.send_file(data, **options)
        if reply.status != 200 or not isinstance(reply.data, dict) or not isinstance(reply.data.get("id"), str):
            raise Lacking(f"an upload: {reply.seen}")
        return str(reply.data["id"])

    def create(self, **changes: Any) -> Reply:
        """The reply to a create of chat completions; a change to `...` leaves a parameter out."""
        usual = {"input_file_id": "file-certify", "endpoint": CHAT, "completion_window": "24h", **changes}
        reply = self.ask("POST", "/batches", json={name: value for name, value in usual.items() if value is not ...})
        if reply.status == 200 and isinstance(reply.data, dict) and isinstance(reply.data.get("id"), str):
            self._open[reply.data["id"]] = None
        return reply

    def batch(self, lines: Sequence[Mapping[str, Any] | str] | bytes, **changes: Any) -> dict[str, Any]:
        """A new batch of these lines, for a case that needs one.

        Raises:
            Lacking: the server makes none.
        """
        reply = self.create(input_file_id=self.upload(lines), **changes)
        if reply.status != 200 or not isinstance(reply.data, dict) or not isinstance(reply.data.get("id"), str):
            raise Lacking(f"a batch: {reply.seen}")
        return reply.data

    def polls(self, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A batch as seen by each poll, until it has ended.

        Raises:
            Lacking: it did not end in time.
            Deviation: a poll was refused, or its status is none of the API's.
        """
        seen, pause, until = [dict(batch)], _FIRST_PAUSE, real_time.monotonic() + self.patience
        while seen[-1].get("status") not in ENDED:
            if seen[-1].get("status") not in OPEN:
                raise Deviation(f"a batch of status {str(seen[-1].get('status'))[:40]!r}")
            if real_time.monotonic() > until:
                raise Lacking(f"an end: the batch is {seen[-1]['status']} after {self.patience:g} s")
            real_time.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            seen.append(self.get(f"/batches/{batch['id']}"))
        self._open.pop(str(batch["id"]), None)
        return seen

    def ended(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch when it has ended."""
        return self.polls(batch)[-1]

    def failure(self, lines: Sequence[Mapping[str, Any] | str] | bytes) -> list[dict[str, Any]]:
        """The errors of a batch of these lines, which must fail at validation.

        Raises:
            Deviation: the upload or the create is refused, or the batch ends otherwise.
        """
        reply = self.send_file(lines if isinstance(lines, bytes) else jsonl(lines))
        reply = self.create(input_file_id=str(reply.object()["id"]))
        batch = self.ended(reply.object())
        if batch["status"] != "failed":
            raise Deviation(f"the batch is {batch['status']}, with counts {batch.get('request_counts')}")
        errors = batch.get("errors")
        data = errors.get("data") if isinstance(errors, dict) else None
        if not isinstance(data, list) or not all(isinstance(error, dict) for error in data):
            raise Deviation(f"the batch failed with errors {str(errors)[:_SHOWN]}")
        return data

    def content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        reply = self.ask("GET", f"/files/{file_id}/content")
        if reply.status != 200:
            raise Deviation(reply.seen)
        return reply.content

    def lines(self, file_id: object) -> list[dict[str, Any]]:
        """The lines of a result file; none without a file.

        Raises:
            Deviation: a line is no JSON object with a `custom_id`.
        """
        found = []
        for text in self.content(str(file_id)).splitlines() if file_id else ():
            reply = Reply("a result line", 200, text)
            if not isinstance(reply.object().get("custom_id"), str):
                raise Deviation(f"a result line without custom_id: {text[:_SHOWN].decode('utf-8', 'replace')}")
            found.append(reply.object())
        return found

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """A thing that several cases look at, made by the first of them.

        Raises:
            Deviation: it could not be made.
            Lacking: it could not be made, or not by an earlier case.
        """
        if name not in self._made:
            try:
                self._made[name] = make()
            except (Deviation, Lacking) as error:
                self._made[name] = Lacking(str(error))
                raise
        if isinstance(self._made[name], Lacking):
            raise Lacking(str(self._made[name]))
        return self._made[name]

    def line(self, number: int, **body: Any) -> dict[str, Any]:
        """Line `line-<number>` of an input file, of a chat completion of at most 16 tokens."""
        messages = [{"role": "user", "content": f"Say {number}."}]
        asked = {"model": self.model, "max_completion_tokens": 16, "messages": messages, **body}
        return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": asked}

    def close(self) -> None:
        """Cancel the batches that still run, and delete the files that were uploaded."""
        for method, path in (
            *(("POST", f"/batches/{name}/cancel") for name in self._open),
            *(("DELETE", f"/files/{name}") for name in self._files),
        ):
            try:
                self.ask(method, path)
            except Deviation:
                break
        self._http.close()


def jsonl(lines: Sequence[Mapping[str, Any] | str]) -> bytes:
    """An input file; a line that is a text stands as it is."""
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode() + b"\n"
