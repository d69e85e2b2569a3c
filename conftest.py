"""Shared by the whole suite: pytester, proof sizes, and as many processes as the machine has cores."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS, EVALUATION = Path(__file__).parent / "tests", "scenarios"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--proof",
        choices=("quick", "ci", "full"),
        default="quick",
        help="size of the seeded proofs: quick (default), ci, or full (tox)",
    )
    parser.addoption("--sim-seed", type=int, help="play only the simulated schedule of this seed")


@pytest.hookimpl(tryfirst=True)  # before xdist reads what it is asked for
def pytest_cmdline_main(config):
    """The whole suite is run with every core; a part of it, the benchmarks and a debugger want one process."""
    if hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("xdist"):
        return
    option = config.option
    part = ("markexpr", "keyword", "lf", "collectonly", "usepdb", "trace", "benchmark_only", "benchmark_compare")
    named = config.args_source is config.ArgsSource.ARGS
    if option.numprocesses is None and not named and not any(getattr(option, name, None) for name in part):
        option.numprocesses = min(os.cpu_count() or 1, 4)


def pytest_ignore_collect(collection_path, config):
    """`pytest -m batch` imports the evaluation alone: no other test has the marker, as tests/house sees."""
    if config.option.markexpr == "batch" and config.args_source is not config.ArgsSource.ARGS:
        return True if collection_path.parent == TESTS and collection_path.name != EVALUATION else None
    return None


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config, items):
    """At the quick size a test marked `sampled(n)` runs with every n-th of its parameters, and without n not at all.

    A test that is named on the command line runs whole, and so do benchmarks that are asked for. What is larger at
    the other sizes is marked `sized`.
    """
    for item in items:
        sizes = "proof" in item.fixturenames or getattr(item.obj, "is_hypothesis_test", False)
        if sizes or item.get_closest_marker("sampled"):
            item.add_marker("sized")
    whole = config.getoption("benchmark_only", False) or any("::" in argument for argument in config.args)
    if config.getoption("--proof") != "quick" or whole:
        return
    kept, left, seen = [], [], Counter()
    for item in items:
        mark = item.get_closest_marker("sampled")
        test = item.nodeid.partition("[")[0]
        (kept if mark is None or (mark.args and seen[test] % mark.args[0] == 0) else left).append(item)
        seen[test] += 1
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.fixture(scope="session")
def proof(request):
    """The chosen size of proofs: `quick`, `ci` or `full`."""
    return request.config.getoption("--proof")
