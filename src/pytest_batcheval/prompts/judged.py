"""Ready generator prompts: an answer and its judge, two answers and a judge who sees them in either order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from typing import Any

from pytest_batcheval.prompts.prompt_call import Prompt, prompt_name
from pytest_batcheval.wire.endpoints import CHAT, endpoint_of
from pytest_batcheval.wire.objects import Request

Steps = Generator[Any, Any, Any]


def judge(prompt: Prompt, verdict: Callable[..., Any], *, backend: str = "", endpoint: str | None = None) -> Prompt:
    """A prompt that asks what `prompt` asks, and then a judge about the answer.

    Args:
        prompt: a plain prompt, or a generator, whose last answer is judged.
        verdict: builds the judge's request from the answer, its first parameter, and from axes or arguments.
        backend: the judge's, if another one than the test's, such as `anthropic`.
        endpoint: of the judge's requests, if it does not follow from their bodies, such as `/v1/messages`.

    The test's `answer` is the judge's; `answer.turns` has both.
    """

    def judged(**arguments: Any) -> Steps:
        answer = yield from _asked(prompt, arguments)
        body = verdict(answer, **_for(verdict, arguments, given=1))
        elsewhere = (backend or endpoint) and isinstance(body, Mapping)
        yield Request(body, endpoint or endpoint_of(body) or CHAT, backend=backend) if elsewhere else body

    return _named(judged, f"judge({prompt_name(prompt)})", (prompt, 0), (verdict, 1))


def pairwise(one: Prompt, other: Prompt, verdict: Callable[..., Any]) -> Prompt:
    """A prompt that asks two prompts in one wave, and then a judge twice, with the answers in either order.

    A judge that prefers a place and not an answer contradicts itself in the two verdicts.

    Args:
        one: a plain prompt.
        other: a plain prompt, such as the same question to another model.
        verdict: builds the judge's request from two answers, its first parameters, and from axes or arguments.

    Raises:
        TypeError: one of the two prompts is a generator.

    `answer.turns` has the two answers, the verdict on (one, other), and that on (other, one).
    """
    for prompt in (one, other):
        if inspect.isgeneratorfunction(prompt):
            raise TypeError(f"pairwise() takes plain prompts, and {prompt_name(prompt)}() is a generator")

    def compared(**arguments: Any) -> Steps:
        first, second = yield [prompt(**_for(prompt, arguments)) for prompt in (one, other)]
        chosen = _for(verdict, arguments, given=2)
        yield [verdict(first, second, **chosen), verdict(second, first, **chosen)]

    return _named(compared, f"pairwise({prompt_name(one)}, {prompt_name(other)})", (one, 0), (other, 0), (verdict, 2))


def _asked(prompt: Prompt, arguments: Mapping[str, Any]) -> Steps:
    """Ask a prompt, and return its last answer."""
    built = prompt(**_for(prompt, arguments))
    if not inspect.isgeneratorfunction(prompt):
        return (yield built)
    body = next(built)
    while True:
        answer = yield body
        try:
            body = built.send(answer)
        except StopIteration:
            return answer


def _parameters(function: Callable[..., Any], given: int = 0) -> list[inspect.Parameter]:
    """Its parameters after those that get answers."""
    return list(inspect.signature(function).parameters.values())[given:]


def _for(function: Callable[..., Any], arguments: Mapping[str, Any], given: int = 0) -> dict[str, Any]:
    names = (parameter.name for parameter in _parameters(function, given))
    return {name: arguments[name] for name in names if name in arguments}


def _named(made: Prompt, name: str, *parts: tuple[Callable[..., Any], int]) -> Prompt:
    """Give a prompt the parameters of its parts, and a name for messages and the journal."""
    found: dict[str, inspect.Parameter] = {}
    for function, given in parts:
        for parameter in _parameters(function, given):
            known = found.get(parameter.name)
            if known is None or known.default is not inspect.Parameter.empty:
                found[parameter.name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    made.__signature__ = inspect.Signature(list(found.values()))  # type: ignore[attr-defined]
    made.__name__ = made.__qualname__ = name
    made.__module__ = parts[0][0].__module__
    return made
