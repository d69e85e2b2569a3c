"""The live page as a process of its own, and requests of hostile texts."""

import subprocess
import sys
from contextlib import contextmanager

from pytest_batcheval.wire.objects import Request

HOSTILE = "<script>alert(1)</script> \x1b[2J \u202e 가슴이"


@contextmanager
def serving(folder, *options):
    """The address of a dashboard on the journal in a folder."""
    command = [sys.executable, "-m", "pytest_batcheval.cli", "dashboard", "--port", "0", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            yield process.stdout.readline().partition(" ")[0]
        finally:
            process.terminate()
            assert process.wait(20) is not None


def ask(number):
    return Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": f"{number} {HOSTILE}"}]})
