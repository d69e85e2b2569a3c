"""Every private name of pytest that the plugin needs, each behind a function of its own with a test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from _pytest._code.code import ExceptionRepr
from _pytest._io import TerminalWriter
from _pytest.fixtures import FixtureDef
from _pytest.junitxml import xml_key
from _pytest.mark.structures import ParameterSet
from _pytest.outcomes import Failed as Failed
from _pytest.runner import runtestprotocol
from _pytest.skipping import evaluate_skip_marks, evaluate_xfail_marks, xfailed_key


def terminal_writer(reporter: pytest.TerminalReporter) -> TerminalWriter:
    """The writer of pytest's terminal reporter."""
    return reporter._tw


def terminal_file(reporter: pytest.TerminalReporter) -> Any:
    """The text file that pytest's terminal reporter writes to."""
    return reporter._tw._file


def is_terminal(reporter: pytest.TerminalReporter) -> bool:
    """Whether pytest writes to a terminal."""
    terminal: Any = reporter.isatty  # a method of pytest 9, an attribute of pytest 8
    return bool(terminal() if callable(terminal) else terminal)


def live_log_handler(config: pytest.Config) -> logging.Handler | None:
    """The handler that writes live logs (`log_cli`), where the logging plugin is loaded."""
    handler = getattr(config.pluginmanager.get_plugin("logging-plugin"), "log_cli_handler", None)
    return handler if isinstance(handler, logging.Handler) else None


def add_section(report: pytest.TestReport, name: str, text: str) -> None:
    """Add a section to the traceback of a failing test, else below the report."""
    if isinstance(report.longrepr, ExceptionRepr):
        report.longrepr.addsection(name, text)
    else:
        report.sections.append((name, text))


def skip_in_junit(config: pytest.Config, nodeid: str, reason: str, key: str) -> None:
    """Put a test that did not run into the JUnit file as skipped, with its `custom_id`; no other plugin sees it."""
    log, path = config.stash.get(xml_key, None), nodeid.partition("::")[0]
    if log is not None:
        properties = [("custom_id", key)] if key else []
        log.pytest_runtest_logreport(
            pytest.TestReport(nodeid, (path, 0, nodeid), {}, "skipped", (path, 0, reason), "setup")
        )
        log.pytest_runtest_logreport(
            pytest.TestReport(nodeid, (path, 0, nodeid), {}, "passed", None, "teardown", user_properties=properties)
        )


def has_section(report: pytest.TestReport, name: str) -> bool:
    """Whether a report has a section of that name, in its traceback or below it."""
    inside = report.longrepr.sections if isinstance(report.longrepr, ExceptionRepr) else []
    return any(section[0] == name for section in (*inside, *report.sections))


def is_report_part(value: object) -> bool:
    """Whether a value in a report is an object of pytest's, whose attributes hold texts that are shown."""
    return type(value).__module__.startswith("_pytest.")


def ini_value(config: pytest.Config, name: str) -> Any:
    """The value of an ini key as the file has it, a number or a boolean of native TOML too; else the default."""
    known = vars(config).get("_inicfg") or vars(config).get("inicfg", {})
    found = known.get(name)
    # pytest 9 keeps where a value comes from; its getini refuses what is not of the key's type
    return found.value if hasattr(found, "value") else config.getini(name)


def will_run(item: pytest.Item) -> bool:
    """Whether no skip mark (or `xfail(run=False)`, or `unittest.skip`) keeps a test from running."""
    if getattr(getattr(item, "obj", None), "__unittest_skip__", False):
        return False
    try:
        if evaluate_skip_marks(item):
            return False
        xfail = evaluate_xfail_marks(item)
    except (Exception, pytest.fail.Exception):
        return True  # pytest itself reports a broken mark when it sets the test up
    return xfail is None or xfail.run or bool(item.config.option.runxfail)


def fixture_definitions(metafunc: pytest.Metafunc) -> Mapping[str, Sequence[FixtureDef[Any]]]:
    """By argument name, the fixtures that a test function gets, the one that counts last."""
    return metafunc._arg2fixturedefs


def is_direct_definition(definition: FixtureDef[Any]) -> bool:
    """Whether a fixture is the one pytest makes for a plain parametrised argument."""
    return getattr(definition.func, "__name__", "") == "get_direct_param_fixture_func"


def is_fixture(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether a fixture of that name is visible to a test function, in its arguments or not."""
    node = metafunc.definition
    return bool(node.session._fixturemanager.getfixturedefs(name, node))


def is_indirect(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether an argument is parametrised indirectly."""
    return metafunc._params_directness.get(name) == "indirect"


def parameter_sets(values: object) -> list[ParameterSet]:
    """Those of the values given to `parametrize` that are a `pytest.param`; an iterator is not touched."""
    listed = values if isinstance(values, (list, tuple)) else ()
    return [value for value in listed if isinstance(value, ParameterSet)]


@contextmanager
def failing_despite_xfail(item: pytest.Item) -> Iterator[None]:
    """Let a failure in the block be one also where the test is marked xfail: that mark is about the answer."""
    try:
        yield
    except pytest.fail.Exception:
        item.stash[xfailed_key] = None
        raise


def skip_test(reason: str) -> NoReturn:
    """Skip a test from a fixture; the place that is shown is the test's."""
    raise pytest.skip.Exception(reason, _use_item_location=True)


def callspecs(metafunc: pytest.Metafunc) -> list[Any]:
    """The sets of parameters that a test function has so far: each has `params`, `indices` and `marks`."""
    return list(metafunc._calls)


def keep_callspecs(metafunc: pytest.Metafunc, keep: Callable[[Any], bool]) -> None:
    """Drop the sets of parameters that `keep` refuses."""
    metafunc._calls = [call for call in metafunc._calls if keep(call)]


def run_silently(item: pytest.Item, following: pytest.Item | None) -> list[pytest.TestReport]:
    """Set up, call and tear down a test, and report it to nobody; what `following` shares with it stays set up."""
    return runtestprotocol(item, log=False, nextitem=following)


def id_parts(item: pytest.Function) -> list[str]:
    """The ids of a test's parameters, one for each call of `parametrize`."""
    return list(item.callspec._idlist)


def functions_with(item: pytest.Function, name: str) -> list[Callable[..., Any]]:
    """The function of a test, and those of its fixtures that take an argument."""
    fixtures = (found[-1] for found in item._fixtureinfo.name2fixturedefs.values() if found)
    return [item.function, *(fixture.func for fixture in fixtures if name in fixture.argnames)]


def requested_names(item: pytest.Function) -> set[str]:
    """The arguments of a test, of its fixtures and of theirs; not those that a plugin gives to every test."""
    info, found = item._fixtureinfo, set[str]()
    left = list(info.initialnames)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [argument for fixture in info.name2fixturedefs.get(name, ()) for argument in fixture.argnames]
    return found


def parametrized_names(metafunc: pytest.Metafunc) -> set[str]:
    """The arguments that a test function has been parametrised with so far."""
    return set(metafunc._calls[0].params) if metafunc._calls else set()
