"""The values of `--batch-workers`."""

from __future__ import annotations

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress

ANY, RAY = "any", "ray"

MOST = 64
"""Processes that a run starts at most."""

FORMS = f"{ANY} (those that run batcheval work), a number of processes up to {MOST}, {RAY} or {RAY}:ADDRESS"


def check_workers(workers: str, address: JournalAddress | None = None) -> None:
    """Make sure that a value of `--batch-workers` can be used, with the journal at this address if there is one.

    Raises:
        UsageError: it has no such form, or other processes could not use the journal.
    """
    number = int(workers) if workers.isdecimal() and workers.isascii() else 0
    if workers not in (ANY, RAY) and not workers.startswith(f"{RAY}:") and not 1 <= number <= MOST:
        raise UsageError(f"workers = {workers!r}: must be {FORMS}")
    if address is not None and not isinstance(address, PostgresAddress):
        raise UsageError(
            f"workers need a journal that several processes use at once, and {address} is a file: name one in "
            "PostgreSQL, postgresql://host/database"
        )
