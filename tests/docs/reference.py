"""Pages of the site that are generated: options, verbs, Python names, tables of the journal, statuses."""

import argparse
import inspect
import os
import re
from pathlib import Path

from pytest_batcheval import cli, errors, plugin, quality
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.journal.migrate import scripts
from pytest_batcheval.journal.outcome_writer import SCHEMA
from pytest_batcheval.plugin import conversation, hookspecs, options

ROOT = Path(__file__).parents[2]
FRONT = {"index.md": "README.md", "ko.md": "README.ko.md"}
"""Pages of the site that are files of the repository's root."""

API = {
    "Requests and answers": ["Request", "Answer", "Answers", "ImportedLine"],
    "Sending": ["BatchClient", "BatchRun", "BatchStatus", "check_batch_status", "download_batch_results"],
    "Axes": ["AxisValue", "Persona", "Question", "PersonaMatrix"],
    "In notebooks": ["charts"],
    "Errors": ["BatchEvalError", "InputFileError"],
}


def pages():
    """The text of each page by its path on the site."""
    os.environ |= {"COLUMNS": "88", "NO_COLOR": "1"}  # for argparse
    return {
        "reference/options.md": _options(),
        "reference/cli.md": _verbs(),
        "reference/python.md": _python(),
        "reference/quality.md": _quality(),
        "reference/journal.md": _journal(),
        "reference/statuses.md": _statuses(),
    }


def _cell(text):
    """Text as it stands, in a cell of a table."""
    return re.sub(r"([|<*_])", r"\\\1", " ".join(text.split()))


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _code(text):
    return f"`{text}`".replace("|", r"\|")


# -- pytest -------------------------------------------------------------------------------------------------------


class _Declared:
    """Takes what the plugin declares in place of pytest's parser."""

    def __init__(self):
        self.options, self.ini = [], []

    def getgroup(self, *_):
        return self

    def addoption(self, name, **declared):
        metavar = declared.get("metavar") or "|".join(declared.get("choices", ()))
        self.options.append([_code(f"{name}={metavar}" if metavar else name), _cell(declared["help"])])

    def addini(self, name, meaning, default=None, **_):
        self.ini.append([_code(name), _cell(meaning), _code(default) if default else ""])


def _options():
    declared = _Declared()
    options.add_options(declared)
    markers = [marker.partition("): ") for marker in (options.MARKER, conversation.MARKER)]
    return (
        "# Options, markers, fixtures\n\nWhat `pytest --help`, `--markers` and `--fixtures` print. "
        "[Running](../running.md) and [Writing evaluations](../evaluations.md) explain them.\n\n"
        f"## Options\n\n{_table(['option', 'meaning'], declared.options)}"
        f"## Ini keys\n\n{_table(['key', 'meaning', 'default'], declared.ini)}"
        f"## Markers\n\n{_table(['marker', 'meaning'], [[_code(call + ')'), _cell(text)] for call, _, text in markers])}"
        f"## Fixtures\n\n{_table(['fixture', 'value'], _fixtures())}"
        f"## Hook\n\n::: {hookspecs.__name__}.pytest_batch_axes\n"
    )


def _fixtures():
    names = [name for name in plugin.__all__ if not name.startswith(("_", "pytest_"))]
    return [[_code(name), " ".join(inspect.getdoc(getattr(plugin, name)).split())] for name in names]


# -- the command --------------------------------------------------------------------------------------------------


def _verbs():
    parser = cli.command_parser(cli.verb_modules())
    (verbs,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    rows = [[f"[`{verb}`](#batcheval-{verb})", _cell(purpose)] for verb, purpose in cli.VERBS.items()]
    parts = [_verb(verb) for verb in verbs.choices.values()]
    return (
        f"# The command `batcheval`\n\nWhat `batcheval VERB --help` prints.\n\n{_table(['verb', 'meaning'], rows)}"
        + ("\n".join(parts))
    )


def _verb(parser):
    formatter = parser._get_formatter()
    rows = [
        [_code(formatter._format_action_invocation(action)), _cell(formatter._expand_help(action))]
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS
    ]
    usage = re.sub("(?m)^ {7}", "", parser.format_usage().removeprefix("usage: ").rstrip())
    about = _paragraphs(parser.description) + "\n\n"
    example = f"```text\n{(parser.epilog or '').strip()}\n```\n\n" if parser.epilog else ""
    table = _table(["argument", "meaning"], rows) if rows else ""
    return f"## {_code(parser.prog)}\n\n```text\n{usage}\n```\n\n{about}{table}{example}"


def _paragraphs(text):
    return re.sub(r"([<*_])", r"\\\1", (text or "").strip())


# -- Python -------------------------------------------------------------------------------------------------------


def _python():
    parts = [
        "# Python\n\nEverything is imported from `pytest_batcheval`, two prompts from `pytest_batcheval.prompts`.\n"
    ]
    for heading, names in API.items():
        parts.append(f"## {heading}\n")
        parts += [f"::: pytest_batcheval.{name}\n" for name in names]
    parts.append(
        "## Prompts of prompts\n\n::: pytest_batcheval.prompts.judge\n\n::: pytest_batcheval.prompts.pairwise\n"
    )
    return "\n".join(parts)


def _quality():
    functions = [name for name in quality.__all__ if name[0].islower()]
    classes = [name for name in quality.__all__ if name[0].isupper()]
    parts = ["# Measures\n\n[Statistics](../statistics.md) explains them, with their measured error rates.\n"]
    for heading, names in (("Functions", functions), ("Results and types", classes)):
        parts += [f"## {heading}\n", *(f"::: pytest_batcheval.quality.{name}\n" for name in names)]
    for module in ("ladder", "labels", "recognition", "contradiction", "oversharing"):
        parts += [f"## `quality.{module}`\n", f"::: pytest_batcheval.quality.{module}\n"]
    return "\n".join(parts)


# -- tables and statuses ------------------------------------------------------------------------------------------


def _journal():
    steps = "\n\n".join(f"```sql\n{script.strip()}\n```" for script in scripts())
    return (
        "# Tables of the journal\n\nSQLite; `batcheval journal path` prints the file's path, and "
        "[Datasette](../datasette.md) shows it. Read it as you like, but let only `batcheval` write. Each block is one "
        f"version of the schema, and they are executed in this order.\n\n## `journal.sqlite`\n\n{steps}\n\n"
        f"## `outcomes.sqlite`\n\nOutcomes of tests, beside it.\n\n```sql\n{SCHEMA.strip()}\n```\n"
    )


def _statuses():
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    batches = re.search(r"^## Status of a batch\n.*?(?=^## )", glossary, re.MULTILINE | re.DOTALL).group()
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    rows = [
        [
            str(int(status)),
            status.meaning,
            ", ".join(f"`{each.__name__}`" for each in kinds if each.exit_status is status),
        ]
        for status in ExitStatus
    ]
    return (
        f"# Statuses\n\n{batches}"
        f"## Exit statuses\n\n{_table(['status', 'meaning', 'errors'], rows)}"
        "A pytest run has 2 and 5 too, [as pytest](../running.md#exit-statuses).\n"
    )
