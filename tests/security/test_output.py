"""What a model or a provider wrote is shown as words, whichever way a test of ours lets it out."""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ElementTree

import pytest
from hostile_provider import Evil

from pytest_batcheval.simulator.faults import connection

EVIL = (
    "fine\x1b]8;;http://evil\x07 \x00\x9b31m\u202egnp\n::error::x\n::add-mask::a\n\u2003\u00a0::stop-commands::t\n"
    "a ##[error]b\nhidden \U000e0041\U000e007f\u3164\u115f\u1160\uffa0\xad\u180e\u2060\ufe01 end"
)
GITHUB = {"GITHUB_ACTIONS": "true"}
FILLERS = "\u034f\u115f\u1160\u3164\uffa0\u17b4\u17b5\ufe00\ufe01"
WAYS = """
    import sys, warnings

    @pytest.fixture
    def tells_at_its_ends(answer):
        print("setup", answer.text)
        yield
        print("teardown", answer.text, [value for name, value in os.environ.items() if name.startswith("OPENAI_")])

    @pytest.fixture(scope="module")
    def kept():
        texts = []
        yield texts
        print(*texts)

    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_passes(answer, tells_at_its_ends, kept, record_property):
        kept.append(answer.text)
        print(answer.text, file=sys.stderr)
        logging.getLogger("mine").warning("an answer: %s", answer.text)
        record_property("of_ours", os.environ["OPENAI_API_KEY"])

    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_warns(answer):
        warnings.warn(answer.text)

    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_has_subtests(answer, subtests):
        with subtests.test(answer.text, words=answer.text):
            print(answer.text)
            raise ValueError(answer.text)

    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_xfails(answer):
        pytest.xfail(answer.text)

    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_is_skipped(answer):
        pytest.skip(answer.text)

    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_fails(answer, tells_at_its_ends):
        pytest.fail(answer.text)

    def test_of_others_after_which_the_module_is_torn_down(kept):
        print("\\x1b[31mcoloured\\x1b[0m")
"""
ENDS = """
    @pytest.mark.batch(prompt=ask, persona="kim")
    def test_ends(answer):
        pytest.exit(answer.text)
"""


def obeyed(text):
    """Lines that GitHub takes for a command, but for annotations of ours, by its rules."""
    lines = text.split("\n")
    return [x for x in lines if (x.strip().startswith("::") and not x.startswith("::error file=")) or "##[" in x]


def hidden(text):
    """Characters that nobody sees, or that a terminal obeys."""
    visible = "\n\r\t\u200c\u200d"
    return [c for c in text if c not in visible and (unicodedata.category(c) in ("Cc", "Cf", "Cs") or c in FILLERS)]


@pytest.fixture
def evil_suite(suite):
    suite.server.follow(Evil(EVIL, "answers"))
    return suite


@pytest.mark.parametrize(
    "more", [(), pytest.param(("-p", "xdist", "-n", "1"), marks=pytest.mark.sampled)], ids=["alone", "worker"]
)
def test_every_way_out_shows_words(evil_suite, more):
    evil_suite.test_file(WAYS)
    done = evil_suite.pytest("-rA", "-v", "--junitxml=junit.xml", "-o", "junit_logging=all", *more, **GITHUB)
    assert "3 passed" in done.stdout, done.stdout
    assert "Captured stdout setup" in done.stdout
    assert "Captured stdout teardown" in done.stdout
    assert "UserWarning: fine" in done.stdout
    assert r"\U000e0041" in done.stdout
    assert "coloured" in done.stdout
    assert obeyed(done.stdout) == []
    assert hidden(done.stdout) == []
    assert evil_suite.leaks() == []
    report = ElementTree.parse(evil_suite.path / "junit.xml")
    assert any("teardown fine" in (out.text or "") for out in report.iter("system-out"))


@pytest.mark.sampled
def test_live_logs_show_words(evil_suite):
    evil_suite.test_file(WAYS)
    done = evil_suite.pytest("-o", "log_cli=true", "-k", "passes", **GITHUB)
    assert "an answer: fine" in done.stdout
    assert obeyed(done.stdout) == hidden(done.stdout) == []


@pytest.mark.sampled
def test_a_reason_to_stop_is_words(evil_suite):
    evil_suite.test_file(ENDS)
    done = evil_suite.pytest(**GITHUB)
    assert "Exit: fine" in done.stdout
    assert obeyed(done.stdout) == hidden(done.stdout) == []


@pytest.mark.sampled
def test_the_providers_reason_to_stop_is_words(suite):
    async def intercept(exchange):
        return await connection.status(exchange, 401, {"error": {"message": EVIL, "code": "no"}})

    suite.server.intercept(intercept)
    suite.test_file(ENDS)
    done = suite.pytest(**GITHUB)
    assert done.returncode == 11
    assert "fine" in done.stdout
    assert obeyed(done.stdout + done.stderr) == hidden(done.stdout + done.stderr) == []


@pytest.mark.sampled
def test_show_prints_words(evil_suite):
    evil_suite.test_file(ENDS)
    evil_suite.pytest(**GITHUB)
    (key,) = {execution.custom_id for execution in evil_suite.server.ledger.executions}
    for arguments in (("show", key), ("show", key, "--json")):
        done = evil_suite.batcheval(*arguments, **GITHUB)
        assert "fine" in done.stdout
        assert obeyed(done.stdout) == hidden(done.stdout) == []
