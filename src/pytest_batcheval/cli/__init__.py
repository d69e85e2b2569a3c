"""The command `batcheval`: one file a verb."""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

VERBS = (
    "serve",
    "resume",
    "cancel",
    "status",
    "runs",
    "download",
    "recover",
    "verify",
    "prune",
    "show",
    "import",
    "export",
    "performance-comparison",
    "baseline",
    "compare",
)


class _Parser(argparse.ArgumentParser):
    """Ends with our status for wrong usage, not with argparse's 2."""

    def error(self, message: str) -> NoReturn:
        from pytest_batcheval.wire.errors import ExitStatus
        from pytest_batcheval.wire.safe import safe

        self.print_usage(sys.stderr)
        self.exit(int(ExitStatus.USAGE), safe(f"{self.prog}: error: {message}\n"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run `batcheval` and return its exit status (see `wire.errors.ExitStatus`)."""
    from pytest_batcheval.wire.errors import BatchEvalError
    from pytest_batcheval.wire.safe import safe

    parser = _Parser(
        prog="batcheval",
        description="Evaluate LLM answers in bulk through the Batch API.",
        epilog="example: batcheval serve --port 8080 --respondent faithful",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    modules = {verb: import_module(f"{__name__}.{_module(verb)}") for verb in VERBS}
    for module in modules.values():
        module.add_parser(verbs)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown and not hasattr(modules[arguments.verb], "PASSES_ON"):
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    arguments.passed_on = unknown
    try:
        return int(modules[arguments.verb].run(arguments))
    except BatchEvalError as error:
        print(safe(f"batcheval {arguments.verb}: {error}"), file=sys.stderr)
        return int(error.exit_status)


def _module(verb: str) -> str:
    name = verb.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name
