"""`batcheval recover`: mend a damaged journal, or rebuild a lost one from the provider."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.collect import add_options, collect_batches
from pytest_batcheval.cli.options import say

if TYPE_CHECKING:
    from pytest_batcheval.journal.salvage import Salvaged

DESCRIPTION = """
Look for every batch of this account that bears our mark and is not in the journal, and store what it holds. So a lost
journal is rebuilt, as long as the provider keeps the files (30 days at OpenAI). A damaged journal is mended first: a
copy of it is kept, and what can be read of it makes a new one. Nothing is sent.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser = verbs.add_parser(
        "recover",
        help="mend a damaged journal, or rebuild a lost one from the provider",
        description=DESCRIPTION,
        epilog="example: batcheval recover",
    )
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Mend the journal if it is damaged, then collect what any journal of this account has begun."""
    from pytest_batcheval.journal.lock import LockWait
    from pytest_batcheval.journal.salvage import mend

    salvaged = mend(arguments.journal, LockWait(arguments.journal, say=say))
    if salvaged is not None:
        _say_salvaged(salvaged)
    return collect_batches(arguments, adopt=True)


def _say_salvaged(found: Salvaged) -> None:
    say(f"the journal was damaged ({found.why}); it is kept as it was in {found.copy}")
    dropped = f"; {found.dropped} rows were not what had been stored" if found.dropped else ""
    say(f"saved {found.answers} answers of {found.batches} batches{dropped}. The provider is asked for the rest:")
