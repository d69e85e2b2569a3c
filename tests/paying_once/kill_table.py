"""The kill table of docs/paying-once.md, measured anew: `python tests/paying_once/kill_table.py`.

A real client is killed by SIGKILL at a call of its conversation, before the call is applied or after; then the same
requests are wanted again, or more of them, or the journal is deleted first. The simulator's ledger says what was billed.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "processes"))

import kill_client
from checker import broken_rules
from forked import context

from pytest_batcheval.backends.custom_id_mark import read_mark
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.simulator.server import SimulatorServer

Point = tuple[str, str, int]

CALLS = ("files.create", "batches.create", "batches.list", "batches.retrieve", "files.content")
ONCE = ("batches.retrieve",)  # several batches are looked at by one list
WHEN = {"kill_client": "before it is applied", "kill_client_after": "after it is applied"}
POINTS: list[Point] = [
    (fault, call, nth) for call in CALLS for fault in WHEN for nth in ((1,) if call in ONCE else (1, 2))
]
THEN = ("the same requests", "other requests", "the journal is deleted")
FILE = "journal.sqlite"
STARTS = 12
ALL = 10
SOME = 6
HEAD = "| killed at | | kills | requests | paid twice | answers lost |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Killed:
    """What became of the requests of a client that was killed at a point.

    Attributes:
        kills: 1 if it was killed, 0 if its conversation has no such call.
        wanted: how many requests were wanted in the end, `billed` of them how often.
        wrong: rules that were broken, by the ledger and the journal.
    """

    kills: int
    wanted: int
    billed: Counter[str]
    wrong: list[str]


def client(server: SimulatorServer, folder: Path, count: int, journal: str = FILE) -> BaseProcess:
    """Run a client that wants so many requests, to its end or its death."""
    given = (server.base_url, str(folder), count, server.dialect.name, journal)
    process = context().Process(target=kill_client.run, args=given)
    process.start()
    process.join()
    return process


def until_done(server: SimulatorServer, folder: Path, count: int, journal: str = FILE) -> int:
    """Start clients until one comes to its end; returns how many were killed."""
    for killed in range(STARTS):
        status = client(server, folder, count, journal).exitcode
        if status == 0:
            return killed
        # what strikes before a client has registered kills nobody: it finds no server
        assert status in (-signal.SIGKILL, ExitStatus.PROVIDER)
    raise AssertionError(f"no client of {STARTS} came to its end")


def strike(server: SimulatorServer, folder: Path, point: Point, then: str, journal: str = FILE) -> Killed:
    """Kill a client at a point of its conversation, and see what the next ones make of it."""
    fault, call, nth = point
    server.reset()  # with the usual times, so that batches are polled
    plan = server.misbehave({"fault": fault, "call": call, "nth": nth})
    killed = client(server, folder, SOME, journal).exitcode == -signal.SIGKILL
    assert plan.struck.total() == killed
    if then == THEN[2]:
        server.forward(6 * 3600)
        shutil.rmtree(folder)
        folder.mkdir()
    wanted = ALL if then == THEN[1] else SOME
    until_done(server, folder, wanted, journal)
    server.forward(3 * 86_400)
    billed = billed_keys(server)
    return Killed(int(killed), wanted, billed, broken_rules(billed, journal_address(journal, folder), server.origin))


def billed_keys(server: SimulatorServer) -> Counter[str]:
    """How often each request was billed, by our key; where the `custom_id` carries more, by the key in it."""
    marks = ((read_mark(one.custom_id), one) for one in server.ledger.executions if one.billed)
    return Counter(one.key if mark is None else mark.key for mark, one in marks)


def table(found: Iterable[tuple[Point, Killed]]) -> Iterator[str]:
    """The rows of the table, one for each call and when it was killed."""
    rows: dict[tuple[str, str], list[Killed]] = {}
    for (fault, call, _), killed in found:
        rows.setdefault((call, WHEN[fault]), []).append(killed)
    yield from HEAD.splitlines()
    for (call, when), each in rows.items():
        twice = sum(times > 1 for killed in each for times in killed.billed.values())
        lost = sum("is not in" in rule for killed in each for rule in killed.wrong)
        figures = (sum(k.kills for k in each), sum(k.wanted for k in each), twice, lost)
        yield f"| `{call}` | {when} | {' | '.join(map(str, figures))} |"


def main() -> None:
    """Measure and print the table."""
    found = []
    with SimulatorServer() as server:
        for point in POINTS:
            for then in THEN:
                with tempfile.TemporaryDirectory() as folder:
                    found.append((point, strike(server, Path(folder), point, then)))
                print(".", end="", file=sys.stderr, flush=True)
    print("", *table(found), sep="\n")


if __name__ == "__main__":
    main()
