"""`batcheval recover`: repair a damaged journal, or rebuild a lost one from the provider."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.collect import add_options, collect_batches
from pytest_batcheval.cli.options import say
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from pytest_batcheval.journal.salvage import Salvaged

DESCRIPTION = """
Find all batches of this account that have our metadata and are not in the journal, and store their answers. This
rebuilds a lost journal, as long as the provider keeps the files (30 days at OpenAI). A damaged journal is repaired
first: a copy is kept, and a new journal is made of what can be read. Nothing is sent.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser = verbs.add_parser(
        "recover",
        description=DESCRIPTION,
        epilog="example: batcheval recover",
    )
    add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Repair the journal if it is damaged, then collect the batches of any journal of this account."""
    from pytest_batcheval.journal.lock import LockWait
    from pytest_batcheval.journal.salvage import mend

    if isinstance(arguments.journal, Path):  # a database is its server's to repair
        salvaged = mend(arguments.journal, LockWait(arguments.journal, say=say))
        if salvaged is not None:
            _say_salvaged(salvaged)
    return collect_batches(arguments, adopt=True)


def _say_salvaged(found: Salvaged) -> None:
    say(f"the journal was damaged ({found.why}); the damaged file is kept as {found.copy}")
    dropped = f"; {counted(found.dropped, 'row')} with a wrong checksum left out" if found.dropped else ""
    say(
        f"recovered {counted(found.answers, 'answer')} of {counted(found.batches, 'batch', 'batches')}{dropped}. "
        "Asking the provider for the rest:"
    )
