"""Reports are settled before other plugins see them, and carry what the process that ran the test knows."""

import pytest

OBSERVERS = """
        def seen(who, item, call, report):
            if call.when == "setup":
                with open("seen.txt", "a") as file:
                    print(who, item.name, report.outcome, hasattr(report, "wasxfail"), report.longreprtext[:10],
                          "pytest_batcheval" in report.longreprtext, file=file)

        class First:
            @pytest.hookimpl(wrapper=True, tryfirst=True)
            def pytest_runtest_makereport(self, item, call):
                report = yield
                seen("first", item, call, report)
                return report

        class Last:
            @pytest.hookimpl(wrapper=True, trylast=True)
            def pytest_runtest_makereport(self, item, call):
                report = yield
                seen("last", item, call, report)
                return report

        class Old:
            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(self, item, call):
                outcome = yield
                seen("old", item, call, outcome.get_result())

        class Interacts:
            def pytest_exception_interact(self, node, call, report):
                seen("interacts", node, call, report)

        def pytest_configure(config):
            for plugin in (First, Last, Old, Interacts):
                config.pluginmanager.register(plugin())
"""
BROKEN_TESTS = """
        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_plain(answer): pass

        @pytest.mark.xfail
        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_xfail(answer): pass

        @pytest.mark.xfail(strict=True, raises=ValueError)
        @pytest.mark.batch(prompt=ask)
        def test_table(answers): pass

        @pytest.mark.xfail
        def test_job(batch_conversation): pass

        @pytest.mark.xfail
        @pytest.mark.batch(prompt=lambda persona: 1 / 0, persona="kim")
        def test_prompt(answer): pass
"""


def test_an_observer_of_any_order_sees_an_error_without_a_traceback_of_ours(suite):
    suite.test_file(OBSERVERS, "conftest.py")
    suite.test_file(BROKEN_TESTS)
    result = suite.run()
    found = [line.split() for line in (suite.path / "seen.txt").read_text().splitlines()]
    assert {who for who, *_ in found} == {"first", "last", "old", "interacts"}
    wrong = [line for line in found if line[2:4] != ["failed", "False"] or line[-1] != "False"]
    assert not wrong
    assert {line[4][:10] for line in found if "prompt" not in line[1]} == {"unrecorded"}
    result.stdout.fnmatch_lines(["*4 unrecorded*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_no_time_goes_into_frames_that_nobody_sees(suite):
    suite.test_file(
        """
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if call.excinfo is not None:
                print(item.name, "frames:", len(call.excinfo.traceback))
            return report
    """,
        "conftest.py",
    )
    suite.test_file(BROKEN_TESTS)
    result = suite.run("-s")
    result.stdout.fnmatch_lines(
        [f"*{name}* frames: 1" for name in ("test_plain", "test_xfail", "test_table", "test_job")]
    )


def test_xfail_still_is_about_the_answer(suite):
    suite.record()
    suite.test_file("""
        @pytest.mark.xfail
        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_it(answer): assert answer.text == "kim/sleep"
    """)
    suite.run().assert_outcomes(xfailed=1, xpassed=1)


def test_a_skipped_unrecorded_test_is_shown_where_the_test_is(suite):
    suite.test_file("""
        @pytest.mark.batch(prompt=ask, persona="kim", question="work")
        def test_it(answer): pass

        def test_job(batch_conversation): pass
    """)
    result = suite.run("-rs", "-o", "batch_missing=skip")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_it.py:4: unrecorded: no answer for 1 request;*"])
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_it.py:7: unrecorded: no conversation at *"])


def test_the_documented_recipe_of_incremental_tests_sees_failures(suite):
    suite.test_file(
        """
        def pytest_runtest_makereport(item, call):
            if call.excinfo is not None:
                print("failed:", item.name)
    """,
        "conftest.py",
    )
    suite.test_file(BROKEN_TESTS)
    result = suite.run("-s")
    result.stdout.fnmatch_lines(["*failed: test_plain*", "*failed: test_xfail*"])


CRASH = """
        import os

        @pytest.mark.batch(prompt=ask, question="sleep")
        def test_recorded(answer): pass

        @pytest.mark.batch(prompt=ask, question="work")
        def test_unrecorded(answer): pass

        def test_job(batch_conversation): pass

        def test_crash(): os._exit(3)
"""


@pytest.mark.sampled
@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_a_crashed_worker_keeps_what_it_knew(suite, workers, monkeypatch):
    summary = suite.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    suite.record(skip=[(persona, "work") for persona in ("kim", "choi", "park")])
    suite.test_file(CRASH)
    result = suite.run_apart("-p", "xdist.plugin", workers)
    assert "INTERNALERROR" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "*= unrecorded =*",
            "3 tests could not run: 3 requests without a recorded answer",
            "1 test could not run: no recorded conversation",
            "  test_it.py  4",
            "*nearest recorded request (*question=sleep) differs*",
            "batch: 3 answers recorded from the simulator*",
        ]
    )
    assert "| 3 | recording | simulator" in summary.read_text().replace("the ", "")
    assert "| 3 | **unrecorded** | |" in summary.read_text()


@pytest.mark.sampled
def test_each_use_is_counted_once_in_workers_and_alone(suite):
    suite.record()
    suite.test_file("""
        @pytest.mark.batch(prompt=ask)
        def test_one(answer): pass

        @pytest.mark.batch(prompt=ask)
        def test_two(answers): pass
    """)
    alone, parallel = suite.run("-v"), suite.run_apart("-p", "xdist.plugin", "-n2", "-v")
    for result in (alone, parallel):
        result.assert_outcomes(passed=7)
        result.stdout.fnmatch_lines(["duplicate  6 more uses of the same answers: *"])


def test_the_nearest_request_is_that_of_the_same_cell(suite):
    suite.record()
    suite.test_file("""
        def longer(persona, question):
            body = ask(persona, question)
            body["messages"][0]["content"] += " Answer as briefly as you can." * 20
            return body

        @pytest.mark.batch(prompt=longer, persona="park")
        def test_it(answer): pass
    """)
    suite.run().stdout.fnmatch_lines(["the nearest recorded request (persona=park, question=sleep) differs from the*"])
