"""The part of a report on quality: each result with effect, interval, null and pictures, gates and steps as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.report.charts import Chart, charts_of
from pytest_batcheval.report.language import ENGLISH, Language

MOST_CHARTS = 24
"""In one report."""

MOST_RESULTS = 200
"""In one report."""

BEHIND = ("Verdicts",)
"""Classes whose results only stand behind another."""

Plain = Mapping[str, Any]


def quality_part(outcomes: Iterable[Outcome], words: Language = ENGLISH) -> tuple[list[Plain], int]:
    """The results that tests computed, each once, gates first, those of a gate's parts within it; and how many more."""
    each: dict[str, tuple[str, KeptResult]] = {}
    for one in outcomes:
        for result in _outer(one.results):
            each.setdefault(json.dumps(vars(result)), (one.test, result))
    found = sorted(each.values(), key=lambda pair: pair[1].kind != "QualityGate")
    drawn: list[Chart] = []
    shown = [_result(test, result, drawn, words) for test, result in found[:MOST_RESULTS]]
    return shown, len(found) - len(shown)


def _outer(results: Sequence[KeptResult]) -> list[KeptResult]:
    """Results that are not behind a later one of the same test, such as the parts of a gate."""
    if any(one.kind not in BEHIND for one in results):
        results = [one for one in results if one.kind not in BEHIND]
    inner = [part["result"] for one in results for part in one.figures.get("parts", ()) if part.get("result")]
    return [one for one in results if not any(_within(one.figures, figures) for figures in inner)]


def _within(figures: Plain, part: Plain) -> bool:
    """Whether a part's result is this one; a part has its fields alone, without the properties."""
    return all(name in figures and figures[name] == value for name, value in part.items())


def _result(test: str, result: KeptResult, drawn: list[Chart], words: Language) -> Plain:
    figures, said = result.figures, words.and_of(result.translations)
    charts = [*_of_parts(figures, words), *charts_of(result.kind, figures, words)]
    new = [chart for chart in charts if chart not in drawn][: MOST_CHARTS - len(drawn)]
    drawn += new
    return {
        "kind": words(result.kind),
        "test": test,
        "summary": said(result.summary.strip("<>").partition(" ")[2]),
        "figures": _main_figures(figures, said),
        "words": said(result.words),
        "rows": _rows(figures, said),
        "charts": new,
    }


def _of_parts(figures: Plain, words: Language) -> list[Chart]:
    """The charts of the results inside a gate, whose classes are known by their figures."""
    return [
        chart
        for part in figures.get("parts", ())
        if part.get("result") and (kind := _PARTS.get(part["name"]))
        for chart in charts_of(kind, part["result"], words)
    ]


_PARTS = {"form": "FormatChecks", "different": "Differentiation", "traits": "TraitReflection",
          "discriminant": "Discriminant"}  # fmt: skip


def _main_figures(figures: Plain, words: Language) -> list[tuple[str, str]]:
    """Effect, interval, p and null, as far as the result has them."""
    effect, interval, p_value = (figures.get(name) for name in ("effect", "interval", "p_value"))
    found = []
    if effect is not None:
        found.append((words("effect"), f"{effect:.3f}"))
    if interval is not None:
        found.append((words("95 % interval"), _range(interval, words)))
    if p_value is not None:
        found.append(("p", f"{p_value:.4g}"))
    found.append(("n", f"{figures.get('n', 0):,}"))
    return [*found, (words("null hypothesis"), words(str(figures.get("null", ""))))]


def _range(interval: Sequence[float], words: Language) -> str:
    low, high = (f"{end:.3f}" for end in interval)
    return words("{low} to {high}", low=low, high=high)


def _rows(figures: Plain, words: Language) -> list[tuple[str, str, str]]:
    """(look, name, text) of each part of a gate, those that cannot look last, or figure of a judge's step."""
    parts = [(part["passed"], words(part["name"]), words(part["reason"])) for part in figures.get("parts", ())]
    steps = figures.get("figures", ()) if "step" in figures else ()
    parts += [
        (_holds(one), words(one["name"]), f"{_shown(one['value'], words)} ({one['sign']} {one['limit']:g})")
        for one in steps
    ]
    unseen = [("other", words(name), words(reason)) for name, reason in figures.get("unseen", {}).items()]
    return [("good" if passed else "bad", name, text) for passed, name, text in parts] + unseen


def _shown(value: float | None, words: Language) -> str:
    return words("undefined") if value is None else f"{value:.3f}"


def _holds(figure: Plain) -> bool:
    value, limit = figure["value"], figure["limit"]
    if value is None:
        return False
    return bool({">=": value >= limit, "<=": value <= limit, ">": value > limit}[figure["sign"]])
