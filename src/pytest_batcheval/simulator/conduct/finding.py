"""A finding on a client, and the report of all findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_to_show

MOST_SHOWN = 5
"""Pieces of evidence of one finding that the report shows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a client did.

    Attributes:
        kind: what it is about, such as `billed twice`.
        wrong: whether it is a mistake; if not, it is a remark.
        count: how often, in the unit that `text` names.
        evidence: ids of batches, files and HTTP requests.
    """

    kind: str
    wrong: bool
    count: int
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConductReport:
    """All findings on the clients of a simulator since its last reset, mistakes first."""

    findings: Sequence[Finding]

    @property
    def mistakes(self) -> list[Finding]:
        """The findings that are not remarks."""
        return [finding for finding in self.findings if finding.wrong]

    def to_json(self) -> dict[str, Any]:
        """The findings as data, and whether there is no mistake among them."""
        return {"clean": not self.mistakes, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        """The report for a terminal; it ends without a newline."""
        mistakes = self.mistakes
        head = f"the client made {counted(len(mistakes), 'mistake')}:" if mistakes else "the client made no mistake"
        remarks = [finding for finding in self.findings if not finding.wrong]
        lines = [head, *_shown(mistakes)]
        if remarks:
            lines += ["remarks:", *_shown(remarks)]
        return safe_to_show("\n".join(lines))


def _shown(findings: Iterable[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"  {finding.kind}: {finding.text}")
        more = len(finding.evidence) - MOST_SHOWN
        evidence = [*finding.evidence[:MOST_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]
        lines += [f"    {', '.join(evidence)}"] if evidence else []
    return lines
