"""Python commands in processes of their own, forked from one that has imported what takes each of them a second."""

from __future__ import annotations

import atexit
import fcntl
import multiprocessing
import os
import runpy
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

import pytest


@cache
def context() -> ForkServerContext:
    """Makes processes by forking one that has imported `preloaded`."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patch:
        # before Python 3.13 it looks for what to import there and nowhere else, and says nothing if it finds nothing
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return made


def start(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Mapping[int, Connection]
) -> BaseProcess:
    """Start `python <words>`; `words` begin with `-m module` or `-c code`, and `streams` are closed here.

    A stream 0 is a terminal, which the process is controlled by.
    """
    process = context().Process(target=_python, args=(list(words), str(folder), dict(environment), streams))
    process.start()
    for stream in streams.values():
        stream.close()
    return process


class Forked:
    """`python <words>`, running, and what it writes; see `start`."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        (out, told), (errors, complained) = (context().Pipe(duplex=False) for _ in range(2))
        variables = os.environ if environment is None else environment
        self.process = start(words, folder, variables, {1: told, 2: complained})
        self._pipes = (out, errors)
        self.stdout, self.stderr = (os.fdopen(read.fileno(), encoding="utf-8", closefd=False) for read in self._pipes)

    def completed(self, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Its exit status, negative for a signal, and what it has written since it was last read.

        Raises:
            TimeoutError: it has not ended.
        """
        texts = dict.fromkeys((self.stdout, self.stderr), "")
        readers = [threading.Thread(target=_read, args=(stream, texts), daemon=True) for stream in texts]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout)
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise TimeoutError(f"{self.process} has not ended")
        return subprocess.CompletedProcess((), self.process.exitcode, *texts.values())

    def kill(self) -> None:
        """End it, and close what it wrote to."""
        self.process.kill()
        self.process.join()
        for stream in (self.stdout, self.stderr, *self._pipes):
            stream.close()

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


def _read(stream: TextIO, texts: dict[TextIO, str]) -> None:
    texts[stream] = stream.read()


def _python(
    words: Sequence[str], folder: str, environment: Mapping[str, str], streams: Mapping[int, Connection]
) -> None:
    """Be `python <words>`, in the forked process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if 0 in streams:
        os.setsid()
        fcntl.ioctl(streams[0].fileno(), termios.TIOCSCTTY, 0)
    for number, stream in streams.items():
        os.dup2(stream.fileno(), number)
        stream.close()
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)
    option, what, *arguments = words
    sys.argv = [option, *arguments]
    sys.path.insert(0, folder)
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(what, {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()
