"""Workers of one run: processes of this machine, which end when the run does, however it ends.

Each gets what it needs on its standard input, where no other user can read it, and works until that is closed: the
kernel closes it also for a run that is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from pytest_batcheval.engine.call_sender import GRACE, LAST_WORDS
from pytest_batcheval.engine.snapshot import unseen
from pytest_batcheval.errors import BatchEvalError, JournalError, ProviderError, UnfinishedError, UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal.address import PostgresAddress
from pytest_batcheval.text.format import counted

_ERRORS: dict[int, type[BatchEvalError]] = {
    ExitStatus.USAGE: UsageError,
    ExitStatus.PROVIDER: ProviderError,
    ExitStatus.JOURNAL: JournalError,
}


class WorkerProcesses:
    """A `Crew` of processes; a context manager, at whose end they end."""

    advice = ""

    def __init__(self, number: int, backend: str, address: PostgresAddress) -> None:
        """Start so many, for a backend as `--batch-backend` names it."""
        self._processes: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        given = {"backend": backend, "journal": {**vars(address), "place": str(address.place)}}
        for _ in range(number):
            self._start(json.dumps(given).encode() + b"\n")

    def _start(self, given: bytes) -> None:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 # it is read when the process has ended
        # In a session of its own: Ctrl-C is for the run, which lets them end.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        self._processes.append((process, errors))
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, as `check` will find
            process.stdin.write(given)
            process.stdin.flush()

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process, _ in self._processes]

    def check(self) -> None:
        """Make sure that one of them works still.

        Raises:
            UsageError, ProviderError, JournalError: all have ended, and one with this error.
            UnfinishedError: all were killed.
        """
        statuses = [process.poll() for process, _ in self._processes]
        if None in statuses:
            return
        number = counted(len(statuses), "worker")
        for status, (_, errors) in zip(statuses, self._processes, strict=True):
            if status in _ERRORS:
                errors.seek(0)
                raise _ERRORS[status](errors.read().decode("utf-8", "replace").strip())
        last = statuses[-1]
        raise UnfinishedError(f"{number} ended without an error, the last with status {last}; the same command goes on")

    def close(self) -> None:
        """Let them take the answers that are under way for some seconds, and end them."""
        for process, _ in self._processes:
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
        for process, errors in self._processes:
            try:
                process.wait(GRACE + LAST_WORDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(LAST_WORDS)
            errors.close()

    def __enter__(self) -> WorkerProcesses:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def main() -> int:
    """Be such a process; returns its exit status."""
    given = json.loads(sys.stdin.buffer.readline())
    where = given["journal"]
    address = PostgresAddress(where["url"], where["schema"], tuple(map(tuple, where["secrets"])), Path(where["place"]))
    threading.Thread(target=_interrupt_at_end, args=(threading.get_ident(),), daemon=True).start()
    from pytest_batcheval.engine.workers.call_worker import work_at

    try:
        work_at(given["backend"], address, unseen)
    except BatchEvalError as error:
        print(error, file=sys.stderr)
        return int(error.exit_status)
    except KeyboardInterrupt:
        pass
    return int(ExitStatus.OK)


def _interrupt_at_end(thread: int) -> None:
    """Interrupt the thread that works when standard input is closed."""
    while os.read(0, 1):  # by its number: at the end of the process Python would wait for who reads the file object
        pass
    signal.pthread_kill(thread, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
