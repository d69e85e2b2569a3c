"""`batcheval dashboard`: a page on this machine that shows what runs, what ran, and how figures move."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from typing import Any

from pytest_batcheval.cli.options import add_cassettes, add_journal, add_lang, language, say
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus

DESCRIPTION = """
Serve a page on this machine (127.0.0.1) that shows the batches under way as the process that waits for them sees them,
the newest answers, failures by cause and use of the machine; the runs of the past with their reports, two beside each
other; and the trend of any figure over runs. It only reads, also while another process runs. Ctrl-C ends it.
"""
PORT = 8750


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "dashboard", description=DESCRIPTION, epilog="example: batcheval dashboard --open"
    )
    parser.add_argument("--port", type=int, default=PORT, help="the port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    add_lang(parser)
    add_journal(parser)
    add_cassettes(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        UsageError: the port is taken, or what the page needs is not installed.
    """
    try:
        import uvicorn

        from pytest_batcheval.report.dashboard.app import Dashboard
    except ModuleNotFoundError as error:
        raise UsageError(f"the page needs {error.name}: pip install 'pytest-batcheval[dashboard]'") from None
    app = Dashboard(arguments.journal, Path(arguments.cassettes), language(arguments)).app()
    with _listening(arguments.port) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        say(f"{address} (Ctrl-C ends it)")
        if arguments.open:
            import webbrowser

            webbrowser.open(address)
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])
    return int(ExitStatus.OK)


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen on port {port}: {reason}; choose another with --port") from None
