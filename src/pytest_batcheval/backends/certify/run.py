"""All cases asked of a server, and the certificate: a score by chapter, with reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.backends.certify.batches import ERRORS, EXPIRY, LINES, RESULTS, STATES
from pytest_batcheval.backends.certify.calls import CALLS
from pytest_batcheval.backends.certify.case import FAILED, PASSED, SKIPPED, Case, CaseResult, Deviation, Lacking
from pytest_batcheval.backends.certify.creates import CANCEL, CREATE, LISTS
from pytest_batcheval.backends.certify.files import FILES, UPLOADS
from pytest_batcheval.backends.certify.server import Server
from pytest_batcheval.text.markdown import inline
from pytest_batcheval.text.sanitize import safe_to_show

CHAPTERS = (FILES, UPLOADS, CREATE, STATES, LINES, RESULTS, ERRORS, LISTS, CANCEL, EXPIRY, CALLS)
CASES = tuple(case for chapter in CHAPTERS for case in chapter.cases)

TOKENS = 40
"""Tokens that a request of a case can cost at most: a prompt of some words, an answer of 16 tokens."""


@dataclass(frozen=True)
class Certificate:
    """The answers of a server to all cases."""

    base_url: str
    model: str
    results: Sequence[CaseResult]

    @property
    def passed(self) -> bool:
        """Whether some cases passed and none failed."""
        return self.count(PASSED) > 0 and self.count(FAILED) == 0

    @property
    def score(self) -> float:
        """The share of cases that passed, of those that were not skipped; from 0 to 1."""
        asked = self.count(PASSED) + self.count(FAILED)
        return self.count(PASSED) / asked if asked else 0.0

    def count(self, outcome: str, chapter: str | None = None) -> int:
        """The number of cases of that outcome, in all or in a chapter."""
        return sum(r.outcome == outcome and chapter in (None, r.case.chapter) for r in self.results)

    def rows(self) -> list[tuple[str, int, int, int]]:
        """Chapter, and the cases of it that passed, failed, were skipped."""
        return [
            (name, self.count(PASSED, name), self.count(FAILED, name), self.count(SKIPPED, name))
            for name in (chapter.name for chapter in CHAPTERS)
        ]

    def to_json(self) -> dict[str, Any]:
        """The certificate as data."""
        return {
            "base_url": self.base_url,
            "model": self.model,
            "score": round(self.score, 4),
            "chapters": [dict(zip(("chapter", PASSED, FAILED, SKIPPED), row, strict=True)) for row in self.rows()],
            "cases": [
                {
                    "name": r.case.name,
                    "chapter": r.case.chapter,
                    "says": r.case.says,
                    "outcome": r.outcome,
                    "seen": r.seen,
                }
                for r in self.results
            ],
        }

    def to_markdown(self) -> str:
        """The certificate as a page: the chapters, and each case that did not pass, with the reason."""
        lines = ["| chapter | passed | failed | skipped |", "|---|---|---|---|"]
        lines += [f"| {name} | {good} | {bad} | {left} |" for name, good, bad, left in self.rows()]
        counts = [self.count(outcome) for outcome in (PASSED, FAILED, SKIPPED)]
        lines.append(f"| **{self.score:.0%}** | **{counts[0]}** | **{counts[1]}** | **{counts[2]}** |")
        rest = [result for result in self.results if result.outcome != PASSED]
        if rest:
            lines += ["", "| case | the API | seen |", "|---|---|---|"]
        for result in rest:
            seen = f"skipped for lack of {result.seen}" if result.outcome == SKIPPED else result.seen
            lines.append(f"| {result.case.name} | {result.case.says} | {inline(seen)} |")
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        """The certificate for a terminal."""
        lines = [f"{self.score:.0%} of {self.base_url}: {self.count(PASSED)} passed, {self.count(FAILED)} failed, "]
        lines[0] += f"{self.count(SKIPPED)} skipped"
        for name, good, bad, left in self.rows():
            lines.append(f"  {name}: {good} of {good + bad}{f', {left} skipped' if left else ''}")
        for result in self.results:
            if result.outcome == FAILED:
                lines += [f"{result.case.chapter}: {result.case.name}", f"  the API: {result.case.says}"]
                lines.append(f"  seen: {result.seen}")
        return safe_to_show("\n".join(lines))


def wanted(*, large: bool) -> list[Case]:
    """The cases to ask, with or without those that upload more than most servers should be asked for."""
    return [case for case in CASES if large or not case.large]


def certify(
    server: Server, cases: Iterable[Case], heard: Callable[[CaseResult], None] = lambda result: None
) -> Certificate:
    """Ask the cases one after the other; `heard` gets each answer. The server is closed at the end."""
    results = []
    try:
        for case in cases:
            results.append(_answer(server, case))
            heard(results[-1])
    finally:
        server.close()
    return Certificate(server.base_url, server.model, results)


def _answer(server: Server, case: Case) -> CaseResult:
    try:
        case.ask(server)
    except Deviation as deviation:
        return CaseResult(case, FAILED, str(deviation))
    except Lacking as lacking:
        return CaseResult(case, SKIPPED, str(lacking))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # a reply of another shape than a case relies on is a deviation too
        return CaseResult(case, FAILED, f"a reply of another shape: {type(error).__name__}: {error}")
    return CaseResult(case, PASSED)
