"""`batcheval serve`: the simulator as a separate process, for client code in any language."""

from __future__ import annotations

import argparse
import errno
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus

if TYPE_CHECKING:
    from pytest_batcheval.simulator.server import SimulatorServer

DEFAULT = "openai"
STOPPING = (signal.SIGTERM, signal.SIGINT)
CLOCKS = "x<factor> such as x600, real, per-poll or jump"
DESCRIPTION = """
Serve a Batch API on this machine. The first line on stdout is OPENAI_BASE_URL=..., for the client (with --dialect the
provider's variable, such as ANTHROPIC_BASE_URL); the second is BATCHEVAL_CONTROL=..., the file that holds the token of
the control API. SIGTERM and Ctrl-C stop it with status 0; with --strict it then says what the client did wrong, and the
status is 1 if that was anything.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb and its options to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "serve",
        description=DESCRIPTION,
        epilog="example: batcheval serve --port 8080 --respondent faithful",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="the port; 0 takes a free one (default)")
    parser.add_argument(
        "--respondent", default="faithful", help="the respondent that writes the answers (default: %(default)s)"
    )
    parser.add_argument(
        "--dialect",
        default=DEFAULT,
        metavar="NAME",
        help=f"the provider whose API to speak: {', '.join(PROVIDERS)} (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="answers and ids depend on it (default: %(default)s)")
    parser.add_argument("--clock", default="x600", help=f"the virtual clock: {CLOCKS} (default: %(default)s)")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys, their projects, scopes and limits")
    parser.add_argument(
        "--behaviour", type=Path, metavar="FILE", help="limits, durations and open questions of the API"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a fault plan: what will go wrong, and when")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="keep the state in this folder for the next server"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a Host header to accept besides loopback"
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse what the API lets pass; report mistakes at the end"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="an access log, in JSON lines without keys and texts")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: an option is wrong, or the port is taken.
        ImportError: the simulator is not installed.
    """
    # Blocked and waited for: a handler that sets what the main thread waits for meets the lock that the wait holds.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    server = _server(arguments)
    _allow_many_connections()
    with ExitStack() as stack:
        if arguments.log:
            server.log_to(stack.enter_context(_log(arguments.log)))
        stack.enter_context(_started(server, arguments))
        path = stack.enter_context(_token_file(server.token, arguments.state_dir))
        print(f"{server.dialect.provider.base_url_from}={server.base_url}\nBATCHEVAL_CONTROL={path}", flush=True)
        signal.sigwait(STOPPING)
        if not arguments.strict:
            return int(ExitStatus.OK)
        report = server.conduct()
    print(report, flush=True)
    return int(ExitStatus.FAILED if report.mistakes else ExitStatus.OK)


def _log(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text}")
    return int(text)


def _server(arguments: argparse.Namespace) -> SimulatorServer:
    from pytest_batcheval.simulator.api_keys import KeyRing
    from pytest_batcheval.simulator.behaviour import Behaviour, load_behaviour
    from pytest_batcheval.simulator.faults.plan import FaultPlan
    from pytest_batcheval.simulator.server import SimulatorServer

    behaviour = load_behaviour(arguments.behaviour) if arguments.behaviour else Behaviour()
    server = SimulatorServer(
        arguments.respondent,
        seed=arguments.seed,
        clock=arguments.clock,
        port=arguments.port,
        host=arguments.host,
        keys=KeyRing.load(arguments.keys) if arguments.keys else None,
        behaviour=replace(behaviour, strict=behaviour.strict or arguments.strict),
        state_dir=arguments.state_dir,
        allow_hosts=arguments.allow_host,
        dialect=arguments.dialect,
    )
    if arguments.faults:
        server.follow(FaultPlan.load(arguments.faults, arguments.seed))
    return server


@contextmanager
def _started(server: SimulatorServer, arguments: argparse.Namespace) -> Iterator[None]:
    try:
        server.start()
    except OSError as error:
        advice = "; choose another --port" if error.errno == errno.EADDRINUSE else ""
        where = f"{arguments.host} port {arguments.port}"
        raise UsageError(f"cannot listen on {where}: {error.strerror or error}{advice}") from None
    try:
        yield
    finally:
        server.stop()


@contextmanager
def _token_file(token: str, state_dir: Path | None) -> Iterator[Path]:
    """Yield the path of a file with the token that only this user can read, while the server runs."""
    with ExitStack() as stack:
        folder = state_dir or Path(stack.enter_context(TemporaryDirectory(prefix="batcheval-serve-")))
        path = folder.resolve() / "control-token"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(token + "\n")
        stack.callback(path.unlink, missing_ok=True)
        yield path


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as allowed, because each connection is one."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
