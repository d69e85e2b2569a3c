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
import unittest

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

@unittest.skip("later")
def test_unittest_skip(): ...
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
        "test_unittest_skip": False,
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
                assert not compat.has_section(report, "mine")
                compat.add_section(report, "mine", f"shown below {item.name}")
                assert compat.has_section(report, "mine")
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


def test_parameter_sets_are_those_of_pytest_param():
    marked = pytest.param(1, marks=pytest.mark.skip, id="one")
    assert compat.parameter_sets([marked, 2]) == compat.parameter_sets((marked,)) == [marked]
    assert compat.parameter_sets(iter([marked])) == []
    assert [mark.name for mark in compat.parameter_sets([marked])[0].marks] == ["skip"]


def test_sets_of_parameters_are_seen_and_dropped(pytester):
    pytester.makeconftest(
        """
        import pytest
        from pytest_batcheval.plugin import _pytest_compat as compat

        @pytest.fixture(autouse=True)
        def number(request): return request.param

        @pytest.fixture
        def named(also): return also

        @pytest.fixture
        def also(): return 1

        @pytest.hookimpl(trylast=True)
        def pytest_generate_tests(metafunc):
            assert [(call.params, [m.name for m in call.marks]) for call in compat.callspecs(metafunc)] == [
                ({"a": 1}, []), ({"a": 2}, ["skip"])
            ]
            compat.keep_callspecs(metafunc, lambda call: call.params["a"] == 1)
            metafunc.fixturenames.append("unasked")
            metafunc.parametrize("number", [1, 2], indirect=True, ids=["x", "y"])

        def pytest_collection_modifyitems(items):
            for item in items:
                print(item.name, compat.id_parts(item), sorted(compat.requested_names(item)))
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("a", [1, pytest.param(2, marks=pytest.mark.skip)])
        def test_it(a, named): ...
        """
    )
    pytester.runpytest_inprocess("-s").stdout.fnmatch_lines(
        [
            "*test_it[[]1-x] [[]'1', 'x'] [[]'a', 'also', 'named', 'number'*]",
            "*test_it[[]1-y] [[]'1', 'y'] [[]'a', 'also', 'named', 'number'*]",
        ]
    )


def test_the_functions_that_get_an_argument_are_a_test_and_its_fixtures(pytester):
    pytester.makepyfile(
        """
        import pytest
        from pytest_batcheval.plugin import _pytest_compat as compat

        @pytest.fixture
        def table(): ...

        @pytest.fixture
        def found(table): ...

        @pytest.fixture
        def other(): ...

        def test_it(found, other, request):
            print([function.__name__ for function in compat.functions_with(request.node, "table")])
        """
    )
    pytester.runpytest_inprocess("-s").stdout.fnmatch_lines(["*[[]'test_it', 'found']*"])


def test_a_fixture_may_fail_despite_xfail_and_skip_at_the_test(pytester):
    pytester.makeconftest(
        """
        import pytest
        from pytest_batcheval.plugin import _pytest_compat as compat

        @pytest.fixture
        def failing(request):
            with compat.failing_despite_xfail(request.node):
                pytest.fail("mine", pytrace=False)

        @pytest.fixture
        def skipping(): compat.skip_test("not now")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.xfail
        def test_failing(failing): ...

        def test_skipping(skipping): ...
        """
    )
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(errors=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_a_fixture_*.py:6: not now"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("written", "seen"), [("5", "5"), ("2.5", "2.5"), ("true", "True"), ('"x"', "x"), ("", "usual")]
)
@pytest.mark.parametrize("table", ["[tool.pytest.ini_options]", "[tool.pytest]"])
def test_an_ini_key_is_read_as_the_file_has_it(pytester, written, seen, table):
    if table == "[tool.pytest]" and pytest.version_tuple < (9,):
        pytest.skip("native TOML is pytest 9's")
    pytester.makepyprojecttoml(f"{table}\n" + (f"mine = {written}\n" if written else ""))
    pytester.makeconftest(
        """
        from pytest_batcheval.plugin import _pytest_compat as compat

        def pytest_addoption(parser): parser.addini("mine", "a key", default="usual")

        def pytest_report_header(config): return f"found {compat.ini_value(config, 'mine')}"
        """
    )
    pytester.runpytest_inprocess().stdout.fnmatch_lines([f"found {seen}"])
    pytester.runpytest_inprocess("-o", "mine=other").stdout.fnmatch_lines(["found other"])


def test_a_test_that_did_not_run_is_skipped_in_junit_alone(pytester):
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(
        """
        from pytest_batcheval.plugin import _pytest_compat as compat

        def pytest_collection_finish(session):
            compat.skip_in_junit(session.config, "test_later.py::test_it[a]", "not yet", "key")
        """
    )
    result = pytester.runpytest_inprocess("--junitxml=junit.xml")
    result.assert_outcomes(passed=1)
    text = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert 'name="test_it[a]"' in text
    assert 'message="not yet"' in text
    assert '<property name="custom_id" value="key"' in text
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_test_can_be_run_without_a_report(pytester):
    pytester.makepyfile(
        """
        RUNS = []

        def test_one(tmp_path): RUNS.append(tmp_path)

        def test_two(): assert len(RUNS) == 3
        """
    )
    pytester.makeconftest(
        """
        from pytest_batcheval.plugin import _pytest_compat as compat

        def pytest_runtestloop(session):
            one, two = session.items
            for following in (two, None):
                found = [report.outcome for report in compat.run_silently(one, following)]
                print("reports", found)
                if following:
                    compat.run_silently(two, one)
        """
    )
    result = pytester.runpytest_inprocess("-s")
    result.assert_outcomes(passed=2)
    assert result.outlines.count("reports ['passed', 'passed', 'passed']") == 2
