"""Mutants: prompts that are wrong in a known way, to see whether the tests of their answers notice.

A mutant changes what the first requests of a prompt say: another value of an axis in their text, or no
instructions. The test still sees the cell that it believes to have asked. Mutants that exchange values of an axis
ask what other cells ask anyway, so their answers are mostly there already.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pytest_batcheval.catalogue.describe import describe
from pytest_batcheval.catalogue.load import CODES
from pytest_batcheval.matrix.axes import LEVELS, Persona
from pytest_batcheval.prompts.prompt_call import Prompt, prompt_name
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.value_id import value_id

Body = dict[str, Any]

EXCHANGED, CUT, LANGUAGE, TRAITS, ALL = "exchanged", "cut", "language", "traits", "all"
GROUPS = (EXCHANGED, CUT, LANGUAGE, TRAITS, ALL)
"""Names of several mutants; those of `exchanged` ask nothing that other cells do not ask."""

INSTRUCTIONS = ("instructions", "system", "systemInstruction", "system_instruction")
"""Members of a body that hold instructions, at the providers that have such a member."""

_HANGUL = re.compile("[가-힣]")


def _same(body: Body) -> Body:
    return body


@dataclass(frozen=True)
class Mutant:
    """One way to be wrong.

    Attributes:
        id: its name in options, ids of tests and tables, such as `persona:opposite`.
        group: the group of which it is one.
        axis: the axis whose values it replaces; empty for a mutant of bodies.
        values: by id of a value, the value that the prompt gets in its place.
        edit: from the body of a first request, or of a later one that repeats it, to a wrong one.
    """

    id: str
    group: str
    axis: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    edit: Callable[[Body], Body] = _same

    def arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with which the prompt is called."""
        changed = dict(arguments)
        if self.axis in changed:
            changed[self.axis] = self.values.get(value_id(changed[self.axis]), changed[self.axis])
        return changed


def mutants_of(axes: Mapping[str, Sequence[Any]]) -> list[Mutant]:
    """Return all mutants of a prompt with these axes: values exchanged, traits dropped, instructions, language."""
    found = [mutant for axis, values in axes.items() for mutant in _of_axis(axis, values)]
    return [*found, Mutant("instructions:cut", CUT, edit=_cut), Mutant("language:other", LANGUAGE, edit=_elsewhere)]


def _of_axis(axis: str, values: Sequence[Any]) -> list[Mutant]:
    ids = [value_id(value) for value in values]
    if len(values) < 2 or axis == "model":  # another model is no mistake in a prompt
        return []
    found = [
        Mutant(f"{axis}:swapped", EXCHANGED, axis, dict(zip(ids, [*values[1:], values[0]], strict=True))),
        Mutant(f"{axis}:one", EXCHANGED, axis, dict.fromkeys(ids, values[0])),
    ]
    if profiles := _profiles(values):
        found.append(Mutant(f"{axis}:opposite", EXCHANGED, axis, _opposite(values, profiles)))
        found += _without_traits(axis, values, profiles)
    return found


def _profiles(values: Sequence[Any]) -> list[dict[str, int]]:
    """The levels of each value; empty unless all have a profile."""
    given = [value.profile if isinstance(value, Persona) else None for value in values]
    return [{factor: LEVELS[level] for factor, level in one.items()} for one in given if one] if all(given) else []


