"""Colours follow pytest's rules, and say nothing that the words do not."""

import io
import re

import pytest
from _pytest._io.terminalwriter import should_do_markup

from pytest_batcheval.text.colour import painted, painter, wanted

RED, GREEN, YELLOW, CYAN, END = (f"\x1b[{code}m" for code in (31, 32, 33, 36, 0))


class Terminal(io.StringIO):
    def __init__(self, tty):
        super().__init__()
        self._tty = tty

    def isatty(self):
        return self._tty


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("force", ["", "1"])
@pytest.mark.parametrize("no", ["", "1"])
@pytest.mark.parametrize("own", ["", "0", "1"])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_the_rules_are_pytests(monkeypatch, tty, force, no, own, term):
    for name, value in (("FORCE_COLOR", force), ("NO_COLOR", no), ("PY_COLORS", own), ("TERM", term)):
        monkeypatch.setenv(name, value)
    assert wanted(Terminal(tty)) == should_do_markup(Terminal(tty))
    assert painter(Terminal(tty))("1 failed") == (f"{RED}1 failed{END}" if wanted(Terminal(tty)) else "1 failed")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("batch: batch 1/4 b: completed, 1/2 done, 1 failed after 1s", f"{GREEN}completed{END}|{RED}1 failed{END}"),
        ("batch 3/4  in_progress  0/2 done  1s  no answer: 5", f"{CYAN}in_progress{END}|{YELLOW}no answer: 5{END}"),
        ("batch: batch 1/1 b: failed, 0/6 done after 0s", f"{RED}failed{END}"),
        ("waiting 10m 00s before 1 request", f"{YELLOW}waiting 10m 00s before 1 request{END}"),
        ("  requests: 275 in 1 batch: 275 answered, 0 failed", ""),
    ],
)
def test_words_of_status_and_trouble_have_colours(line, shown):
    found = painted(line)
    assert "|".join(re.findall(r"\x1b\[3.*?\x1b\[0m", found)) == shown
    assert re.sub(r"\x1b\[\d+m", "", found) == line
