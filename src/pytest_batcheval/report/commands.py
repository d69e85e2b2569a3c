"""Suggested commands, with the options that they need."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pytest_batcheval.journal.address import JournalAddress
from pytest_batcheval.text.sanitize import without_secrets
from pytest_batcheval.wire.default_paths import CASSETTES, JOURNAL
from pytest_batcheval.wire.key import KEY_SHOWN


def show_command(key: str, journal: JournalAddress, cassettes: Path) -> str:
    """Return the command that shows a request."""
    return _command("show", key[:KEY_SHOWN], *_stores(journal, cassettes))


def answers_command(journal: JournalAddress = Path(JOURNAL), cassettes: Path = Path(CASSETTES)) -> str:
    """Return the command that writes all answers to a file."""
    return _command("answers", "--output", "answers.csv", *_stores(journal, cassettes))


def resume_command(journal: JournalAddress, backend: str) -> str:
    """Return the command that collects open batches of a backend: `openai`, or a base URL."""
    return _command("resume", *_journal(journal), *_backend(backend))


def cancel_command(batch: str, backend: str) -> str:
    """Return the command that stops a batch at the provider."""
    return _command("cancel", batch, *_backend(backend))


def _command(*words: str) -> str:
    return shlex.join(("batcheval", *words))


def _stores(journal: JournalAddress, cassettes: Path) -> list[str]:
    return [*_journal(journal), *_path("--cassettes", cassettes, CASSETTES)]


def _journal(journal: JournalAddress) -> list[str]:
    return _path("--journal", journal, JOURNAL) if isinstance(journal, Path) else ["--journal", str(journal)]


def _path(option: str, path: Path, usual: str) -> list[str]:
    """Return the option, relative to the current folder, unless it is the default."""
    found = os.path.relpath(path)
    return [] if found == os.path.normpath(usual) else [option, found]


def _backend(backend: str) -> list[str]:
    return [] if backend == "openai" else ["--backend", without_secrets(backend)]
