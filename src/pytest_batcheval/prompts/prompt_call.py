"""One call of a prompt: the function, its arguments, and the requests it builds.

A prompt returns one body, or is a generator that yields one body per turn and receives its
answer, or yields a list of bodies that are sent together and receives their answers. In place of
a body it may give a `Request`, which names its own endpoint and backend. Prompts are
pure, so a generator is run from its start each time with the answers known by then: judging,
several turns and repeated requests are one mechanism.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any

from pytest_batcheval.errors import PromptError
from pytest_batcheval.prompts.body_diff import body_diff
from pytest_batcheval.text.streams import encodable
from pytest_batcheval.wire.endpoints import ENDPOINTS, endpoint_of
from pytest_batcheval.wire.key import BodyError
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.value_id import value_id

Prompt = Callable[..., Any]
Known = Callable[[Request], Answer | None]


@dataclass(frozen=True)
class Turns:
    """The progress of a prompt.

    Attributes:
        answers: of the answered turns, in order.
        pending: the requests of its next wave that have no answer yet, by the number of their turn, from 0.
    """

    answers: tuple[Answer, ...]
    pending: Mapping[int, Request]

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request built so far."""
        return (*(answer.request for answer in self.answers), *self.pending.values())


@dataclass(frozen=True)
class PromptCall:
    """A prompt with the arguments of one cell.

    Attributes:
        arguments: whole axis values by parameter name.
        sample: number of this sample, from 0.
        endpoint: from the marker; `None` to derive it from the body.
        ids: the ids of arguments, where a value has none of its own.
        backend: from the marker; empty for that of the run.
    """

    prompt: Prompt
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0
    endpoint: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""

    def __str__(self) -> str:
        ids = {name: self.ids.get(name) or value_id(value) for name, value in self.arguments.items()}
        arguments = ", ".join(f"{name}={i}" for name, i in ids.items())
        return f"{prompt_name(self.prompt)}({arguments})"

    def name(self, turn: int = 0) -> str:
        """A name of this call and turn that is the same in every run, whatever the body; `turn` counts from 0."""
        sample = f" sample {self.sample}" if self.sample else ""
        later = f" turn {turn}" if turn else ""
        # The journal has no half of a surrogate pair, which stands for a byte of a file name that is not UTF-8.
        return encodable(f"{getattr(self.prompt, '__module__', '')}.{self}{sample}{later}", "utf-8")

    @property
    def is_generator(self) -> bool:
        """Whether the prompt is a generator."""
        return inspect.isgeneratorfunction(self.prompt)

    def drive(self, known: Known) -> Turns:
        """Run the prompt with the answers known so far.

        Raises:
            PromptError: the prompt raised, or did not return a request body.
        """
        if not self.is_generator:
            request = self._request(self._guard(lambda: self.prompt(**self.arguments)))
            answer = known(request)
            return Turns((), {0: request}) if answer is None else Turns((answer,), {})
        return self._drive_generator(known)

    def drive_twice(self, known: Known) -> Turns:
        """Like `drive`, and refuse a prompt whose second run builds other bodies.

        Raises:
            PromptError: as `drive`; or the two runs differ, and the message shows the differing lines.
        """
        first, second = self.drive(known), self.drive(known)
        for one, other in zip(first.requests, second.requests, strict=False):
            if one.custom_id != other.custom_id:
                raise PromptError(
                    f"prompt {self} is not pure: two calls returned different bodies, so its answers could never be "
                    f"found again and each run would pay again. Remove time, uuid, random numbers and the order "
                    f"of sets from it.\n{body_diff(one.body, other.body)}"
                )
        if len(first.requests) != len(second.requests):
            raise PromptError(f"prompt {self} is not pure: two calls yielded a different number of turns")
        return first

    def _drive_generator(self, known: Known) -> Turns:
        turns: list[Answer] = []
        generator: Generator[Any, Any, None] = self._guard(lambda: self.prompt(**self.arguments))
        yielded = self._step(lambda: next(generator))
        while yielded is not _DONE:
            requests = self._wave(yielded)
            found = [known(request) for request in requests]
            answers = [answer for answer in found if answer is not None]
            number = len(turns)
            turns += answers
            if len(answers) < len(found) or any(answer.error is not None for answer in answers):
                generator.close()
                places = (place for place, answer in enumerate(found) if answer is None)
                return Turns(_failed_last(turns), {number + place: requests[place] for place in places})
            sent = answers if isinstance(yielded, (list, tuple)) else answers[0]
            yielded = self._step(lambda sent=sent: generator.send(sent))  # type: ignore[misc]
        if not turns:
            raise PromptError(f"prompt {self} is a generator that yields no body")
        return Turns(tuple(turns), {})

    def _wave(self, yielded: Any) -> list[Request]:
        """The requests of one `yield`: of a body, or of a list of bodies."""
        if not isinstance(yielded, (list, tuple)):
            return [self._request(yielded)]
        if not yielded:
            raise PromptError(f"prompt {self} yielded an empty list; yield at least one request body")
        return [self._request(body) for body in yielded]

    def _step(self, advance: Callable[[], Any]) -> Any:
        def next_body() -> Any:
            try:
                return advance()
            except StopIteration:
                return _DONE

        return self._guard(next_body)

    def _guard(self, build: Callable[[], Any]) -> Any:
        try:
            return build()
        except Exception as error:
            raise PromptError(f"prompt {self} raised {type(error).__name__}: {error}{where(error)}") from error

    def _request(self, body: Any) -> Request:
        if inspect.iscoroutine(body):
            body.close()
            raise PromptError(f"prompt {self} is async; a prompt must be a plain function or generator")
        url, backend = self.endpoint, self.backend
        if isinstance(body, Request):
            url, backend, body = body.url, body.backend or self.backend, body.body
        if not isinstance(body, Mapping):
            raise PromptError(f"prompt {self} returned {_kind(body)}, not a request body (a dict)")
        url = url or endpoint_of(body)
        if url is None:
            raise PromptError(
                f"prompt {self} returned a body with neither `messages` nor `input` (it has {sorted(map(str, body))}); "
                f"name the endpoint in the marker: endpoint={', '.join(map(repr, ENDPOINTS))}"
            )
        if not body.get("model"):
            raise PromptError(f"prompt {self} returned a body without `model`; the API would refuse the whole batch")
        if body.get("stream"):
            raise PromptError(f"prompt {self} asks for `stream`, which the Batch API does not support")
        return self._keyed(Request(body, url, sample=self.sample, backend=backend))

    def _keyed(self, request: Request) -> Request:
        try:
            _ = request.custom_id
        except BodyError as error:
            raise PromptError(f"prompt {self} returned a body that is not valid JSON: {error}") from None
        return request


def _failed_last(turns: Sequence[Answer]) -> tuple[Answer, ...]:
    """Turns with those that failed at the end: the last one says what became of the prompt."""
    return tuple(sorted(turns, key=lambda answer: answer.error is not None))


_DONE = object()


def prompt_name(prompt: Prompt) -> str:
    """The name of a prompt in messages."""
    return str(getattr(prompt, "__qualname__", None) or getattr(prompt, "__name__", None) or repr(prompt))


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


_OURS = str(Path(__file__).parents[1])


def where(error: BaseException) -> str:
    """The last line of the prompt's file that led to an error: ` (file:line)`; libraries further in are not named."""
    calls = extract_tb(error.__traceback__)
    theirs = [call for call in calls if not call.filename.startswith(_OURS)] or calls
    lines = [call.lineno for call in theirs if call.filename == theirs[0].filename]
    return f" ({theirs[0].filename}:{lines[-1]})" if lines else ""
