"""The report on a run of tests that is stored: its answers and figures are looked up beside its outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pytest_batcheval.journal.address import JournalAddress, real
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import Recordings
from pytest_batcheval.report.answer_list import used_answers, used_models
from pytest_batcheval.report.answer_pages import AnswerPages, in_order
from pytest_batcheval.report.changes import Changes
from pytest_batcheval.report.commands import answers_command
from pytest_batcheval.report.figures import Figures
from pytest_batcheval.report.language import ENGLISH, Language
from pytest_batcheval.report.page import ReportPage, own_origins, report_page


def stored_page(
    journal: JournalAddress,
    cassettes: Path,
    run: tuple[str, float, Sequence[Outcome]],
    *,
    since: Changes | None = None,
    words: Language = ENGLISH,
    paged: tuple[int, str] | None = None,
) -> ReportPage:
    """The page of a run: its id, its start in Unix seconds, and its outcomes.

    `paged` is the number of a page of answers, from 1, and the address of a page without its number; by default all
    answers are on one page.

    Raises:
        RecordingError, JournalError: something stored cannot be read.
    """
    identifier, started, outcomes = run
    with closing(Journal.read(real(journal))) as reader:
        sent = Figures(reader).run(identifier)
        own = own_origins(sent, reader.run_asked)
    recordings, pages = Recordings(cassettes), None
    if paged is not None:
        models = used_models(recordings, journal, frozenset(key for one in outcomes for key in one.cells), own)
        pages = AnswerPages(in_order(models, outcomes), models, *paged)
    answers = used_answers(recordings, journal, outcomes, None if pages is None else pages.shown)
    everything = answers_command(journal, cassettes)
    return report_page(
        outcomes, answers, started, sent=sent, since=since, words=words, everything=everything, pages=pages, own=own
    )
