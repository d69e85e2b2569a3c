"""The rule every scenario is held to, read from the ledger and the journal, whatever the client believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pytest_batcheval.journal.store import Journal


def broken_rules(billed: Mapping[str, int], journal: Path, origin: str, most: int = 1) -> list[str]:
    """What is wrong: keys billed more than `most` times, and billed answers that are not in the journal."""
    reader = Journal.read(journal)
    try:
        stored = reader.answered(list(billed), origin)
    finally:
        reader.close()
    again = [f"{key} was paid {times} times" for key, times in Counter(billed).items() if times > most]
    lost = [f"{key} was paid and its answer is not in {journal.name}" for key in billed if key not in stored]
    return again + lost
