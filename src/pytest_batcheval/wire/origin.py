"""Origins of answers, as text that can be compared.

A provider's origin is scheme, host, port and path of its base URL; a simulator's is its
respondent and seed, whatever its port. The served model is in the answer.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.sanitize import redacted

SIMULATOR_HEADER = "x-simulator"
"""The header of every response of the simulator, with the value `pytest-batcheval`."""

SIMULATOR_NAME = "pytest-batcheval"

RESPONDENT_HEADER = "x-simulator-respondent"
"""The header of every response of the simulator that names the respondent: `<respondent>@<seed>`."""

CLOCK_HEADER = "x-simulator-clock"
"""The header with the address, `host:port`, at which a client may register on the simulator's virtual clock."""

IN_PROCESS = "in-process"
"""The account name of a simulator that a run starts itself: nothing is paid, and batches end with the run."""

_SIMULATOR = "simulator:"

LONGEST_SHOWN = 200
"""Characters of a base URL that are shown."""

_FORM = "give one such as https://api.openai.com/v1 (OPENAI_BASE_URL, --batch-backend, --backend)"


def provider_origin(base_url: str) -> str:
    """`HTTPS://API.OpenAI.com:443/v1/` -> `https://api.openai.com/v1`; credentials are dropped.

    Raises:
        UsageError: it is not a base URL.
    """
    parts = checked_base_url(base_url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{port}{parts.path.rstrip('/').lower()}"


def checked_base_url(base_url: str) -> SplitResult:
    """The parts of a base URL that a request can be sent to.

    Raises:
        UsageError: no request can.
    """
    shown = ascii(redacted(base_url)[:LONGEST_SHOWN])
    try:
        parts = urlsplit(base_url)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise UsageError(f"the base URL {shown} cannot be read ({error}); {_FORM}") from None
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"the base URL {shown} does not begin with https:// or http://; {_FORM}")
    if not parts.hostname or not re.fullmatch(r"[\w.:%-]+", parts.hostname):
        raise UsageError(f"the base URL {shown} names no host that can be reached; {_FORM}")
    if parts.query or base_url != base_url.strip() or not base_url.isprintable():
        raise UsageError(f"the base URL {shown} has a query, a space or a control character; {_FORM}")
    return parts


def simulator_origin(respondent: str, seed: int) -> str:
    """The origin of the simulator's answers: `simulator:faithful@0`."""
    return f"{_SIMULATOR}{respondent}@{seed}"


def is_simulator(origin: str) -> bool:
    """Whether the simulator, and not a model, wrote the answers of this origin."""
    return origin.startswith(_SIMULATOR)


def describe(origin: str) -> str:
    """The origin in words, for headers and summaries."""
    if is_simulator(origin):
        return f"the simulator ({origin.removeprefix(_SIMULATOR)})"
    return origin
