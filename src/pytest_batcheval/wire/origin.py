"""Where an answer came from, as text that can be compared.

A provider's origin is scheme, host, port and path of its base URL; a simulator's is its
respondent and seed, whatever port it happens to run on. The served model stands in the answer.
"""

from __future__ import annotations

from urllib.parse import urlsplit

SIMULATOR_HEADER = "x-simulator"
"""Every response of the simulator carries it, with the value `pytest-batcheval`."""

SIMULATOR_NAME = "pytest-batcheval"

RESPONDENT_HEADER = "x-simulator-respondent"
"""Every response of the simulator says who answers: `<respondent>@<seed>`."""

CLOCK_HEADER = "x-simulator-clock"
"""Where a client may register as a sleeper on the simulator's virtual clock: `host:port`."""

IN_PROCESS = "in-process"
"""The account of a simulator that a run starts for itself: nothing is paid, and batches end with the run."""

_SIMULATOR = "simulator:"


def provider_origin(base_url: str) -> str:
    """`HTTPS://API.OpenAI.com:443/v1/` -> `https://api.openai.com/v1`; credentials are dropped."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{port}{parts.path.rstrip('/').lower()}"


def simulator_origin(respondent: str, seed: int) -> str:
    """The origin of answers written by the simulator: `simulator:faithful@0`."""
    return f"{_SIMULATOR}{respondent}@{seed}"


def is_simulator(origin: str) -> bool:
    """Whether answers of this origin were written by the simulator, not by a model."""
    return origin.startswith(_SIMULATOR)


def describe(origin: str) -> str:
    """The origin in words, for headers and summaries."""
    if is_simulator(origin):
        return f"the simulator ({origin.removeprefix(_SIMULATOR)})"
    return origin
