"""Commands of `batcheval` as a run proposes them: with the options that find what this run has found."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pytest_batcheval.report.exchange import KEY_SHOWN
from pytest_batcheval.settings import Settings
from pytest_batcheval.wire.places import CASSETTES, JOURNAL
from pytest_batcheval.wire.texts import redacted


def show_command(key: str, settings: Settings) -> str:
    """All that is known of a request."""
    options = [*_path("--journal", settings.journal, JOURNAL), *_path("--cassettes", settings.cassettes, CASSETTES)]
    return _command("show", key[:KEY_SHOWN], *options)


def resume_command(settings: Settings) -> str:
    """Collect what was begun."""
    return _command("resume", *_path("--journal", settings.journal, JOURNAL), *_backend(settings))


def cancel_command(batch: str, settings: Settings) -> str:
    """Stop a batch at the provider."""
    return _command("cancel", batch, *_backend(settings))


def _command(*words: str) -> str:
    return shlex.join(("batcheval", *words))


def _path(option: str, path: Path, usual: str) -> list[str]:
    """The option from the current folder, unless the command looks there anyway."""
    found = os.path.relpath(path)
    return [] if found == os.path.normpath(usual) else [option, found]


def _backend(settings: Settings) -> list[str]:
    return [] if settings.backend == "openai" else ["--backend", redacted(settings.backend)]
