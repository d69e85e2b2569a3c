"""What starting the command costs: `python tests/benchmarks/cli_start.py [pairs]`.

Wall time of whole processes, the help of `batcheval` and of some verbs against `python -c pass`, run in turn; the
limit is twice the bare interpreter and 60 ms.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

PAIRS = 20
COMMANDS = (["--help"], ["runs", "--help"], ["status", "--help"], ["compare", "--help"], ["init", "--help"])
BARE = [sys.executable, "-c", "pass"]


def main() -> None:
    """Measure and print each command beside the bare interpreter."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    for arguments in COMMANDS:
        command = [sys.executable, "-m", "pytest_batcheval.cli", *arguments]
        run(command)  # compiles what is not compiled yet
        times = [(run(command), run(BARE)) for _ in range(pairs)]
        ours, bare = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
        limit = 2 * bare + 60
        shown = f"{ours:.0f} ms, python -c pass {bare:.0f} ms, limit {limit:.0f} ms (medians of {pairs} pairs)"
        print(f"batcheval {' '.join(arguments)}: {shown}")


def run(command: list[str]) -> float:
    """Wall seconds of one process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
