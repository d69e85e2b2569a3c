"""Looking again and again at a batch or a run until it has ended; nothing is written."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import say
from pytest_batcheval.errors import ExitStatus, ProviderError
from pytest_batcheval.text.sanitize import escape_controls

if TYPE_CHECKING:
    from pytest_batcheval.engine.clock import Clock

LINE_SECONDS = 60.0
"""Between two lines of a log, unless it ends."""

TOLERATED = 10
"""Looks in a row that may fail, once one has succeeded: a network comes back."""


@dataclass(frozen=True)
class WatchedState:
    """What one look has found.

    Attributes:
        page: lines for a terminal, the same as without watching.
        line: the same in one line.
        data: the same for JSON.
        status: what the verb ends with if it ends now; `UNFINISHED` goes on.
        trouble: why the newest look failed, in which case the rest is of the one before.
    """

    page: str
    line: str
    data: Mapping[str, Any]
    status: ExitStatus
    trouble: str = ""

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.status != ExitStatus.UNFINISHED


def watch(
    look: Callable[[], WatchedState], clock: Clock, interval: float, show: Callable[[WatchedState, float], None]
) -> ExitStatus:
    """Look every `interval` seconds of the clock, and show each look with its time, until it has ended.

    Raises:
        ProviderError: the first look failed, or too many in a row.
        UsageError, JournalError: from a look.
    """
    seen, failed = look(), 0
    while True:
        show(seen, clock.now())
        if seen.ended:
            return seen.status
        clock.sleep(interval)
        try:
            seen, failed = look(), 0
        except ProviderError as error:
            failed += 1
            if failed > TOLERATED:
                raise
            seen = replace(seen, trouble=str(error))


def display(as_json: bool) -> Callable[[WatchedState, float], None]:
    """How looks are shown: as JSON lines, drawn anew on a terminal, or as lines of a log."""
    if as_json:
        return Documents()
    return Screen() if on_terminal() else LineDisplay()


def on_terminal() -> bool:
    """Whether stdout is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Documents:
    """One JSON document a line, at each change."""

    def __init__(self) -> None:
        self._shown: str | None = None

    def __call__(self, seen: WatchedState, now: float) -> None:
        """Print it if it has changed."""
        text = json.dumps(seen.data, ensure_ascii=True)
        if text != self._shown:
            print(text, flush=True)
            self._shown = text


class LineDisplay:
    """A line with the time of day at each change, at most one a minute unless it ends."""

    def __init__(self) -> None:
        self._shown: str | None = None
        self._when = -math.inf

    def __call__(self, seen: WatchedState, now: float) -> None:
        """Print it if it has changed, and it is time."""
        text = f"{seen.line}; {_trouble(seen)}" if seen.trouble else seen.line
        if text != self._shown and (seen.ended or now >= self._when + LINE_SECONDS):
            say(f"{time.strftime('%H:%M:%S')} {text}")
            self._shown, self._when = text, now


class Screen:
    """The whole page, drawn over the one before."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def __call__(self, seen: WatchedState, now: float) -> None:
        """Draw it; the last one stays, whole."""
        from pytest_batcheval.text.table import cut

        width, height = shutil.get_terminal_size()
        lines = escape_controls(seen.page).splitlines()
        if not seen.ended:
            lines = [*_fitting(lines, width, height - 2), cut(f"{time.strftime('%H:%M:%S')} {_foot(seen)}", width)]
        up = sum(_rows(line, width) for line in self._drawn)
        sys.stdout.write(f"\x1b[{up}A\x1b[J" if up else "")
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn = lines


def captured(call: Callable[[], object]) -> str:
    """What a call prints, laid out as for the stdout there is."""
    page = _Page(sys.stdout.isatty())
    with contextlib.redirect_stdout(page):
        call()
    return page.getvalue()


def interruptible(body: Callable[[], ExitStatus], goes_on: str) -> ExitStatus:
    """What `body` returns; `UNFINISHED` after Ctrl-C, when the user is told what goes on, or when nobody reads."""
    try:
        return body()
    except KeyboardInterrupt:
        print(f"\nno longer watched; {goes_on}", file=sys.stderr)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitStatus.UNFINISHED


class _Page(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def _foot(seen: WatchedState) -> str:
    return _trouble(seen) if seen.trouble else "looked at; Ctrl-C leaves, and nothing is stopped"


def _trouble(seen: WatchedState) -> str:
    return escape_controls(f"cannot be asked just now, tried again: {' '.join(seen.trouble.split())}")


def _fitting(lines: list[str], width: int, height: int) -> list[str]:
    """As many of the first lines as fit, with a word on the others."""
    left = max(height, 1)
    for number, line in enumerate(lines):
        left -= _rows(line, width)
        if left < 0:
            return [*lines[: max(number - 1, 0)], f"... {len(lines) - max(number - 1, 0)} more lines"]
    return lines


def _rows(line: str, width: int) -> int:
    """Rows of the terminal that a line takes."""
    from pytest_batcheval.text.table import columns

    return max(1, math.ceil(columns(line) / max(width, 1)))
