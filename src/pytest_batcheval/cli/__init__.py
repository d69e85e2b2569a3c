"""The command `batcheval`: one file per verb."""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from pytest_batcheval.exit_status import ExitStatus

TYPE_CHECKING = False  # importing it would take as long as all else that `--help` needs
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

VERBS = {
    "init": "write a small evaluation to start with",
    "serve": "serve a simulated Batch API",
    "certify": "score a server that claims to speak the Batch API",
    "dashboard": "serve a live page",
    "work": "make the individual calls that runs leave to workers",
    "resume": "collect the answers of open batches",
    "cancel": "stop a batch",
    "status": "show the status of a batch or a run",
    "runs": "list the runs",
    "download": "download the results of a batch",
    "recover": "repair a damaged journal, or rebuild a lost one from the provider",
    "adopt": "take a batch that somebody else made into the journal",
    "verify": "check the journal",
    "journal": "print the journal's path or that of queries for it, or copy the journal",
    "prune": "remove unused recordings, or old answers in the journal",
    "answers": "list the stored answers, or write them to a file",
    "report": "write an HTML report on a run",
    "rates": "print pass rates with intervals",
    "mutate": "print which tests notice wrong requests",
    "show": "show what is known of a request",
    "import": "check a batch input file, or take results into the journal",
    "export": "write the requests of selected tests as batch input files, or a run as an Inspect log",
    "performance-comparison": "compare batches with individual calls: time, calls, cost",
    "baseline": "keep a run's values and compare later runs with them",
    "compare": "compare two models or two runs: cost, equivalence, gates, tests that pass",
}
"""What each verb is for, in the order of `batcheval --help`, which imports none of their modules."""

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
    if not given or given[0] not in VERBS:
        command_parser({}).parse_args(given[:1])  # exits: all it knows is the list of verbs
    from pytest_batcheval.cli.options import say_error
    from pytest_batcheval.errors import BatchEvalError

    modules = verb_modules(given[:1])
    module, parser = modules[given[0]], command_parser(modules)
    own, *groups = _groups(given) if hasattr(module, "GROUPS") else [given]
    if any(word.startswith("--") and word.endswith("=--") for word in own):
        parser.error("-- is no value of an option")  # argparse would make an empty list of it
    arguments, unknown = parser.parse_known_args(own)
    if unknown and not hasattr(module, "PASSES_ON"):
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    arguments.passed_on, arguments.groups = unknown, groups
    try:
        return int(module.run(arguments))
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
    """Return the parser of `batcheval` with these verbs; without any it can only list them all."""
    parser = _Parser(
        prog="batcheval",
        description="Evaluate LLM answers in bulk through the Batch API.",
        epilog=EPILOG.format(statuses="\n".join(f"  {status:<3} {status.meaning}" for status in ExitStatus)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for module in modules.values():
        module.add_parser(verbs)
    for verb, purpose in () if modules else VERBS.items():
        verbs.add_parser(verb, help=purpose)
    return parser


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
