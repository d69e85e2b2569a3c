"""A case: one question to a server, and the answers to all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_batcheval.backends.certify.server import Server

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Deviation(Exception):
    """The server does something else than the API; the message is what was seen."""


class Lacking(Exception):
    """The server lacks what a case needs; the message names it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        name: in words, such as `upload without purpose`.
        chapter: the part of the API that it is about.
        says: the API in a sentence, by its reference and guide; where these are silent, as the live API was seen to do.
        ask: raises `Deviation` or `Lacking`.
        requests: requests to a model that it can cost at most, with a server that checks nothing.
        large: whether it uploads more than most servers should be asked for.
    """

    name: str
    chapter: str
    says: str
    ask: Callable[[Server], None]
    requests: int = 0
    large: bool = False


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The answer to one case: an outcome, and what was seen unless it passed."""

    case: Case
    outcome: str
    seen: str = ""


class Chapter:
    """A collector of the cases of one chapter, in their order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases: list[Case] = []

    def case(
        self, *, requests: int = 0, large: bool = False
    ) -> Callable[[Callable[[Server], None]], Callable[[Server], None]]:
        """Make a case of a function, whose name is the case's and whose docstring is what it `says`."""

        def add(ask: Callable[[Server], None]) -> Callable[[Server], None]:
            says = " ".join((ask.__doc__ or "").split())
            self.cases.append(Case(ask.__name__.replace("_", " "), self.name, says, ask, requests, large))
            return ask

        return add
