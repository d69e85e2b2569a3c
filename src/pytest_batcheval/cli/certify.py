"""`batcheval certify URL`: whether a server speaks the Batch API as OpenAI does."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.cli.options import say, say_error
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_batcheval.backends.certify.case import Case, CaseResult

DESCRIPTION = """
Ask a server case by case whether it does what OpenAI's Batch API does by its documentation, and where that is silent by
what was seen of it: files, upload limits, creates, states, input lines, results, errors, lists, cancels, expiry,
individual calls. The key is OPENAI_API_KEY; a server on this machine gets any key if that is not set. Another host may
bill the requests: it is asked only with --yes, after their number was told. The exit status is 0 if no case failed, 1
otherwise.
"""
ANY_KEY = "any-key"


def add_parser(verbs: Any) -> None:
    """Add the verb and its options to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "certify",
        description=DESCRIPTION,
        epilog="example: batcheval certify http://127.0.0.1:8000/v1 --model my-model --markdown certificate.md",
    )
    parser.add_argument("url", metavar="URL", help="its base URL, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default=MODEL, help="the model to ask (default: %(default)s)")
    parser.add_argument("--embedding-model", default="", metavar="MODEL", help="the model to ask for embeddings")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all cases to this file, as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the score and its reasons to this file")
    parser.add_argument(
        "--patience", type=_seconds, default=120.0, metavar="SECONDS",
        help="time after which a batch that has not ended is given up (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--large", action="store_true", help="also upload 200 MB, and a batch of 50,001 lines")
    parser.add_argument("--yes", action="store_true", help="send to another host, which may bill the requests")


def run(arguments: argparse.Namespace) -> int:
    """Ask and print.

    Raises:
        UsageError: a wrong URL, a host that is not this machine without --yes or a key.
        OSError: a file cannot be written.
    """
    from pytest_batcheval.backends.base_url import checked_base_url
    from pytest_batcheval.backends.certify.run import certify, wanted
    from pytest_batcheval.backends.certify.server import Server

    key = os.environ.get("OPENAI_API_KEY", "")
    url = checked_base_url(arguments.url)
    server = Server(url, key or ANY_KEY, arguments.model, arguments.embedding_model, arguments.patience)
    cases = wanted(large=arguments.large)
    if not server.is_local:
        _announce(cases, agreed=arguments.yes and bool(key))
    certificate = certify(server, cases, _tell)
    say(str(certificate))
    if arguments.json:
        arguments.json.write_text(json.dumps(certificate.to_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(certificate.to_markdown(), "utf-8")
    return int(ExitStatus.OK if certificate.passed else ExitStatus.FAILED)


def _announce(cases: Sequence[Case], *, agreed: bool) -> None:
    from pytest_batcheval.backends.certify.run import TOKENS

    requests = sum(case.requests for case in cases)
    cost = f"{counted(requests, 'request')} at most, of {TOKENS} tokens at most: {requests * TOKENS:,} tokens"
    if not agreed:
        raise UsageError(f"this host may bill {cost}; send them with --yes and its key in OPENAI_API_KEY")
    say_error(f"sending {cost}")


def _tell(result: CaseResult) -> None:
    say_error(f"{result.outcome}: {result.case.chapter}: {result.case.name}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {text}")
    return seconds
