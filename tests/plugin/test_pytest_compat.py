"""Each private name of pytest that the plugin uses still does what the plugin needs of it."""

from __future__ import annotations

import logging

import pytest

from pytest_batcheval.plugin import _pytest_compat as compat

CONFTEST = """
import pytest
from pytest_batcheval.plugin import _pytest_compat as compat

@pytest.fixture
def given():
    return 1

@pytest.fixture
def turned(request):
    return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    with open("seen.txt", "a") as seen:
        found = compat.fixture_definitions(metafunc)
        print(metafunc.function.__name__, sorted(compat.parametrized_names(metafunc)),
              {name: compat.is_direct_definition(found[name][-1]) for name in sorted(found) if name != "request"},
              {name: compat.is_indirect(metafunc, name) for name in ("plain", "turned")},
              {name: compat.is_fixture(metafunc, name) for name in ("given", "plain", "nobody")}, file=seen)

def pytest_collection_modifyitems(items):
    with open("run.txt", "w") as seen:
        print({item.name: compat.will_run(item) for item in items}, file=seen)
"""
TESTS = """
import pytest

@pytest.mark.parametrize("plain", [1])
@pytest.mark.parametrize("turned", [2], indirect=True)
def test_one(plain, turned, given): ...

@pytest.mark.skip
def test_skipped(): ...

@pytest.mark.skipif("broken +")
def test_broken(): ...

@pytest.mark.xfail(run=False)
def test_not_run(): ...

@pytest.mark.xfail
def test_xfail(): ...
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def collected(pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    pytester.runpytest_inprocess("--collect-only")
    return pytester.path


def test_parametrisation_is_seen(collected):
    line = (collected / "seen.txt").read_text().splitlines()[0]
    assert line == (
        "test_one ['plain', 'turned'] {'given': False, 'plain': True, 'turned': False} "
        "{'plain': False, 'turned': True} {'given': True, 'plain': False, 'nobody': False}"
    )


def test_tests_that_no_mark_keeps_from_running_will_run(collected):
    assert eval((collected / "run.txt").read_text()) == {
        "test_one[2-1]": True, "test_skipped": False, "test_broken": True, "test_not_run": False, "test_xfail": True,
    }  # fmt: skip


def test_the_terminal_can_be_written_to(pytester, capsys):
    pytester.makeconftest(
        """
        from pytest_batcheval.plugin import _pytest_compat as compat

        def pytest_terminal_summary(terminalreporter):
            assert not compat.is_terminal(terminalreporter)
            compat.terminal_writer(terminalreporter).line("by the writer")
            compat.terminal_file(terminalreporter).write("by the file\\n")
        """
    )
    pytester.makepyfile("def test_it(): ...")
    pytester.runpytest_inprocess().stdout.fnmatch_lines(["by the writer", "by the file"])


def test_the_live_log_has_a_handler(pytester):
    pytester.makeconftest(
        """
        from pytest_batcheval.plugin import _pytest_compat as compat

        def pytest_collection_finish(session):
            print("handler", type(compat.live_log_handler(session.config)).__name__)
        """
    )
    pytester.makepyfile("def test_it(): ...")
    pytester.runpytest_inprocess("-s", "-o", "log_cli=true").stdout.fnmatch_lines(
        ["*handler _LiveLoggingStreamHandler"]
    )
    pytester.runpytest_inprocess("-s", "-p", "no:logging").stdout.fnmatch_lines(["*handler NoneType"])


def test_a_failing_test_takes_a_section(pytester):
    pytester.makeconftest(
        """
        import pytest
        from pytest_batcheval.plugin import _pytest_compat as compat

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if report.failed:
                assert compat.is_report_part(report.longrepr)
                compat.add_section(report, "mine", f"shown below {item.name}")
            return report
        """
    )
    pytester.makepyfile(
        """
        import pytest
        def test_assert(): assert 0
        def test_plain(): pytest.fail("short", pytrace=False)
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*- mine -*", "shown below test_assert", "*- mine -*", "shown below test_plain"])


def test_other_values_are_no_part_of_a_report():
    assert not compat.is_report_part("text")
    assert not compat.is_report_part(logging.getLogger())
