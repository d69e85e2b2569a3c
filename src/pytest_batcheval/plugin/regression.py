"""The pass rate of a run against the run before: a significant drop ends it with status 1, if that is wanted."""

from __future__ import annotations

import pytest

from pytest_batcheval.errors import JournalError
from pytest_batcheval.plugin.session import BatchSession


def find_regression(session: pytest.Session, batch: BatchSession) -> str:
    """A remark on the comparison with the newest earlier run that has tests of this one."""
    from pytest_batcheval.journal.outcomes import Outcomes
    from pytest_batcheval.quality.axes import TableError
    from pytest_batcheval.quality.passing.paired import compare_passes
    from pytest_batcheval.report.pass_rates import tallies

    stored, now = Outcomes.beside(batch.settings.journal), list(batch.outcomes.found)
    try:
        before = stored.before(batch.run_id, [one.test for one in now])
        if before is None:
            return "no earlier run has a test of this one, so that nothing can have become worse"
        found = compare_passes(tallies(before[2]), tallies(now))
    except (JournalError, TableError) as error:
        return f"not compared with the run before: {error}"
    if found.verdict == "worse":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return f"against run {before[0][:8]}: {found.explain()}"
