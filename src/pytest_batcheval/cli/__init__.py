"""The command `batcheval`: one file per verb."""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from pytest_batcheval.exit_status import ExitStatus

VERBS = (
    "init",
    "serve",
    "certify",
    "dashboard",
    "resume",
    "cancel",
    "status",
    "runs",
    "download",
    "recover",
    "adopt",
    "verify",
    "journal",
    "prune",
    "answers",
    "report",
    "rates",
    "show",
    "import",
    "export",
    "performance-comparison",
    "baseline",
    "compare",
)
EPILOG = """\
exit statuses:
{statuses}

example: batcheval init my-evaluation
Options of a verb: batcheval VERB --help
"""


class _Parser(argparse.ArgumentParser):
    """A parser that exits with our status for wrong usage, not with argparse's 2."""

    def error(self, message: str) -> NoReturn:
        from pytest_batcheval.text.sanitize import safe_to_print

        self.print_usage(sys.stderr)
        self.exit(int(ExitStatus.USAGE), safe_to_print(f"{self.prog}: error: {message}\n"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run `batcheval` and return its exit status (see `wire.errors.ExitStatus`)."""
    from pytest_batcheval.text.streams import flush_all, take_any_text

    take_any_text()
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    finally:
        flush_all()


def _run(given: list[str]) -> int:
    from pytest_batcheval.cli.options import say_error
    from pytest_batcheval.errors import BatchEvalError

    modules = verb_modules(_needed(given))
    parser = command_parser(modules)
    own, *groups = _groups(given) if any(hasattr(modules.get(word), "GROUPS") for word in given[:1]) else [given]
    if any(word.startswith("--") and word.endswith("=--") for word in own):
        parser.error("-- is no value of an option")  # argparse would make an empty list of it
    arguments, unknown = parser.parse_known_args(own)
    if unknown and not hasattr(modules[arguments.verb], "PASSES_ON"):
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    arguments.passed_on, arguments.groups = unknown, groups
    try:
        return int(modules[arguments.verb].run(arguments))
    except BatchEvalError as error:
        say_error(f"batcheval {arguments.verb}: {error}")
        return int(error.exit_status)
    except ImportError as error:
        from pytest_batcheval.errors import what_to_install

        if (advice := what_to_install(error)) is None:
            raise
        say_error(f"batcheval {arguments.verb}: {advice}")
        return int(ExitStatus.USAGE)
    except BrokenPipeError:  # `batcheval download BATCH | head`
        return int(ExitStatus.OK)
    except (OSError, UnicodeError) as error:  # a name that no file can have, a pipe or a folder in place of a file
        say_error(f"batcheval {arguments.verb}: {error}")
        return int(ExitStatus.USAGE)


def verb_modules(verbs: Iterable[str] = VERBS) -> dict[str, ModuleType]:
    """Import and return the modules of verbs."""
    return {verb: import_module(f"{__name__}.{_module(verb)}") for verb in verbs}


def command_parser(modules: Mapping[str, ModuleType]) -> argparse.ArgumentParser:
    """Return the parser of `batcheval` with these verbs."""
    parser = _Parser(
        prog="batcheval",
        description="Evaluate LLM answers in bulk through the Batch API.",
        epilog=EPILOG.format(statuses="\n".join(f"  {status:<3} {status.meaning}" for status in ExitStatus)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for module in modules.values():
        module.add_parser(verbs)
    return parser


def _needed(given: Sequence[str]) -> Sequence[str]:
    """Return only the given verb, because importing all of them is slow; all verbs if they must be listed."""
    return given[:1] if given and given[0] in VERBS else VERBS


def _groups(given: Sequence[str]) -> list[list[str]]:
    """Return the arguments before the first `--`, and those behind each one."""
    groups: list[list[str]] = [[]]
    for word in given:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    return groups


def _module(verb: str) -> str:
    name = verb.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name
