"""`batcheval --help` and `batcheval VERB --help`, and what they cost to start."""

import argparse
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from pytest_batcheval import cli
from pytest_batcheval.exit_status import ExitStatus

RUNNING = Path(__file__).parents[2] / "docs/running.md"
IMPORTED = """
import json, sys
from pytest_batcheval.cli import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""


def parser_of(verb):
    verbs = argparse.ArgumentParser(prog="batcheval").add_subparsers()
    import_module(f"pytest_batcheval.cli.{cli._module(verb)}").add_parser(verbs)
    return verbs.choices[verb]


def imported(*argv):
    """The modules that a command has imported when it ends."""
    command = [sys.executable, "-c", IMPORTED, json.dumps(argv)]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # it imports sqlite3
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=unmeasured)
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_a_description_and_an_example_that_parses(verb):
    parser = parser_of(verb)
    assert parser.description.strip().endswith(".")
    start, _, example = parser.epilog.partition("example: ")
    assert start == ""
    assert example.startswith(f"batcheval {verb}")
    parser.parse_known_args(example.split()[2:])


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_option_is_explained(verb):
    for action in parser_of(verb)._actions:
        assert action.help
        assert not action.help.startswith("("), action.dest


def test_the_help_lists_every_verb_and_exit_status(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert re.findall(r"^    ([a-z-]+)", out, re.MULTILINE) == list(cli.VERBS)
    assert [int(number) for number in re.findall(r"^  (\d+)  ", out, re.MULTILINE)] == sorted(ExitStatus)


def test_the_docs_know_every_verb_and_exit_status():
    text = RUNNING.read_text(encoding="utf-8")
    for verb in cli.VERBS:
        assert re.search(rf"^\| .*`batcheval {verb}\b", text, re.MULTILINE), verb
    _, _, statuses = text.partition("## Exit statuses")
    rows = re.findall(r"^\| ([\d, ]+) \|", statuses, re.MULTILINE)
    assert {int(number) for row in rows for number in row.split(",")} == {*ExitStatus, 2, 5}


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["runs", "--nonsense"]])
def test_wrong_usage_ends_with_our_status(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == ExitStatus.USAGE
    assert "usage: batcheval" in capsys.readouterr().err


def test_only_the_verb_that_is_asked_for_is_imported():
    found = imported("runs", "--help")
    verbs = {f"pytest_batcheval.cli.{cli._module(verb)}" for verb in cli.VERBS}
    assert found & verbs == {"pytest_batcheval.cli.runs"}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("argv", [["--help"], *([verb, "--help"] for verb in cli.VERBS)], ids=lambda argv: argv[0])
def test_help_imports_nothing_heavy(argv):
    heavy = {"openai", "numpy", "vcr", "yaml", "jsonschema", "sqlite3", "pytest", "starlette", "asyncio"}
    assert not imported(*argv) & heavy
