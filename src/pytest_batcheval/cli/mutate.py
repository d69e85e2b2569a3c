"""`batcheval mutate`: which tests notice requests that are wrong."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

from pytest_batcheval.exit_status import ExitStatus

PASSES_ON = True
"""Unknown arguments are passed on to pytest."""

DESCRIPTION = """
Run the evaluation also on the answers to requests that are wrong in a known way, such as another persona's, and print
which tests notice. It runs pytest -m batch --batch-mutants=NAMES; all other arguments go to pytest. Ends with status 1
if no test notices one of them, or a test fails as it is.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "mutate", description=DESCRIPTION, usage="%(prog)s [-h] [--mutants NAMES] [PYTEST ARGS ...]",
        epilog="example: batcheval mutate --mutants exchanged,cut --batch=plan", allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument(
        "--mutants",
        default="exchanged",
        metavar="NAMES",
        help="mutants such as persona:one, or groups: exchanged (default: values of axes, which other tests ask "
        "anyway), cut (instructions), language, traits, all",
    )


_USAGE = {2: ExitStatus.USAGE, 5: ExitStatus.USAGE}
"""Statuses of pytest that are none of ours: tests that cannot be collected, and no tests."""


def run(arguments: argparse.Namespace) -> int:
    """Run pytest, and return its exit status, or ours for what it says of tests that cannot be run."""
    command = [sys.executable, "-m", "pytest", "-m", "batch", f"--batch-mutants={arguments.mutants}"]
    status = subprocess.call([*command, *arguments.passed_on])
    return int(_USAGE.get(status, status))
