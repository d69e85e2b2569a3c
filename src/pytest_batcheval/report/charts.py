"""Charts of quality results: the report and a notebook show the same ones.

Each is made of the figures that a result's `to_dict()` has, as they are kept with a run, so that it needs no answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.report import svg
from pytest_batcheval.report.language import ENGLISH, Language

MOST_CONFUSED = 30
"""Personas of a confusion matrix; beyond, it would not be readable."""

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A picture of figures.

    Attributes:
        title: what is shown.
        reading: how to read it, for somebody who knows no statistics; also its text for screen readers.
        rows: the data behind it, one mapping of column to value for each mark.
        picture: an SVG element.
    """

    title: str
    reading: str
    rows: Sequence[Mapping[str, Any]]
    picture: str

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.picture


def charts_of(kind: str, figures: Figures, words: Language = ENGLISH) -> list[Chart]:
    """The charts of a result of this class; none of a class without any, or of figures that another version wrote."""
    try:
        return [chart for make in _MAKERS.get(kind, ()) if (chart := make(figures, words)).rows]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return []


def _traits(figures: Figures, words: Language) -> Chart:
    rows = [
        {"trait": t["dimension"], "delta": t["delta"], "low": t["interval"][0], "high": t["interval"][1],
         "p": t["p_value"], "prompted": "yes" if t["prompted"] else "no"}
        for t in figures["traits"]
    ]  # fmt: skip
    return Chart(
        words("Do the traits show?"),
        words(
            "Each line is a trait. The further right its point, the more clearly answers of personas with much of the "
            "trait differ from those with little; at 0 they do not differ, and left of it they say the opposite. "
            "The bar "
            "is the range in which the true value lies with 95 % confidence: a bar that crosses 0 shows nothing yet."
        ),
        rows,
        svg.intervals(rows, "trait", "delta", words("delta"), lines={words("no difference"): 0.0}, domain=(-1, 1)),
    )


def _leanings(figures: Figures, words: Language) -> Chart:
    rows = [{"persona": name, "points": value} for name, value in figures["leanings"].items()]
    return Chart(
        words("Which personas show their traits least?"),
        words(
            "How many points of the judged scale the answers of a persona lean to its own traits. At 0 or below, its "
            "answers do not show who it is."
        ),
        rows,
        svg.intervals(rows, "persona", "points", words("points"), bars=True) if rows else "",
    )


def _map(figures: Figures, words: Language) -> Chart:
    rows = [{"persona": name, "x": x, "y": y} for name, (x, y) in figures["positions"].items()]
    return Chart(
        words("Which personas answer alike?"),
        words(
            "Each point is a persona. Near points choose their words alike, far ones differ. The plane shows "
            "{share} of "
            "all differences, so that personas that lie together may still differ.",
            share=f"{figures['plane']:.0%}",
        ),
        rows,
        svg.points(rows, "persona") if rows else "",
    )


def _recognised(figures: Figures, words: Language) -> Chart:
    rows = [{"persona": name, "share": value} for name, value in figures["hits"].items()]
    lines = {words("chance"): figures["null_accuracy"], words("99 of 100 by chance"): figures["null_accuracy_99"]}
    return Chart(
        words("Whose answers are recognised?"),
        words(
            "The share of a persona's answers that are told to be its own by its answers to the other questions. "
            "Together "
            "they should end right of the grey line, which is guessing; guesses of all personas end left of the orange "
            "line 99 times in 100."
        ),
        rows,
        svg.intervals(rows, "persona", "share", words("share"), lines=lines, percent=True, bars=True),
    )


def _confusion(figures: Figures, words: Language) -> Chart:
    answers = figures["n"] / max(1, len(figures["hits"]))
    own = [{"persona": n, "taken for": n, "times": round(share * answers)} for n, share in figures["hits"].items()]
    others = [{"persona": a, "taken for": b, "times": times} for a, b, times in figures["confusions"]]
    names, fields = sorted(figures["hits"]), ("taken for", "persona", "times")
    rows = [row for row in [*own, *others] if row["times"]] if len(names) <= MOST_CONFUSED else []
    return Chart(
        words("Who is taken for whom?"),
        words(
            "Each row is a persona, each column the one that its answers were taken for. A dark diagonal is good: "
            "answers are told to be their own persona's. Dark squares beside it are personas that sound like "
            "each other."
        ),
        rows,
        svg.squares(rows, fields, (names, names), _legend(words, *fields)) if rows else "",
    )


