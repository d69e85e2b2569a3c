"""The charts of a quality result for a notebook: the ones that the HTML report has."""

from __future__ import annotations

from importlib import import_module

from pytest_batcheval.quality.gate import QualityGate
from pytest_batcheval.quality.result import Result
from pytest_batcheval.report.charts import Chart, charts_of


class Charts(tuple[Chart, ...]):
    """Charts that a notebook shows below each other, each with its title and how to read it."""

    __slots__ = ()

    def _ipython_display_(self) -> None:
        show = import_module("IPython.display").display
        for chart in self:
            text = f"**{chart.title}** {chart.reading}"
            show({"text/markdown": text, "text/plain": text}, raw=True)
            # a picture has no colours of its page there, and a dark page would hide its text
            picture = chart.picture.replace("<svg ", '<svg style="background: #fff; color: #000" ', 1)
            show({"image/svg+xml": picture, "text/plain": f"<{chart.title}>"}, raw=True)


def charts(result: Result) -> Charts:
    """The charts of a quality result, of a gate those of its parts; none where a result has no picture.

    Each has `title`, `reading`, `rows` (the data behind it) and `picture` (SVG text).
    """
    parts = [part.result for part in result.parts] if isinstance(result, QualityGate) else []
    inner = (chart for part in parts if part is not None for chart in charts(part))
    return Charts((*inner, *charts_of(type(result).__name__, result.to_dict())))
