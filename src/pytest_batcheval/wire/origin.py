"""Origins of answers, as text that can be compared.

A provider's origin is scheme, host, port and path of its base URL; a simulator's is its
respondent and seed, and the provider whose API it speaks unless that is OpenAI's, whatever its port.
The served model is in the answer.
"""

from __future__ import annotations

from urllib.parse import urlsplit

DEFAULT_BASE_URL = "https://api.openai.com/v1"
"""The base URL of a run that names none."""

SIMULATOR_HEADER = "x-simulator"
"""The header of every response of the simulator, with the value `pytest-batcheval`."""

SIMULATOR_NAME = "pytest-batcheval"

RESPONDENT_HEADER = "x-simulator-respondent"
"""The header of every response of the simulator that names the respondent: `<respondent>@<seed>`, for another API than
OpenAI's `<respondent>@<seed>/<provider>`."""

CLOCK_HEADER = "x-simulator-clock"
"""The header with the address, `host:port`, at which a client may register on the simulator's virtual clock."""

SPEED_HEADER = "x-simulator-clock-speed"
"""The header with the virtual seconds of a real one; 0 where time jumps."""

IN_PROCESS = "in-process"
"""The account name of a simulator that a run starts itself: nothing is paid, and batches end with the run."""

MODEL_PREFIX = "sim-"
"""A model `sim-<respondent>` is answered by that respondent of the simulator, whatever the server's own is."""

_SIMULATOR = "simulator:"
_USUAL = "openai"


def provider_origin(base_url: str) -> str:
    """`HTTPS://API.OpenAI.com:443/v1/` -> `https://api.openai.com/v1`; credentials are dropped."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme.lower()}://{host}{port}{parts.path.rstrip('/').lower()}"


def simulator_origin(respondent: str, seed: int, provider: str = _USUAL) -> str:
    """The origin of the simulator's answers: `simulator:faithful@0`, `simulator:faithful@0/anthropic`."""
    return f"{_SIMULATOR}{respondent}@{seed}" + (f"/{provider}" if provider != _USUAL else "")


def simulated_provider(origin: str) -> str:
    """The provider whose API a simulator of this origin speaks."""
    return origin.rpartition("@")[2].partition("/")[2] or _USUAL


def is_simulator(origin: str) -> bool:
    """Whether the simulator, and not a model, wrote the answers of this origin."""
    return origin.startswith(_SIMULATOR)


def describe(origin: str) -> str:
    """The origin in words, for headers and summaries."""
    if is_simulator(origin):
        return f"the simulator ({origin.removeprefix(_SIMULATOR)})"
    return origin
