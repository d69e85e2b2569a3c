"""The budget of a run: reserved for the worst case before anything is sent, settled at what was used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal

from pytest_batcheval.engine.estimate import files_of, worst_case
from pytest_batcheval.engine.pricing import used_usd
from pytest_batcheval.errors import BudgetError, UsageError
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import OPEN, BatchRow, TierUse
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request


class Budget:
    """US dollars that the batches of one run may cost together, all attempts and waves counted.

    A batch counts at its worst case until its answers are there, and then at what they used. Open batches of
    earlier runs count too, since this run finishes them.
    """

    def __init__(self, limit: Decimal, reader: JournalReader, origins: Collection[str], run: str) -> None:
        self._limit = limit
        self._reader = reader
        self._origins = origins
        self._run = run

    def reserve(self, batches: Iterable[Iterable[Request]], calls: str = "batch") -> list[Decimal]:
        """The most that each of these batches (or sets of `individual` calls) can cost; together within the budget.

        Requests are read one by one.

        Raises:
            BudgetError: together they exceed it.
            UsageError: their cost has no known limit.
        """
        files = [files_of(batch, batch=calls == "batch") for batch in batches]
        worst = [worst_case(some) for some in files]
        requests = counted(sum(file.requests for some in files for file in some), "request")
        known = [cost for cost in worst if cost is not None]
        if len(known) < len(worst):
            raise UsageError(
                f"the cost of {requests} has no known limit: a model without a known price, or a body without "
                "max_completion_tokens (see --batch=plan); nothing was sent. Set a limit, or drop --batch-budget"
            )
        left = self._limit - self.spent()
        if sum(known) > left:
            raise BudgetError(
                f"{requests} could cost ${sum(known):.4f} and ${left:.4f} of the budget is left; "
                "nothing was sent. Select fewer tests, or raise --batch-budget"
            )
        return known

    def spent(self) -> Decimal:
        """US dollars that this run has spent, or reserved and not spent yet."""
        rows = self._reader.batches()  # a run may send to several origins
        open_here = (row for row in rows if row.run != self._run and row.origin in self._origins and row.state in OPEN)
        counted_rows, uses = [*(row for row in rows if row.run == self._run), *open_here], self._reader.tier_uses()
        return sum((_cost(row, uses.get(row.id, ())) for row in counted_rows), Decimal(0))


def check_together(
    limit: Decimal,
    reader: JournalReader,
    run: str,
    wave: Sequence[tuple[str, Iterable[Request]]],
    calls: str = "batch",
) -> None:
    """Refuse a wave that could cost more than is left, before any of it is sent; `wave` has the requests by origin.

    Raises:
        BudgetError, UsageError: as `Budget.reserve`.
    """
    parts = []
    for origin, requests in wave:
        claimed = reader.claimed(origin)  # an open batch has them, and is counted with it
        parts.append(_without(requests, claimed))
    Budget(limit, reader, {origin for origin, _ in wave}, run).reserve(parts, calls)


def _without(requests: Iterable[Request], claimed: Collection[str]) -> Iterator[Request]:
    return (request for request in requests if request.custom_id not in claimed)


def _cost(row: BatchRow, uses: Iterable[TierUse]) -> Decimal:
    if row.state == "void":
        return Decimal(0)
    single, reserved = row.calls == "individual", Decimal(row.most_usd or 0)
    used = used_usd(row, uses, not single) if row.state == "settled" else None
    if used is None:
        return reserved
    return used + (reserved if single else 0)
