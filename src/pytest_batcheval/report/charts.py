"""Charts of quality results, as Vega-Lite specifications: the report, the page and a notebook draw the same ones.

Each is made of the figures that a result's `to_dict()` has, as they are kept with a run, so that it needs no answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
BLUE, ORANGE, GREY = "#3b7dd8", "#d9730d", "#7d8590"
"""Of points, of what is amiss or a limit, and of chance: told apart by the colour-blind, on white and on black."""

FONT = "system-ui, 'Noto Sans KR', 'Noto Sans CJK KR', 'Malgun Gothic', 'Apple SD Gothic Neo', sans-serif"
WIDTH, MAP = 420, 600
"""Pixels of a chart's plane; names beside points need more of them."""

MOST_CONFUSED = 30
"""Personas of a confusion matrix; beyond, it would not be readable."""

Figures = Mapping[str, Any]
Spec = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A picture of figures.

    Attributes:
        title: what is shown.
        reading: how to read it, for somebody who knows no statistics; also its text for screen readers.
        spec: Vega-Lite 5, complete: data and style are in it, and nothing is loaded.
        rows: the data behind it, one mapping of column to value for each mark.
    """

    title: str
    reading: str
    spec: Spec
    rows: Sequence[Mapping[str, Any]]


def charts_of(kind: str, figures: Figures) -> list[Chart]:
    """The charts of a result of this class; none of a class without any, or of figures that another version wrote."""
    try:
        return [chart for make in _MAKERS.get(kind, ()) if (chart := make(figures)) is not None]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return []


def _traits(figures: Figures) -> Chart | None:
    rows = [
        {"trait": t["dimension"], "delta": t["delta"], "low": t["interval"][0], "high": t["interval"][1],
         "p": t["p_value"], "prompted": "yes" if t["prompted"] else "no"}
        for t in figures["traits"]
    ]  # fmt: skip
    return _forest(
        "Do the traits show?",
        "Each line is a trait. The further right its point, the more clearly answers of personas with much of the "
        "trait differ from those with little; at 0 they do not differ, and left of it they say the opposite. The bar "
        "is the range in which the true value lies with 95 % confidence: a bar that crosses 0 shows nothing yet.",
        rows,
        name="trait",
        value="delta",
        limits={"no difference": 0.0},
        domain=(-1, 1),
    )


def _leanings(figures: Figures) -> Chart | None:
    rows = [{"persona": name, "points": value} for name, value in figures["leanings"].items()]
    return _bars(
        "Which personas show their traits least?",
        "How many points of the judged scale the answers of a persona lean to its own traits. At 0 or below, its "
        "answers do not show who it is.",
        rows,
        name="persona",
        value="points",
        limits={"none": 0.0},
    )


def _map(figures: Figures) -> Chart | None:
    rows = [{"persona": name, "x": x, "y": y} for name, (x, y) in figures["positions"].items()]
    axis = {"labels": False, "ticks": False, "grid": False, "domain": False}
    shared = {"type": "quantitative", "title": None, "axis": axis}
    place = {
        "x": {"field": "x", **shared, "scale": {"padding": 60}},
        "y": {"field": "y", **shared, "scale": {"padding": 20}},
    }
    spec = {
        "width": MAP,
        "height": MAP,
        "layer": [
            {"mark": {"type": "circle", "size": 60, "color": BLUE}, "encoding": place},
            {"mark": {"type": "text", "dy": -9, "fontSize": 10}, "encoding": {**place, "text": {"field": "persona"}}},
        ],
    }
    return _chart(
        "Which personas answer alike?",
        "Each point is a persona. Near points choose their words alike, far ones differ. The plane shows "
        f"{figures['plane']:.0%} of all differences; what it does not show, the accuracy below still counts.",
        spec,
        rows,
    )


def _recognised(figures: Figures) -> Chart | None:
    rows = [{"persona": name, "share": value} for name, value in figures["hits"].items()]
    return _bars(
        "Whose answers are recognised?",
        "The share of a persona's answers that are told to be its own by its answers to the other questions. Bars "
        "that end before the lines are no better than guessing.",
        rows,
        name="persona",
        value="share",
        limits={"chance": figures["null_accuracy"], "99 of 100 by chance": figures["null_accuracy_99"]},
        percent=True,
    )


def _confusion(figures: Figures) -> Chart | None:
    if len(figures["hits"]) > MOST_CONFUSED:
        return None
    answers = figures["n"] / max(1, len(figures["hits"]))
    own = [{"persona": n, "taken for": n, "times": round(share * answers)} for n, share in figures["hits"].items()]
    rows = [r for r in own if r["times"]] + [
        {"persona": a, "taken for": b, "times": times} for a, b, times in figures["confusions"]
    ]
    names = sorted(figures["hits"])
    return _heat(
        "Who is taken for whom?",
        "Each row is a persona, each column the one that its answers were taken for. A dark diagonal is good: "
        "answers are told to be their own persona's. Dark squares beside it are personas that sound like each other.",
        [row for row in rows if row["times"]],
        ("taken for", "persona", "times"),
        (names, names),
        {"scheme": "blues"},
    )


def _leak(figures: Figures) -> Chart | None:
    names = list(figures["dimensions"])
    most = max(abs(value) for values in figures["matrix"] for value in values if value is not None)
    rows = [
        {"score of": score, "prompted": prompted, "points": value}
        for score, values in zip(names, figures["matrix"], strict=True)
        for prompted, value in zip(names, values, strict=True)
        if value is not None
    ]
    return _heat(
        "Does a trait move only its own score?",
        "Each column is a trait that the persona was given, each row a score that a judge gave. A coloured diagonal "
        "on pale ground is good: a trait moves its own score and no other.",
        rows,
        ("prompted", "score of", "points"),
        (names, names),
        {"scheme": "blueorange", "domain": [-most, most]},
    )


def _agreement(figures: Figures) -> Chart | None:
    rows = [
        {"dimension": name, "kappa": d["kappa"], "low": d["kappa_interval"][0], "high": d["kappa_interval"][1]}
        for name, d in figures["dimensions"].items()
        if d["kappa"] is not None and d["kappa_interval"] is not None
    ]
    return _forest(
        "Do two judges agree?",
        "Each line is a score that both gave. At 1 they always agree, at 0 no more than by chance; a judge is relied "
        "on where the point is at 0.6 or more and its bar above 0.4.",
        rows,
        name="dimension",
        value="kappa",
        limits={"least": 0.6, "least of the bar": 0.4},
        domain=(-0.2, 1),
    )


def _checks(figures: Figures) -> Chart | None:
    rows = [
        {"check": name, "share": c["share"], "low": c["interval"][0], "high": c["interval"][1], "limit": c["limit"]}
        for name, c in figures["checks"].items()
    ]
    return _forest(
        "Which answers are malformed?",
        "The share of answers that fail a check of their form, with the range in which it lies with 95 % confidence; "
        "the orange mark is the most that is allowed.",
        rows,
        name="check",
        value="share",
        limit="limit",
        percent=True,
    )


def _difference(figures: Figures) -> Chart | None:
    """Of a `Comparison` or a `Regression`: the difference, its interval, and what counts as none."""
    margin = figures.get("margin", figures.get("tolerated"))
    low, high = figures["interval"]
    limits = {"no difference": 0.0, "tolerated drop": -margin}
    if "margin" in figures:
        limits["margin"] = margin
    return _forest(
        "Is it better or worse?",
        "The point is the mean difference, right of 0 is better. If the whole bar lies inside the outer lines, the two "
        "are as good as each other; if it lies left of 0, it is worse; else more answers are needed.",
        [{"number": figures["metric"], "difference": figures["effect"], "low": low, "high": high}],
        name="number",
        value="difference",
        limits=limits,
    )


def _forest(
    title: str,
    reading: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    name: str,
    value: str,
    limits: Mapping[str, float] | None = None,
    limit: str | None = None,
    domain: tuple[float, float] | None = None,
    percent: bool = False,
) -> Chart | None:
    """Points with their intervals, one line each, and lines of what they are compared with."""
    axis = {"format": ".1%"} if percent else {}
    scale: Spec = {"domain": list(domain)} if domain else {"zero": False}
    across = {"type": "quantitative", "title": value, "scale": scale, "axis": axis}
    down = {"field": name, "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 240}}
    layers = [
        *_rules(limits or {}, across),
        {"mark": {"type": "rule", "strokeWidth": 2, "color": BLUE},
         "encoding": {"y": down, "x": {"field": "low", **across}, "x2": {"field": "high"}}},
        {"mark": {"type": "circle", "size": 90, "color": BLUE, "opacity": 1},
         "encoding": {"y": down, "x": {"field": value, **across}}},
    ]  # fmt: skip
    if limit is not None:
        layers.append({"mark": {"type": "tick", "thickness": 3, "color": ORANGE},
                       "encoding": {"y": down, "x": {"field": limit, **across}}})  # fmt: skip
    return _chart(title, reading, {"width": WIDTH, "height": {"step": 24}, "layer": layers}, rows)


def _bars(
    title: str,
    reading: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    name: str,
    value: str,
    limits: Mapping[str, float],
    percent: bool = False,
) -> Chart | None:
    across = {"type": "quantitative", "title": value, "axis": {"format": ".1%"} if percent else {}}
    down = {"field": name, "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 240}}
    bars = {"mark": {"type": "bar", "color": BLUE}, "encoding": {"y": down, "x": {"field": value, **across}}}
    spec = {"width": WIDTH, "height": {"step": 16}, "layer": [bars, *_rules(limits, across)]}
    return _chart(title, reading, spec, rows)


def _rules(limits: Mapping[str, float], across: Spec) -> list[Spec]:
    return [
        {"data": {"values": [{"limit": at}]},
         "mark": {"type": "rule", "strokeDash": [4, 3], "color": ORANGE if number else GREY},
         "encoding": {"x": {"field": "limit", **across}}}
        for number, at in enumerate(limits.values())
    ]  # fmt: skip


def _heat(
    title: str,
    reading: str,
    rows: Sequence[Mapping[str, Any]],
    fields: tuple[str, str, str],
    names: tuple[Sequence[str], Sequence[str]],
    scale: Spec,
) -> Chart | None:
    across, down, value = fields
    step = {"step": 22 if len(names[0]) < 12 else 15}
    spec = {
        "width": step,
        "height": step,
        "mark": {"type": "rect", "stroke": GREY, "strokeWidth": 0.3},
        "encoding": {
            "x": {"field": across, "type": "nominal", "sort": None, "scale": {"domain": list(names[0])},
                  "axis": {"orient": "top", "labelAngle": -60, "labelLimit": 160}},
            "y": {"field": down, "type": "nominal", "sort": None, "scale": {"domain": list(names[1])},
                  "axis": {"labelLimit": 240}},
            "color": {"field": value, "type": "quantitative", "scale": scale},
        },
    }  # fmt: skip
    return _chart(title, reading, spec, rows)


def _chart(title: str, reading: str, spec: Spec, rows: Iterable[Mapping[str, Any]]) -> Chart | None:
    data = list(rows)
    if not data:
        return None
    text = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFont": FONT, "titleFont": FONT}
    style = {
        "view": {"stroke": None},
        "axis": {**text, "domainColor": GREY, "tickColor": GREY, "gridColor": GREY, "gridOpacity": 0.25},
        "legend": text,
        "text": {"color": "currentColor", "font": FONT},
    }
    whole = {"$schema": SCHEMA, "description": reading, "background": None, "data": {"values": data}, **spec,
             "config": style}  # fmt: skip
    return Chart(title, reading, whole, data)


_MAKERS: Mapping[str, Sequence[Callable[[Figures], Chart | None]]] = {
    "Comparison": (_difference,),
    "Differentiation": (_map, _recognised, _confusion),
    "Discriminant": (_leak,),
    "FormatChecks": (_checks,),
    "JudgeAgreement": (_agreement,),
    "Regression": (_difference,),
    "TraitReflection": (_traits, _leanings),
}
