"""Proposed pytest commands: with the arguments of this run, so that they mean the same tests and the same places."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

import pytest

from pytest_batcheval.plugin.options import root_of

ARGUMENTS = "batcheval_arguments"
"""Name under which a worker gets the arguments of its controller."""


def given_arguments(config: pytest.Config) -> list[str]:
    """The arguments of this run as the user gave them; in a worker those of its controller."""
    given = getattr(config, "workerinput", {}).get(ARGUMENTS, config.invocation_params.args)
    return [str(argument) for argument in given]


def command_again(config: pytest.Config, modules: Iterable[str], *options: str) -> str:
    """The command of this run with other options; for these modules unless it names tests itself."""
    given = _without(given_arguments(config), options)
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        modules = ()
    return shlex.join(("pytest", *given, *_paths(config, modules), *options))


def command_for(config: pytest.Config, test: str, *options: str) -> str:
    """The command of this run with other options, for one test alone; its id is below the root of the suite."""
    given = _without(given_arguments(config), options)
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        for argument in config.args:
            if argument in given:  # the last, since a value of -k may be the same
                del given[len(given) - 1 - given[::-1].index(argument)]
    return shlex.join(("pytest", *given, *_paths(config, [test]), *options))


def _paths(config: pytest.Config, tests: Iterable[str]) -> list[str]:
    """Ids of tests below the root of the suite, with paths from the current folder."""
    parts = (test.partition("::") for test in tests)
    return [f"{os.path.relpath(root_of(config) / path)}{colons}{name}" for path, colons, name in parts]


def _without(given: list[str], options: Iterable[str]) -> list[str]:
    """The arguments without those that these options (`--name=value`) replace."""
    names = {option.partition("=")[0] for option in options}
    kept, value_follows = [], False
    for argument in given:
        name, equals, _ = argument.partition("=")
        if not value_follows and name not in names:
            kept.append(argument)
        value_follows = name in names and not equals and not value_follows
    return kept
