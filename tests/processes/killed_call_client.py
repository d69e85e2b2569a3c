"""A client process that sends requests as individual calls, and says what it came to; a server may kill it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pytest_batcheval.backends.connect import connect
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.concurrency import ConcurrencyWindow
from pytest_batcheval.engine.send import send
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request


def requests(count):
    return [Request({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]}) for n in range(count)]


def main(base_url, folder, count, size):
    with connect(base_url, individual=True) as connection, Journal.open(Path(folder) / "journal.sqlite") as journal:
        calling = Calling(connection.calls, connection.clock, ConcurrencyWindow(int(size), int(size)))
        wanted = requests(int(count))
        sent = send(wanted, backend=connection.backend, journal=journal, clock=connection.clock, calling=calling)
    print(json.dumps({"answered": sent.answered, "again": len(sent.again), "sent": sent.sent, "notes": sent.notes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
