"""The values of a matrix's axes, and the matrix as their product."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from pytest_batcheval.errors import MatrixError
from pytest_batcheval.wire.endpoints import CHAT, endpoint_of
from pytest_batcheval.wire.objects import Request

LEVELS: Mapping[str, int] = {"low": -1, "average": 0, "high": 1}
"""The words of a persona's profile and their codes."""


@dataclass(frozen=True, eq=False, repr=False)
class AxisValue:
    """One entry of an axis, whose fields are `value.name` or `value["name"]`.

    Attributes:
        id: the entry's id, part of the test id.
        fields: every other field of the entry, as written in the file.
    """

    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        # `fields` itself is absent while an object is copied or unpickled
        if name.startswith("__") or name == "fields":
            raise AttributeError(name)
        if name in self.fields:
            return self.fields[name]
        raise AttributeError(f"{type(self).__name__} {self.id!r} has no field {name!r}; it has: {self._known()}")

    def __getitem__(self, name: str) -> Any:
        if name == "id":
            return self.id
        if name in self.fields:
            return self.fields[name]
        raise KeyError(f"{type(self).__name__} {self.id!r} has no field {name!r}; it has: {self._known()}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AxisValue):
            return NotImplemented
        return self.id == other.id and dict(self.fields) == dict(other.fields)

    def __hash__(self) -> int:
        # field values may be lists, so only their names are hashed
        return hash((self.id, frozenset(self.fields)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def _known(self) -> str:
        return ", ".join(["id", *self.fields])

    def _text(self, name: str) -> str:
        if name not in self.fields:
            raise MatrixError(f"{type(self).__name__} {self.id!r} requires a field {name!r}; it has: {self._known()}")
        return str(self.fields[name])


class Persona(AxisValue):
    """A value of the axis `persona`: the role in which to answer."""

    @property
    def description(self) -> str:
        """The words that describe the persona to the model."""
        return self._text("description")

    @property
    def profile(self) -> Mapping[str, str]:
        """`low`, `average` or `high` by factor (`NS`, `HA` …); empty when the file gives none."""
        profile: Mapping[str, str] = self.fields.get("profile") or {}
        return profile

    @property
    def levels(self) -> dict[str, int]:
        """The profile as -1, 0 or 1 by factor."""
        return {code: LEVELS[level] for code, level in self.profile.items()}

    def describe(self, language: str = "ko", style: str = "full") -> str:
        """The description in a language and style, from the entry's `descriptions`.

        Raises:
            MatrixError: the entry has no such description; the message lists those it has.
        """
        known: Mapping[str, Mapping[str, str]] = self.fields.get("descriptions") or {}
        if language in known and style in known[language]:
            return known[language][style]
        pairs = [f"{lang}/{s}" for lang, styles in known.items() for s in styles]
        raise MatrixError(
            f"persona {self.id!r} has no description {language}/{style}; its file has: {', '.join(pairs) or 'none'}"
        )


class Question(AxisValue):
    """A value of the axis `question`."""

    @property
    def text(self) -> str:
        """The wording of the question."""
        return self._text("text")

    @property
    def targets(self) -> tuple[str, ...]:
        """The factors (TCI codes, or declared ones) whose signs an answer can show."""
        targets = self.fields.get("targets") or ()
        return tuple(targets.split()) if isinstance(targets, str) else tuple(targets)

    def in_language(self, language: str) -> str:
        """The question in a language, from the entry's `texts`.

        Raises:
            MatrixError: the entry has no text in the language; the message lists the languages it has.
        """
        texts: Mapping[str, str] = self.fields.get("texts") or {}
        if language in texts:
            return texts[language]
        raise MatrixError(
            f"question {self.id!r} has no text in {language!r}; its file has: {', '.join(texts) or 'none'}"
        )


@dataclass(frozen=True)
class PersonaMatrix:
    """All axes of a run; its length is the number of persona x question cells."""

    axes: Mapping[str, Sequence[Any]]

    def __repr__(self) -> str:
        return f"<PersonaMatrix {' × '.join(f'{len(values):,} {name}' for name, values in self.axes.items())}>"

    @property
    def personas(self) -> Sequence[Persona]:
        """The values of the axis `persona`; `MatrixError` without one."""
        return self._axis("persona")

    @property
    def questions(self) -> Sequence[Question]:
        """The values of the axis `question`; `MatrixError` without one."""
        return self._axis("question")

    def cells(self, *names: str) -> Iterator[dict[str, Any]]:
        """The product of these axes (default: persona, question), of which the last varies fastest.

        Raises:
            MatrixError: the matrix has no axis of that name.
        """
        chosen = names or ("persona", "question")
        return (dict(zip(chosen, values, strict=True)) for values in product(*map(self._axis, chosen)))

    def requests(self, prompt: Callable[..., Mapping[str, Any]], sample: int = 0) -> list[Request]:
        """The request of every cell: `prompt` is called with the axes that its parameters name.

        Raises:
            MatrixError: a parameter is not an axis, or the prompt is a generator, which only tests can use.
        """
        if inspect.isgeneratorfunction(prompt):
            raise MatrixError(f"{prompt.__name__} is a generator prompt; use it as the prompt of a test")
        parameters = inspect.signature(prompt).parameters.values()
        names = [p.name for p in parameters if p.name in self.axes or p.default is inspect.Parameter.empty]
        bodies = (prompt(**cell) for cell in (self.cells(*names) if names else [{}]))
        return [Request(body, endpoint_of(body) or CHAT, sample=sample) for body in bodies]

    def __len__(self) -> int:
        return len(self.personas) * len(self.questions)

    def _axis(self, name: str) -> Sequence[Any]:
        if name not in self.axes:
            raise MatrixError(f"the matrix has no axis {name!r}; it has: {', '.join(self.axes) or 'none'}")
        return self.axes[name]
