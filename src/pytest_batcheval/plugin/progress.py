"""Progress of a send: on a terminal lines that are redrawn, else a line at each change.

A thread of its own writes all lines and advances the times: the run does not wait for a terminal, and an error of the
terminal ends only the display.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.engine.snapshot import NoticeSnapshot
from pytest_batcheval.plugin._pytest_compat import is_terminal, terminal_file, terminal_writer
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.live_line import LiveLines, LogLines
from pytest_batcheval.text.redraw import redrawn
from pytest_batcheval.text.sanitize import safe_to_print
from pytest_batcheval.text.streams import encodable
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.rows import BatchRow

TICK = 1.0
"""Real seconds between two drawings while nothing happens."""

FRAME = 0.1
"""Real seconds between two drawings at least, unless a line is to be written above them."""

LAST_WORDS = 5.0
"""Real seconds that a run waits at its end for lines still to be written, as on a terminal that was stopped."""

SPARE = 4
"""Lines of a terminal that are left for earlier output."""


class ProgressDisplay:
    """The display of one send; a context manager, whose end leaves pytest at the beginning of a line."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin it; nothing is written yet."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._acts: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if reporter is not None:
            self._output: _Live | _Plain = (_Live if _can_redraw(config, reporter) else _Plain)(reporter)
            self._thread = threading.Thread(target=self._work, name="batcheval-progress", daemon=True)
            self._thread.start()

    def begin(self, wave: int, ticking: bool, batches: Callable[[], Iterable[BatchRow]]) -> None:
        """Begin a wave.

        Args:
            wave: from 1.
            ticking: whether its batches run in real time.
            batches: reads the journal's batches of the origin; called on another thread.
        """
        self._do(lambda: self._output.board.begin(wave, ticking, _expected(batches)))

    def say(self, text: str) -> None:
        """Write a line of its own; may be called by a signal handler."""
        self._do(lambda: self._output.say(safe_to_print(f"batch: {text}")))

    def show(self, seen: BatchSnapshot) -> None:
        """Show the state of a batch."""
        now = real_time.monotonic()
        self._do(lambda: self._output.show(seen, now))

    def leave(self) -> None:
        """Leave the drawn lines as they are; later lines are written below them."""
        now = real_time.monotonic()
        self._do(lambda: self._output.leave(now))

    def finish(self) -> None:
        """Write the lines still to be written, and end."""
        self.leave()
        self._acts.put(None)
        if self._thread is not None:
            self._thread.join(LAST_WORDS)
            self._thread = None

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def _do(self, act: Callable[[], None]) -> None:
        if self._thread is not None:
            self._acts.put(act)

    def _work(self) -> None:
        # Any error of the terminal or of the drawing: the run matters more.
        with suppress(Exception):
            pause = TICK
            while self._act(pause):
                pause = self._output.draw(real_time.monotonic())

    def _act(self, pause: float) -> bool:
        """Perform what is queued, after waiting for it at most `pause` seconds; false at the end."""
        with suppress(Empty):
            act = self._acts.get(timeout=pause)
            while act is not None:
                act()
                act = self._acts.get_nowait()
            return False
        return True


class _Output:
    """Writes lines to pytest's terminal; `draw` returns the seconds after which it wants to draw again."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter
        self._writer = terminal_writer(reporter)
        self.board = LiveLines()

    def _write(self, text: str) -> None:
        """Write whole lines, on a line of their own, as far as the encoding has their characters."""
        if not text:
            return
        self._reporter.ensure_newline()
        if self._writer.width_of_current_line:
            self._writer.line()
        # Past pytest's writer, which would not see, in codes that move the cursor, that a line begins after it.
        terminal_file(self._reporter).write(self._encodable(text, same_width=True))  # else it could not be redrawn
        self._writer.flush()

    def _encodable(self, text: str, same_width: bool = False) -> str:
        return encodable(text, getattr(terminal_file(self._reporter), "encoding", None), same_width)


class _Plain(_Output):
    """Lines that come one after the other."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        super().__init__(reporter)
        self._log = LogLines(self.board)

    def say(self, text: str) -> None:
        self._write(self._encodable(f"{text}\n"))

    def show(self, seen: BatchSnapshot, now: float) -> None:
        self.board.take(seen, now)
        self._write_lines(self._log.take(seen, now))

    def leave(self, now: float) -> None:
        """Do nothing: no lines are redrawn."""

    def draw(self, now: float) -> float:
        self._write_lines(self._log.due(now))
        return TICK

    def _write_lines(self, lines: Iterable[str]) -> None:
        self._write(self._encodable("".join(f"{safe_to_print(f'batch: {line}')}\n" for line in lines)))


class _Live(_Output):
    """Lines that are redrawn, below those that stay."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        super().__init__(reporter)
        self._drawn: Sequence[str] = ()
        self._above: list[str] = []
        self._next = 0.0

    def say(self, text: str) -> None:
        self._above.append(self._encodable(text))

    def show(self, seen: BatchSnapshot, now: float) -> None:
        self.board.take(seen, now)
        if isinstance(seen, NoticeSnapshot):
            self.say(safe_to_print(f"batch: {seen}"))
        if seen.ended and seen.ordinal:  # the end of a pause is not worth a line
            self.say(f"batch: {self.board.describe(seen.ordinal, now)}")

    def leave(self, now: float) -> None:
        self._next = now
        self.draw(now)
        self.board, self._drawn = LiveLines(), ()

    def draw(self, now: float) -> float:
        if now < self._next and not self._above:
            return self._next - now
        self._next = now + FRAME
        width, height = _size(terminal_file(self._reporter))
        lines = self.board.lines(now, width - 1, max(height - SPARE, 1))
        if lines != self._drawn or self._above:
            self._write(redrawn(self._drawn, lines, self._above, width, height))
        self._drawn, self._above = lines, []
        return TICK


def _can_redraw(config: pytest.Config, reporter: pytest.TerminalReporter) -> bool:
    """Whether lines can be redrawn: on a terminal that moves its cursor, and to which no live log writes."""
    if not is_terminal(reporter):
        return False
    logs = config.pluginmanager.has_plugin("logging-plugin") and (
        config.getoption("log_cli_level") is not None or config.getini("log_cli")
    )
    return os.environ.get("TERM", "dumb") != "dumb" and not logs


def _size(file: Any) -> os.terminal_size:
    """Columns and lines of a terminal as it is now, regardless of the environment's variables."""
    with suppress(OSError, ValueError, AttributeError):
        size = os.get_terminal_size(file.fileno())
        if size.columns and size.lines:
            return size
    return shutil.get_terminal_size()


def _expected(batches: Callable[[], Iterable[BatchRow]]) -> Eta:
    """The estimate from earlier batches; an empty one where they cannot be read."""
    with suppress(Exception):
        return Eta(batches())
    return Eta()