def _opposite(values: Sequence[Any], profiles: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """For each value that whose levels are the most opposite to its own."""

    def agreement(one: Mapping[str, int], other: Mapping[str, int]) -> int:
        return sum(level * other.get(factor, 0) for factor, level in one.items())

    places = [min(range(len(values)), key=lambda n, own=own: agreement(own, profiles[n])) for own in profiles]  # type: ignore[misc]
    return {value_id(value): values[place] for value, place in zip(values, places, strict=True)}


def _without_traits(axis: str, values: Sequence[Persona], profiles: Sequence[Mapping[str, int]]) -> list[Mutant]:
    """A mutant for each trait, in which no description says anything of it; only where they are the catalogue's."""
    if any(set(profile) != set(CODES) for profile in profiles):
        return []
    found = []
    for code in CODES:
        described = [_described(value, profile, code) for value, profile in zip(values, profiles, strict=True)]
        if all(one is not None for one in described):
            by_id = dict(zip(map(value_id, values), described, strict=True))
            found.append(Mutant(f"{axis}:without-{code}", TRAITS, axis, by_id))
    return found


def _described(value: Persona, levels: Mapping[str, int], code: str) -> Persona | None:
    """The persona with all full descriptions at the average level of a trait; `None` if it has no such description."""
    without = {describe(levels, language): describe({**levels, code: 0}, language) for language in ("ko", "en")}
    fields = _replaced(dict(value.fields), without)
    if levels[code] == 0:  # nothing to drop
        return value
    return None if fields == value.fields else replace(value, fields=fields)


def _replaced(part: Any, texts: Mapping[str, str]) -> Any:
    """A value whose texts, also those inside it, are replaced as a whole."""
    if isinstance(part, str):
        return texts.get(part, part)
    if isinstance(part, Mapping):
        return {name: _replaced(inside, texts) for name, inside in part.items()}
    return [_replaced(inside, texts) for inside in part] if isinstance(part, list) else part


def _cut(body: Body) -> Body:
    kept = {name: value for name, value in body.items() if name not in INSTRUCTIONS}
    for name in ("messages", "input"):
        if isinstance(messages := kept.get(name), list):
            asked = [one for one in messages if not _instructs(one)]
            kept[name] = asked or messages
    return kept


def _instructs(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") in ("system", "developer")


def _elsewhere(body: Body) -> Body:
    """The body with a last sentence that asks for another language."""
    other = "Answer in English only." if _HANGUL.search(str(body)) else "한국어로만 답하세요."
    for name in ("messages", "input", "contents"):
        if name in body:
            return {**body, name: _with_sentence(body[name], other)}
    return body


def _with_sentence(part: Any, sentence: str) -> Any:
    """A text with a sentence after it; of a list its last element, of an object its text."""
    if isinstance(part, str):
        return f"{part}\n\n{sentence}"
    if isinstance(part, list) and part:
        return [*part[:-1], _with_sentence(part[-1], sentence)]
    if isinstance(part, Mapping):
        inside = next((name for name in ("content", "parts", "text") if name in part), None)
        return part if inside is None else {**part, inside: _with_sentence(part[inside], sentence)}
    return part


def mutated(prompt: Prompt, mutant: Mutant) -> Prompt:
    """A prompt whose first requests are the mutant's, and whose later ones repeat them so.

    A later request, such as one to a judge, that repeats no part of a first one stays as it is: a judge is asked
    about the cell that the test believes in.
    """

    def once(**arguments: Any) -> Any:
        return _edited(prompt(**mutant.arguments(arguments)), mutant)

    def turns(**arguments: Any) -> Generator[Any, Any, None]:
        original, wrong = prompt(**arguments), prompt(**mutant.arguments(arguments))
        first, changed = _list(next(original)), _list(_edited(next(wrong), mutant))
        pairs = [(_body(one), _body(other)) for one, other in zip(first, changed, strict=True)]
        answer = yield changed if len(changed) > 1 else changed[0]
        while True:
            try:
                asked = original.send(answer)
            except StopIteration:
                return
            answer = yield _each(asked, lambda body: _repeated(body, pairs, mutant))

    made: Any = turns if inspect.isgeneratorfunction(prompt) else once
    made.__name__ = made.__qualname__ = f"{prompt_name(prompt)}[{mutant.id}]"
    made.__module__ = getattr(prompt, "__module__", "")
    made.__signature__ = inspect.signature(prompt)
    return cast("Prompt", made)


def _list(asked: Any) -> list[Any]:
    return list(asked) if isinstance(asked, (list, tuple)) else [asked]


def _body(asked: Any) -> Any:
    return asked.body if isinstance(asked, Request) else asked


def _edited(asked: Any, mutant: Mutant) -> Any:
    return _each(asked, mutant.edit)


def _each(asked: Any, change: Callable[[Body], Body]) -> Any:
    """The bodies that a prompt has yielded, changed; all else is left to the prompt's own checks."""
    if isinstance(asked, (list, tuple)):
        return [_each(one, change) for one in asked]
    if isinstance(asked, Request):
        return replace(asked, body=change(dict(asked.body)))
    return change(dict(asked)) if isinstance(asked, Mapping) else asked


def _repeated(body: Body, pairs: Sequence[tuple[Any, Any]], mutant: Mutant) -> Body:
    """A later body, with what it repeats of a first one as the mutant has it."""
    for original, changed in pairs:
        for name in ("messages", "input", "contents", *INSTRUCTIONS):
            if _repeats(body.get(name), original.get(name)):
                return mutant.edit(_with_changed(body, original, changed))
    return body


def _repeats(later: Any, first: Any) -> bool:
    if isinstance(later, list) and isinstance(first, list):
        return bool(later and first) and later[0] == first[0]
    return first is not None and later == first


def _with_changed(body: Body, original: Mapping[str, Any], changed: Mapping[str, Any]) -> Body:
    """A later body whose messages, where they are those of a first one, are those of the changed one."""
    merged = dict(body)
    for name, before in original.items():
        after = changed.get(name)
        if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            if isinstance(later := body.get(name), list):
                repeats = zip(later, before, strict=False)
                merged[name] = [*(new if one == old else one for (one, old), new in zip(repeats, after, strict=False)),
                                *later[len(before):]]  # fmt: skip
        elif name in body and body[name] == before and after is not None:
            merged[name] = after
    return merged
