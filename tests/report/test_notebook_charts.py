"""The charts of a result in a notebook."""

import sys
import types
from dataclasses import fields

from pytest_batcheval import charts
from pytest_batcheval.quality.gate import Part, QualityGate
from pytest_batcheval.quality.measures._format_checks import format_checks
from pytest_batcheval.recordings.answer_table import Answers


def checks():
    return format_checks(Answers.from_records({"persona": f"p{n}", "question": "q", "text": "예."} for n in range(9)))


def gate(*parts):
    given = {one.name: None for one in fields(QualityGate)}
    return QualityGate(**{**given, "effect": 1.0, "n": 9, "seed": 0, "parts": parts, "left_out": ()})


def test_a_gate_has_the_charts_of_its_parts():
    result = checks()
    alone = charts(result)
    assert [chart.title for chart in alone] == ["Which answers are malformed?"]
    assert charts(gate(Part("samples", True, "none"), Part("form", True, "well", result))) == alone
    assert charts(gate()) == ()


def test_a_notebook_shows_text_and_a_picture_that_is_readable_on_black(monkeypatch):
    shown = []
    display = types.SimpleNamespace(display=lambda data, raw: shown.append(data))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    [chart] = found = charts(checks())
    found._ipython_display_()
    text, picture = shown
    assert text["text/markdown"] == f"**{chart.title}** {chart.reading}"
    assert picture["image/svg+xml"].startswith("<svg")
    assert "background: #fff; color: #000" in picture["image/svg+xml"].partition(">")[0]
