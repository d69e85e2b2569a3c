"""The command `batcheval`: one file a verb."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

VERBS = (
    "serve",
    "resume",
    "cancel",
    "status",
    "download",
    "recover",
    "verify",
    "prune",
    "show",
    "performance-comparison",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `batcheval` and return its exit status (see `wire.errors.ExitStatus`)."""
    from pytest_batcheval.wire.errors import BatchEvalError
    from pytest_batcheval.wire.safe import safe

    parser = argparse.ArgumentParser(
        prog="batcheval",
        description="Evaluate LLM answers in bulk through the Batch API.",
        epilog="example: batcheval serve --port 8080 --respondent faithful",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    modules = {verb: import_module(f"{__name__}.{verb.replace('-', '_')}") for verb in VERBS}
    for module in modules.values():
        module.add_parser(verbs)
    arguments = parser.parse_args(argv)
    try:
        return int(modules[arguments.verb].run(arguments))
    except BatchEvalError as error:
        print(safe(f"batcheval {arguments.verb}: {error}"), file=sys.stderr)
        return int(error.exit_status)