def _leak(figures: Figures, words: Language) -> Chart:
    names, fields = list(figures["dimensions"]), ("prompted", "score of", "points")
    rows = [
        {"score of": score, "prompted": prompted, "points": value}
        for score, values in zip(names, figures["matrix"], strict=True)
        for prompted, value in zip(names, values, strict=True)
        if value is not None
    ]
    return Chart(
        words("Does a trait move only its own score?"),
        words(
            "Each column is a trait that the persona was given, each row a score that a judge gave. A blue diagonal "
            "on pale ground is good: a trait moves its own score and no other. Orange is a score that it lowers."
        ),
        rows,
        svg.squares(rows, fields, (names, names), _legend(words, *fields), both=True),
    )


def _agreement(figures: Figures, words: Language) -> Chart:
    rows = [
        {"dimension": name, "kappa": d["kappa"], "low": d["kappa_interval"][0], "high": d["kappa_interval"][1]}
        for name, d in figures["dimensions"].items()
        if d["kappa"] is not None and d["kappa_interval"] is not None
    ]
    lines = {words("least of the bar"): 0.4, words("least"): 0.6}
    return Chart(
        words("Do two judges agree?"),
        words(
            "Each line is a score that both gave. At 1 they always agree, at 0 no more than by chance; a judge "
            "is relied "
            "on where the point is right of the orange line and its bar right of the grey one."
        ),
        rows,
        svg.intervals(rows, "dimension", "kappa", words("kappa"), lines=lines, domain=(-0.2, 1)),
    )


def _checks(figures: Figures, words: Language) -> Chart:
    rows = [
        {"check": name, "share": c["share"], "low": c["interval"][0], "high": c["interval"][1], "limit": c["limit"]}
        for name, c in figures["checks"].items()
    ]
    return Chart(
        words("Which answers are malformed?"),
        words(
            "The share of answers that fail a check of their form, with the range in which it lies with 95 % "
            "confidence; "
            "the orange mark is the most that is allowed."
        ),
        rows,
        svg.intervals(rows, "check", "share", words("share"), limit="limit", percent=True),
    )


def _difference(figures: Figures, words: Language) -> Chart:
    """Of a `Comparison` or a `Regression`: the difference, its interval, and what counts as none."""
    low, high = figures["interval"]
    tolerated = figures["margin"] if "margin" in figures else figures["tolerated"]
    lines = {words("no difference"): 0.0, words("tolerated"): -tolerated}
    if "margin" in figures:
        lines[words("margin")] = tolerated
    rows = [{"number": figures["metric"], "difference": figures["effect"], "low": low, "high": high}]
    return Chart(
        words("Is it better or worse?"),
        words(
            "The point is the mean difference; right of 0 is better. If the whole bar lies inside the orange "
            "lines, both "
            "are as good as each other; if it lies left of 0, it is worse; else more answers are needed to tell."
        ),
        rows,
        svg.intervals(rows, "number", "difference", words("difference"), lines=lines),
    )


def _legend(words: Language, across: str, down: str, value: str) -> str:
    """A line below a matrix, with a place for its largest number."""
    named = {"down": words(down), "across": words(across), "value": words(value)}
    return words("{down} (rows), {across} (columns): {value} up to {most}", **named, most="{most}")


_MAKERS: Mapping[str, Sequence[Callable[[Figures, Language], Chart]]] = {
    "Comparison": (_difference,),
    "Differentiation": (_map, _recognised, _confusion),
    "Discriminant": (_leak,),
    "FormatChecks": (_checks,),
    "JudgeAgreement": (_agreement,),
    "Regression": (_difference,),
    "TraitReflection": (_traits, _leanings),
}
