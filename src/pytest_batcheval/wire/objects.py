"""One request and its answer, as seen by test authors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import AnswerError
from pytest_batcheval.wire.bodies import failure_in, form_of
from pytest_batcheval.wire.bodies.embeddings import vector
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.key import KEY_SHOWN, canonical, key_of_text, request_key
from pytest_batcheval.wire.plain import mapping, whole_number

if TYPE_CHECKING:
    from pytest_batcheval.wire.bodies.form import BodyForm, ToolCall
    from pytest_batcheval.wire.input_file import InputLines, Source

EXCERPT = 40
"""Characters of a text that a `repr` shows."""

STORED_FAILURE = "stored_failure"
"""Code of a stored answer that is a failure, which an earlier version did not recognise."""


@dataclass(frozen=True, eq=False)
class Request:
    """One line of a batch input file. Two requests are equal when their keys are.

    Attributes:
        body: the request body in the API's own terms.
        url: the endpoint's path, such as `/v1/chat/completions`.
        sample: number of this sample, from 0; part of the key, not of the body.
        given_id: the `custom_id` in the file that it was read from; no part of the key.
        backend: the backend that it goes to, if not the one of the run or client; no part of the key.
    """

    body: Mapping[str, Any]
    url: str = CHAT
    method: str = "POST"
    sample: int = 0
    given_id: str = ""
    backend: str = ""

    @classmethod
    def from_jsonl(cls, source: Source, *, model: str | None = None, strict: bool = False) -> InputLines:
        """The requests of a batch input file, or of its lines; see `wire.input_file.InputLines`.

        Iteration raises `InputFileError` at its end if there are bad lines.
        """
        from pytest_batcheval.wire.input_file import InputLines

        return InputLines(source, cls, model=model, strict=strict)

    @cached_property
    def custom_id(self) -> str:
        """The request's key (see `wire.key.request_key`), 40 hex digits.

        Raises:
            BodyError: the body has no canonical JSON form.
        """
        return request_key(self.method, self.url, self.body, self.sample)

    @property
    def model(self) -> str:
        """The requested model; empty when the body names none."""
        return str(self.body.get("model", ""))

    def line(self) -> bytes:
        """The official line of a batch input file, without its newline."""
        text, known = canonical(self.body), vars(self)
        if "custom_id" not in known:  # the canonical text is the most work of both
            known["custom_id"] = key_of_text(self.method, self.url, text, self.sample)
        head = f'{{"custom_id":"{self.custom_id}","method":"{self.method}","url":{json.dumps(self.url)},"body":'
        return (head + text + "}").encode()

    def __repr__(self) -> str:
        sample = f" sample {self.sample}" if self.sample else ""
        return f"<Request {self.custom_id[:KEY_SHOWN]}… {excerpt(self.model or '-')[1:-1]} {self.url}{sample}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and other.custom_id == self.custom_id

    def __hash__(self) -> int:
        return hash(self.custom_id)


@dataclass(frozen=True)
class RequestError:
    """The failure of a request, with the API's own code and message.

    Attributes:
        retryable: whether a later run sends the request again by itself; `None` where that was not decided.
    """

    code: str
    message: str
    status_code: int | None = None
    retryable: bool | None = None

    def __str__(self) -> str:
        status = f" (HTTP {self.status_code})" if self.status_code else ""
        return f"{self.code}{status}: {self.message}"


@dataclass(frozen=True)
class Answer:
    """The response to one request, or its error.

    Attributes:
        request: the request it answers.
        origin: where it came from (see `wire.origin`).
        response: the `response` object of the output line (`status_code`, `request_id`, `body`);
            empty when the request failed without one.
        error: the failure of the request, or `None`.
        source: `recording` or `journal`: where this run found it.
        turns: all answers of a generator prompt, this one last; one answer for a plain prompt.
        line_id: the provider's id of the output line.
        round: the round that asked, such as `2026-W48`; empty outside any round.
        asked_at: Unix seconds at which it was asked; `None` where nobody knows.
        cell: ids of the axis values it answers, by axis; empty where nobody knows them.
        remark: what was replaced in it when it was downloaded, such as a lone surrogate; stores do not keep it.
    """

    request: Request
    origin: str
    response: Mapping[str, Any] = field(default_factory=dict)
    error: RequestError | None = None
    source: str = "journal"
    turns: tuple[Answer, ...] = field(default=(), repr=False)
    line_id: str = ""
    cell: Mapping[str, str] = field(default_factory=dict, compare=False)
    round: str = ""
    asked_at: float | None = field(default=None, compare=False)
    remark: str = field(default="", compare=False)

    def __repr__(self) -> str:
        name = " × ".join(excerpt(value)[1:-1] for value in self.cell.values()) or f"{self.custom_id[:KEY_SHOWN]}…"
        return f"<Answer {name}: {excerpt(self.text) if self.error is None else f'failed, {excerpt(str(self.error))}'}>"

    @property
    def custom_id(self) -> str:
        """The key of the request."""
        return self.request.custom_id

    @property
    def body(self) -> Mapping[str, Any]:
        """The response body in the API's own terms.

        Raises:
            AnswerError: the request failed.
        """
        if self.error is not None:
            raise AnswerError(f"request {self.custom_id} has no answer: {self.error}")
        return mapping(self.response.get("body"))

    @property
    def text(self) -> str:
        """The words of the answer; empty when it has none (a refusal, a tool call, an embedding).

        Of a response with several messages, or a message with several blocks, the final ones.

        Raises:
            AnswerError: the request failed.
        """
        return self._form.text

    @property
    def finish_reason(self) -> str | None:
        """`stop`, `length`, `content_filter`, `tool_calls` …; other endpoints' words are translated to these."""
        return self._form.finish_reason

    @property
    def refusal(self) -> str | None:
        """The model's refusal, when the API marked one."""
        return self._form.refusal

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asks to be called, in one shape for every endpoint: `id`, `name`, `arguments`.

        Raises:
            AnswerError: the request failed.
        """
        return self._form.tool_calls

    @property
    def embedding(self) -> list[float]:
        """The vector of an embedding, of the first input if there are several.

        Raises:
            AnswerError: the request failed, or the answer has no vector that can be read.
        """
        return self._vectors(1)[0]

    @property
    def embeddings(self) -> list[list[float]]:
        """The vectors of all inputs, in their order; base64 is decoded.

        Raises:
            AnswerError: the request failed, or the answer has no vectors that can be read.
        """
        return self._vectors(None)

    @property
    def usage(self) -> Mapping[str, Any]:
        """Token counts in the endpoint's own terms; empty when there are none."""
        return self._form.usage

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens, for every endpoint; missing and implausible counts are 0."""
        return self._form.tokens

    @property
    def model(self) -> str:
        """The model that served the answer (a dated snapshot)."""
        return self._form.model

    def json(self) -> Any:
        """The text parsed as JSON.

        Raises:
            AnswerError: the request failed, or the text is not valid JSON; the message has the text.
        """
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise AnswerError(f"answer {self.custom_id} is not valid JSON ({error}): {self.text[:200]!r}") from None

    @cached_property
    def _form(self) -> BodyForm:
        return form_of(self.body, self.request.url)

    def _vectors(self, most: int | None) -> list[list[float]]:
        found = self._form.embeddings[:most]
        try:
            vectors = [vector(each) for each in found]
        except ValueError as error:
            raise AnswerError(f"answer {self.custom_id} has an embedding that cannot be read: {error}") from None
        if not vectors:
            raise AnswerError(f"answer {self.custom_id} has no embedding; its body has {sorted(self.body)}")
        return vectors


def stored_answer(
    request: Request,
    origin: str,
    response: Mapping[str, Any],
    source: str,
    line_id: str,
    round_name: str = "",
    asked_at: float | None = None,
) -> Answer:
    """An answer out of a store; one whose body is a failure has an `error`.

    Earlier versions stored every object of status 200 as an answer. Only what the body itself shows counts here, not
    what its endpoint would have sent. Such a request is not sent again by itself.
    """
    failure = failure_in(response.get("body"))
    error = None
    if failure is not None:
        status = whole_number(response.get("status_code"))
        error = RequestError(STORED_FAILURE, f"{failure.code}: {failure.message}", status, retryable=False)
    return Answer(request, origin, response, error, source=source, line_id=line_id, round=round_name, asked_at=asked_at)


def excerpt(text: str) -> str:
    """The beginning of a text, quoted, on one line, its control characters escaped: `'가슴이 답답…'`."""
    line = " ".join(text.split())
    return repr(line if len(line) <= EXCERPT else f"{line[:EXCERPT].rstrip()}…")
