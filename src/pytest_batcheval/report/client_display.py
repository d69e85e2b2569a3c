"""The display of a `BatchClient` by itself: a bar in a notebook and on a terminal, nothing anywhere else.

Inside pytest the plugin shows it, on pytest's own terminal.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pytest_batcheval.engine.snapshot import BatchSnapshot, NoticeSnapshot, changes
from pytest_batcheval.report.display import TICK, Display, LivePanel, Panel, size_of
from pytest_batcheval.report.display_host import hosts
from pytest_batcheval.report.live_line import LiveLines
from pytest_batcheval.text.colour import painter
from pytest_batcheval.text.sanitize import safe_to_print

if TYPE_CHECKING:
    from pytest_batcheval.journal.rows import BatchRow
    from pytest_batcheval.report.eta import Eta

Progress = Callable[[BatchSnapshot], None]

_terminal = threading.Lock()
"""Held by who draws on the terminal: a second client beside it is silent."""


@contextmanager
def shown(
    progress: Progress | Literal["auto"] | None, speed: float, batches: Callable[[], Iterable[BatchRow]]
) -> Iterator[Progress]:
    """Yield the `progress` of one call: the user's own, none, or with `auto` that of a display.

    `speed` and `batches` are as `Display.begin` takes them.
    """
    if progress is None:
        yield lambda seen: None
    elif progress != "auto":
        yield changes(progress)
    elif not _terminal.acquire(blocking=False):
        yield lambda seen: None
    else:
        try:
            with hosts[-1]() if hosts else Display(_panel()) as display:
                display.begin(1, speed, batches)
                yield display.show
        finally:
            _terminal.release()


def _panel() -> Panel | None:
    """A bar of tqdm's; without tqdm live lines on a terminal."""
    notebook = _in_notebook()
    if not notebook and not _is_terminal():
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None if notebook or os.environ.get("TERM") == "dumb" else LivePanel(_Stderr())
    return _Bar(tqdm)


def _in_notebook() -> bool:
    """Whether cells of a notebook run in this process."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


class _Stderr:
    """Standard error as an `Output`."""

    @property
    def encoding(self) -> str | None:
        return sys.stderr.encoding

    def size(self) -> os.terminal_size:
        return size_of(sys.stderr)

    def write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def paint(self, line: str) -> str:
        return painter(sys.stderr)(line)


class _Bar:
    """A bar of tqdm's for the requests of each round of batches, as a `Panel`."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._bar: Any = None
        self._board = LiveLines()

    def begin(self, wave: int, speed: float, expected: Eta) -> None:
        self._board.begin(wave, speed, expected)

    def say(self, text: str) -> None:
        self._make.write(safe_to_print(text), file=sys.stderr)  # type: ignore[attr-defined]

    def show(self, seen: BatchSnapshot, now: float) -> None:
        if isinstance(seen, NoticeSnapshot):
            return self.say(str(seen))
        self._board.take(seen, now)
        if not self._board.under_way:
            self.leave(now)
        return None

    def leave(self, now: float) -> None:
        """Close the bar, which stays as it is."""
        if self._bar is not None:
            self._update(now)
            self._bar.close()
            self._bar = None

    def draw(self, now: float) -> float:
        if self._board.under_way:
            self._update(now)
        return TICK

    def _update(self, now: float) -> None:
        done, failed, of = self._board.sums()
        if self._bar is None:
            self._bar = self._make(total=of, unit="request", dynamic_ncols=True)
        self._bar.total, self._bar.n = of, done + failed
        self._bar.set_description_str(self._board.heading(), refresh=False)
        failures = f"{failed} failed" if failed else ""
        self._bar.set_postfix_str(", ".join(filter(None, (failures, self._board.outlook(now)))))
