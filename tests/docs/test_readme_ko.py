"""README.ko.md is kept in step with README.md, section by section."""

import re
from collections import Counter
from pathlib import Path

import pytest
from walkthrough import FENCE

ROOT = Path(__file__).parents[2]
HEADING = re.compile(r"^(#+) .*\n", re.MULTILINE)


def sections(name):
    """The blocks and the prose of each section, by its heading's level and place."""
    page = (ROOT / name).read_text(encoding="utf-8")
    fences = [match.group() for match in FENCE.finditer(page)]
    marked = FENCE.sub("```", page)  # a comment in a block is no heading
    _, *parts = HEADING.split(marked)
    return fences, list(zip(parts[::2], parts[1::2], strict=True))


ENGLISH, KOREAN = sections("README.md"), sections("README.ko.md")


def shown(prose):
    """Whatever a translation leaves as it is: inline code, targets of links, numbers of steps, and blocks."""
    text = re.sub(r"\[(한국어|English)\]\([\w.]+\)", "", prose)
    inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", text.replace("\n", " "))
    return Counter(inline + re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"^\d\.|^ *```", text, re.MULTILINE))


def test_its_blocks_are_the_same_byte_for_byte():
    assert KOREAN[0] == ENGLISH[0]


def test_its_headings_have_the_same_levels():
    assert [level for level, _ in KOREAN[1]] == [level for level, _ in ENGLISH[1]]


@pytest.mark.parametrize("number", range(len(ENGLISH[1])))
def test_a_section_names_the_same_things(number):
    assert shown(KOREAN[1][number][1]) == shown(ENGLISH[1][number][1])


def test_each_leads_to_the_other():
    assert "[한국어](README.ko.md)" in ENGLISH[1][0][1]
    assert "[English](README.md)" in KOREAN[1][0][1]
