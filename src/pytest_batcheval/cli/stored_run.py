"""The choice of one run of tests by the beginning of its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_batcheval.errors import UsageError

if TYPE_CHECKING:
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.journal.outcomes import Outcome


def stored_run(journal: JournalAddress, start: str = "") -> tuple[str, float, list[Outcome]]:
    """Return id, Unix seconds of the start, and outcomes of the newest run, or of the one whose id begins so.

    Raises:
        UsageError: no run is stored beside the journal, none begins so, or several do.
        JournalError: the file of outcomes cannot be read.
    """
    from pytest_batcheval.journal.outcomes import Outcomes

    outcomes = Outcomes.beside(journal)
    found = outcomes.runs(start)
    if not found:
        which = f"no run of tests begins with {start!r}" if start else "no run of tests is stored"
        raise UsageError(f"{which} beside the journal {journal}; run pytest -m batch first")
    if start and len(found) > 1:
        listed = ", ".join(identifier for identifier, _ in found[:5])
        raise UsageError(f"several runs begin with {start!r}: {listed}; give more characters")
    identifier, started = found[0]
    return identifier, started, outcomes.of_run(identifier)
