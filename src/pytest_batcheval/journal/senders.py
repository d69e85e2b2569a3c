"""The processes that send from one PostgreSQL journal at once, and which of them drives each open batch.

Nobody needs a lock to send: a key belongs to the open batch that has it in the index, and a batch to the sender that
is its owner. A sender that has ended is known by its session, one that has stalled by its beat; the next one takes
their batches over. From then on the former owner cannot write to them: each transaction on a batch checks its owner.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import zlib
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.address import PostgresAddress
from pytest_batcheval.journal.database import Connection
from pytest_batcheval.journal.lock import Holder, SenderLock, shown_argv
from pytest_batcheval.journal.transaction import TakenOverError
from pytest_batcheval.wire import real_time

BEAT = 5.0
"""Seconds between two beats of a sender."""

STALLED = 60.0
"""Seconds without a beat after which a sender's batches are taken over, by the server's clock."""

SENDERS = """
CREATE TABLE sender (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pid   BIGINT NOT NULL,
    host  TEXT NOT NULL,
    argv  TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    beat  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE owner (
    batch  BIGINT PRIMARY KEY,
    sender BIGINT NOT NULL
)
"""
"""Tables beside the journal's. An owner stays when its sender has ended: who has stalled finds another's number."""

_LIVES = """
sender.beat > clock_timestamp() - make_interval(secs => {stalled}) AND EXISTS (
    SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND datname = current_database() AND objsubid = 2
      AND classid::bigint = {kind} AND objid::bigint = sender.id
)
"""

_NOT_LIVE = """
SELECT owner.batch, owner.sender FROM owner LEFT JOIN sender ON sender.id = owner.sender AND {lives}
WHERE owner.batch = ANY(CAST(? AS BIGINT[])) AND (sender.id IS NULL OR sender.id = ?)
"""

_OWNERS = """
SELECT DISTINCT sender.id, pid, host, argv, since FROM owner JOIN sender ON sender.id = owner.sender
WHERE owner.batch = ANY(CAST(? AS BIGINT[])) ORDER BY sender.id
"""

_LEASE = """
WITH chosen AS MATERIALIZED (
    SELECT batch.id, status FROM batch
    JOIN owner ON owner.batch = batch.id JOIN sender ON sender.id = owner.sender AND {lives}
    WHERE state = 'planned' AND left(status, 7) = 'offered' AND origin = ? AND owner.sender <> ?
    ORDER BY batch.id LIMIT ? FOR UPDATE OF batch, owner SKIP LOCKED
), leased AS (
    UPDATE owner SET sender = ? FROM chosen WHERE owner.batch = chosen.id
)
UPDATE batch SET state = 'creating', status = '' FROM chosen WHERE batch.id = chosen.id
RETURNING batch.id, chosen.status
"""

_WITHDRAW = """
UPDATE batch SET status = '' WHERE id = ANY(CAST(? AS BIGINT[])) AND state = 'planned' AND left(status, 7) = 'offered'
"""

_LIVING = "SELECT pid, host, argv, since FROM sender WHERE {lives} ORDER BY id"


class PostgresSender(SenderLock):
    """A `SenderLock` that everybody gets at once: it announces this process, and says so as long as it lives."""

    def __init__(
        self,
        address: PostgresAddress,
        connect: Callable[[], Connection],
        reporting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._address, self._connect, self._reporting = address, connect, reporting
        self._kind = zlib.crc32(address.schema.encode()) & 0x7FFFFFFF
        self._number = self._process = 0
        self._connection: Connection | None = None
        self._lost = ""
        self._stop = threading.Event()
        self._beating: threading.Thread | None = None

    def acquire(self, wait: Callable[[Holder | None], None] | None = None) -> None:
        """Announce this process; nobody is waited for.

        Raises:
            JournalError: the server cannot be reached.
        """
        if self._is_mine():
            return
        connection = self._connect()
        with self._reporting():
            values = (os.getpid(), socket.gethostname(), json.dumps(shown_argv()), real_time.now())
            query = "INSERT INTO sender (pid, host, argv, since) VALUES (?, ?, ?, ?) RETURNING id"
            ((number,),) = connection.execute(query, values).fetchall()
            # From here on it lives; without the lock it has been a sender that has ended.
            connection.execute("SELECT pg_advisory_lock(CAST(? AS INT), CAST(? AS INT))", (self._kind, number))
        self._connection, self._number, self._process, self._lost = connection, number, os.getpid(), ""
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, args=(connection,), name="batcheval-sender", daemon=True)
        self._beating.start()

    def release(self) -> None:
        """End it; its open batches are then nobody's, for the next sender that wants their answers."""
        connection, number = self._connection, self._number
        mine = self._is_mine()
        self._number, self._connection = 0, None
        if not mine or connection is None:
            return
        self._stop.set()
        if self._beating is not None:
            self._beating.join(BEAT)
        with suppress(JournalError), self._reporting():
            connection.execute("DELETE FROM sender WHERE id = ?", (number,))
        connection.close()

    def check(self) -> None:
        """Make sure that the server still takes this process for a sender.

        Raises:
            JournalError: the connection by which it does is gone.
        """
        if self._is_mine() and self._lost:
            raise JournalError(
                f"the journal {self._address} was lost while it was in use ({self._lost}); nothing was sent after "
                "that, and the same command goes on where this one has stopped"
            )

    def living(self, connection: Connection) -> list[Holder]:
        """The live senders, oldest first."""
        return [_holder(*row) for row in connection.execute(_LIVING.format(lives=self._lives)).fetchall()]

    def own(self, connection: Connection, batch: int) -> None:
        """Make a new batch this sender's own; before it is one, nobody's."""
        connection.execute("INSERT INTO owner (batch, sender) VALUES (?, ?)", (batch, self._mine))

    def check_own(self, connection: Connection, batch: int) -> None:
        """Make sure, for the caller's transaction, that no other sender has taken a batch over.

        Raises:
            TakenOverError: one has.
        """
        rows = connection.execute("SELECT sender FROM owner WHERE batch = ? FOR UPDATE", (batch,)).fetchall()
        if any(sender not in (0, self._mine) for (sender,) in rows):
            who = ", ".join(map(str, self.owners(connection, [batch]))) or "a process that has ended since"
            raise TakenOverError(
                f"batch {batch} of the journal {self._address} was taken over, because this process had stalled or was "
                f"cut off, by {who}; nothing was sent after that. Run again: what that process gets is not paid twice"
            )

    def take_over(self, connection: Connection, batches: Collection[int]) -> set[int]:
        """Those of these batches that are now this sender's: their owner has ended or stalled, or it was this one."""
        query = _NOT_LIVE.format(lives=self._lives)
        found = connection.execute(query, (list(batches), self._mine)).fetchall()
        change = "UPDATE owner SET sender = ? WHERE batch = ? AND sender = ?"
        # Of several that take one over at once the first changes it.
        mine = {
            batch for batch, owner in sorted(found) if connection.execute(change, (self._mine, batch, owner)).rowcount
        }
        if mine:  # what its run has offered this one does not: a worker would lease it meanwhile
            connection.execute(_WITHDRAW, (list(mine),))
        return mine

    def lease(self, connection: Connection, origin: str, most: int) -> dict[int, str]:
        """At most so many rows that live senders offer, oldest first: from now on this sender's; with their status.

        Nobody waits for another that leases at the same time: what one has locked the other leaves out.
        """
        values = (origin, self._mine, most, self._mine)
        return dict(connection.execute(_LEASE.format(lives=self._lives), values).fetchall())

    def owners(self, connection: Connection, batches: Collection[int]) -> list[Holder]:
        """The senders that own these batches."""
        rows = connection.execute(_OWNERS, (list(batches),)).fetchall()
        return [_holder(*row) for _, *row in rows]

    @property
    def _mine(self) -> int:
        return self._number if self._is_mine() else 0

    @property
    def _lives(self) -> str:
        return _LIVES.format(stalled=STALLED, kind=self._kind)

    def _is_mine(self) -> bool:
        return self._number != 0 and self._process == os.getpid()

    def _beat(self, connection: Connection) -> None:
        while not self._stop.wait(BEAT):
            try:
                with self._reporting():
                    connection.execute("UPDATE sender SET beat = clock_timestamp() WHERE id = ?", (self._number,))
            except JournalError as error:
                self._lost = str(error)
                return


def _holder(pid: int, host: str, argv: str, since: float) -> Holder:
    return Holder(pid, host, tuple(map(str, json.loads(argv))), since)
