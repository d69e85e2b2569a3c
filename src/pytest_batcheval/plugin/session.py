"""The batch session of one pytest process: its options, axes, plan, stored answers and counts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.errors import BatchEvalError, JournalError
from pytest_batcheval.plugin.axes import Axes
from pytest_batcheval.plugin.options import read_settings
from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.plugin.run_stats import RunStats
from pytest_batcheval.plugin.stored_answers import StoredAnswers

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.plugin.outcomes import OutcomeCollector
    from pytest_batcheval.report.figures import RunFigures


class BatchSession:
    """One per pytest process: the controller, each worker, or the only one.

    Attributes:
        headline: the counts of answers in the header, which the summary does not repeat.
        sent: keys that this run has sent.
        collected: numbers of the batches of earlier runs that it finished.
        seen: the last snapshot of each batch by its id.
        report_remark: what became of the HTML report; empty without one.
        regression_remark: the comparison with the run before; empty where it is not wanted.
        stopped: the reason for which this run ended before any test, with a status of ours.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings = read_settings(config)
        self.axes = Axes(config, self.settings)
        self.stored = StoredAnswers(self.settings)
        config.add_cleanup(self.stored.close)
        if hasattr(config, "workerinput"):
            from pytest_batcheval.plugin.worker_answers import follow_controller

            follow_controller(self.stored, config.workerinput, self.settings.root)
        self.plan = Plan()
        self.stats = RunStats()
        self.headline = ""
        self.sent: frozenset[str] = frozenset()
        self.collected: frozenset[int] = frozenset()
        self.seen: Mapping[str, BatchSnapshot] = {}
        self.report_remark = ""
        self.regression_remark = ""
        self.stopped = ""

    @cached_property
    def outcomes(self) -> OutcomeCollector:
        """The outcomes of our tests so far, of workers too."""
        from pytest_batcheval.plugin.outcomes import OutcomeCollector

        return OutcomeCollector()

    @cached_property
    def run_id(self) -> str:
        """The id of this run in the journal."""
        import uuid

        return uuid.uuid4().hex

    @cached_property
    def brought(self) -> frozenset[str]:
        """Keys that this run got an answer for, also of the batches that it collected; read it after sending."""
        if not self.sent and not self.collected:
            return frozenset()
        try:
            return frozenset(self.stored.journal.answered_by(self.run_id, self.collected))
        except BatchEvalError:
            return frozenset()

    @cached_property
    def figures(self) -> RunFigures | None:
        """The figures of this run; `None` where nothing may be sent, or the journal cannot be read."""
        if not self.settings.sends:
            return None
        from pytest_batcheval.report.figures import Figures

        try:
            return Figures(self.stored.journal).run(self.run_id, self.collected)
        except JournalError:
            return None
