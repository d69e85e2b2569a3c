"""Options and ini keys, read once into one object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

MODES = ("replay", "plan", "send", "record")
MISSING = ("fail", "skip")
RUN = "batcheval_run"
"""Under this name a worker is told the id of its controller's run."""

MARKER = (
    "batch(prompt, samples=1, endpoint=None, errors='raise', axes={}, **axis): get the answers of this test's requests "
    "from a batch; a keyword that is an axis narrows it to an id or a list of ids. Without prompt= a plain marker."
)


@dataclass(frozen=True)
class Settings:
    """What the user chose for this run.

    Attributes:
        mode: `replay`, `plan`, `send` or `record`.
        backend: `openai`, `simulator[:respondent]` or a base URL.
        missing: what an unrecorded test does in replay: `fail` or `skip`.
        cassettes: the folder of recordings.
        axes: lines `name=path` of the ini key `batch_axes`.
    """

    mode: str
    backend: str
    journal: Path
    refresh: bool
    missing: str
    cassettes: Path
    axes: tuple[str, ...]
    root: Path

    @property
    def sends(self) -> bool:
        """Whether this run may spend money."""
        return self.mode in ("send", "record")


def add_options(parser: pytest.Parser) -> None:
    """Declare every option with its ini key (the same name with underscores)."""
    group = parser.getgroup("batch", "evaluating LLM answers through the Batch API")
    group.addoption(
        "--batch",
        choices=MODES,
        help="replay: recorded answers only, no network, no key (default). plan: print what would be sent and its "
        "cost, send nothing, run no test. send: answer from journal and recordings, send the rest as batches. "
        "record: send, and write the selected answers to cassettes/.",
    )
    group.addoption(
        "--batch-backend",
        metavar="BACKEND",
        help="where requests go: openai (default; OPENAI_API_KEY, OPENAI_BASE_URL), simulator[:respondent] "
        "(local, free), or the base URL of a server that speaks the Batch API.",
    )
    group.addoption("--batch-journal", metavar="PATH", help="the journal (default: .batcheval/journal.sqlite).")
    group.addoption(
        "--batch-refresh",
        action="store_true",
        default=None,
        help="send the selected requests again although they are answered (paid again; older answers are kept).",
    )
    parser.addini("batch", "default of --batch", default="replay")
    parser.addini("batch_backend", "default of --batch-backend", default="openai")
    parser.addini("batch_journal", "default of --batch-journal", default=".batcheval/journal.sqlite")
    parser.addini("batch_refresh", "default of --batch-refresh", type="bool", default=False)
    parser.addini("batch_axes", "axes from files, a line each: persona=fixtures/personas.yaml", type="linelist")
    parser.addini("batch_missing", "what an unrecorded test does in replay: fail or skip", default="fail")


def check(config: pytest.Config) -> None:
    """Refuse what no option means, also in a run that would not use it.

    Raises:
        pytest.UsageError: an ini key has a value that is none of those allowed.
    """
    _one_of("batch", mode(config), MODES)
    _one_of("batch_missing", str(config.getini("batch_missing")), MISSING)


def mode(config: pytest.Config) -> str:
    """The mode of this run: `replay`, `plan`, `send` or `record`."""
    return str(_chosen(config, "batch"))


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this run; an option beats its ini key."""
    return Settings(
        mode=mode(config),
        backend=str(_chosen(config, "batch_backend")),
        journal=config.rootpath / str(_chosen(config, "batch_journal")),
        refresh=bool(_chosen(config, "batch_refresh")),
        missing=str(config.getini("batch_missing")),
        cassettes=config.rootpath / "cassettes",
        axes=tuple(config.getini("batch_axes")),
        root=config.rootpath,
    )


def _chosen(config: pytest.Config, name: str) -> object:
    value = config.getoption(name)
    return config.getini(name) if value is None else value


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise pytest.UsageError(f"{name} = {value!r}: allowed are {', '.join(allowed)}")
