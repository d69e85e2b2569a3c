"""Open connections, with their clocks, from the value of `--batch-backend`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_batcheval.backends.base_url import api_url, checked_base_url
from pytest_batcheval.catalogue.providers import COMPATIBLE, PROVIDERS, Capabilities, provider_at
from pytest_batcheval.errors import BatchEvalError, UsageError
from pytest_batcheval.text.sanitize import redacted
from pytest_batcheval.wire.origin import IN_PROCESS, provider_origin, simulator_origin

if TYPE_CHECKING:
    from pytest_batcheval.backends.anthropic_batch import AnthropicBatch
    from pytest_batcheval.backends.clocks import SimulatorClock, SystemClock
    from pytest_batcheval.backends.folder_batch import FolderBatch
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.backends.openai_calls import IndividualCalls
    from pytest_batcheval.backends.traffic import Traffic
    from pytest_batcheval.catalogue.models import ModelEnd
    from pytest_batcheval.simulator.server import SimulatorServer

OPENAI = "openai"
SIMULATOR = "simulator"
FOLDER = "folder:"
ADAPTERS = {
    "openai": "openai_batch:OpenAIBatch",
    "mistral": "mistral_batch:MistralBatch",
    "anthropic": "anthropic_batch:AnthropicBatch",
    "gemini": "gemini_batch:GeminiBatch",
}
"""Where the class is for each `Capabilities.adapter`; imported when a run needs it."""

SEED = 0
"""Seed of the simulator that a run starts for itself."""

GROUP = "batcheval.backends"
"""The group of entry points by which other packages add backends: classes like those of `opened`."""

T = TypeVar("T")

_USUAL_RESPONDENT = "faithful"


@dataclass(frozen=True)
class BackendConnection:
    """An open backend with the clock its waits run on: real time, or a simulator's.

    Attributes:
        name: the value of `--batch-backend` that it was opened by.
        simulator: the server, when it runs in this process.
        calls: for requests that are sent as individual calls; `None` without `individual`.
    """

    backend: OpenAIBatch | AnthropicBatch | FolderBatch
    clock: SystemClock | SimulatorClock
    name: str
    simulator: SimulatorServer | None = None
    calls: IndividualCalls | None = None

    @cached_property
    def model_ends(self) -> Mapping[str, ModelEnd]:
        """The ends of the provider's models by name, asked for once; empty where it lists none."""
        from pytest_batcheval.backends.model_ends import model_ends

        return model_ends(self.backend)

    @property
    def traffic(self) -> list[Traffic]:
        """Bytes that went out and came back, of batches and of individual calls."""
        return [self.backend.traffic] + ([self.calls.traffic] if self.calls is not None else [])


@contextmanager
def connect(backend: str, individual: bool = False) -> Iterator[BackendConnection]:
    """Open a provider by its name, `simulator[:respondent]` (a server of our own, for as long as the block) or a URL.

    `name@URL` is a provider's API at another base URL, `name@simulator` a simulator that speaks it; `name:1h` asks for
    another completion window. With `individual`, individual calls are possible too.

    Raises:
        UsageError: no such backend, no API key, no such respondent, a base URL that cannot be used, or the simulator is
            not installed.
        ProviderError: the base URL does not answer.
    """
    if backend.startswith(FOLDER):
        with _in_folder(backend, individual) as connection:
            yield connection
        return
    respondent = respondent_of(backend)
    if respondent is not None:
        with _simulated(backend, respondent, individual) as connection:
            yield connection
        return
    provider, base_url = _provider(backend)
    with (
        _usable(lambda: opened(provider, base_url)) as client,
        closing(_clock(client)) as clock,
        _usable(lambda: _calls(individual, client, base_url, None)) as calls,
    ):
        yield BackendConnection(client, clock, backend, calls=calls)


def respondent_of(backend: str) -> str | None:
    """`simulator:blind` -> `blind`, `groq@simulator` -> `faithful`, any other backend -> `None`."""
    name, at, rest = backend.partition("@")
    kind, _, respondent = (rest if at and name.partition(":")[0] in PROVIDERS else backend).partition(":")
    return (respondent or _USUAL_RESPONDENT) if kind == SIMULATOR else None


def backend_named(name: str, own: str, named: Mapping[str, str], given: Collection[str]) -> str:
    """The value of `--batch-backend` for the name that a request chose; an empty one is the run's `own`.

    In a run at a simulator nothing goes to a provider that the command line does not name, as the names `given` there
    do: a simulator of each answers.

    Raises:
        UsageError: there is no such backend, or none of that name can be simulated.
    """
    if not name or name in given:
        return named[name] if name else own
    value, respondent = named.get(name, name), respondent_of(own)
    if respondent is None or respondent_of(value) is not None:
        try:
            capabilities_of(value)
        except UsageError as error:
            raise UsageError(f"a request chooses the backend {name!r}: {error}; or {_say(name, 'BACKEND')}") from None
        return value
    provider = value.partition("@")[0]
    if provider.partition(":")[0] not in PROVIDERS:
        raise UsageError(f"a request chooses the backend {name!r} in a run at the simulator: {_say(name, SIMULATOR)}")
    return own if provider.partition(":")[0] == capabilities_of(own).name else f"{provider}@{SIMULATOR}:{respondent}"


def _say(name: str, value: str) -> str:
    return f"say what it is, by --batch-backend={name}={value} or BatchClient(backends={{{name!r}: {value!r}}})"


def one_spelling(backend: str) -> str:
    """The same text for every spelling of one backend, such as a provider's name and its base URL.

    Raises:
        UsageError: as `capabilities_of`.
    """
    if backend.startswith(FOLDER) or respondent_of(backend) is not None:
        return backend
    provider, base_url = _provider(backend)
    return f"{provider.name}:{''.join(provider.windows[:1])}@{base_url}"


def capabilities_of(backend: str) -> Capabilities:
    """The capabilities of a backend: by its name, by the host of its URL, and otherwise OpenAI's.

    Raises:
        UsageError: there is no such backend, or its base URL cannot be used.
    """
    if backend.startswith(FOLDER):
        from pytest_batcheval.backends import folder_batch

        return folder_batch.FOLDER
    if respondent_of(backend) is not None:
        return named_provider(backend.partition("@")[0]) or PROVIDERS[OPENAI]
    return _provider(backend)[0]


def expected_origin(backend: str) -> str:
    """The origin a backend's answers will have, as far as it is known before connecting.

    Raises:
        UsageError: the base URL cannot be used.
    """
    if backend.startswith(FOLDER):
        from pytest_batcheval.backends.folder_batch import folder_origin

        return folder_origin(_folder(backend))
    respondent = respondent_of(backend)
    if respondent is not None:
        return simulator_origin(respondent, SEED, capabilities_of(backend).name)
    return provider_origin(_provider(backend)[1])


def named_provider(text: str) -> Capabilities | None:
    """The provider of `name` or `name:window`; `None` where none of ours has the name.

    Raises:
        UsageError: it has no such completion window.
    """
    name, colon, window = text.partition(":")
    provider = PROVIDERS.get(name)
    if provider is None or not colon:
        return provider
    asked = provider.asking_for(window)
    if asked is None:
        known = "{}h to {}h".format(*provider.hours) if provider.hours else ", ".join(provider.windows)
        raise UsageError(f"{provider.title} has no completion window {window!r}: {name}:WINDOW takes {known}")
    return asked


def _provider(backend: str) -> tuple[Capabilities, str]:
    """A provider and its base URL.

    Raises:
        UsageError: there is no such backend, or its base URL cannot be used.
    """
    name, _, url = backend.partition("@")
    if backend.lower().startswith(("http://", "https://")):
        host = provider_at(checked_base_url(backend)) or COMPATIBLE
        return host, api_url(host, backend)
    provider = named_provider(name)
    if provider is None:
        if (found := third_party(name)) is not None:
            own: Capabilities = found.capabilities
            return own, url or own.base_url
        names = f"{', '.join(PROVIDERS)}, simulator[:respondent], folder:DIR"
        raise UsageError(f"unknown backend {backend!r}: give {names}, a base URL (http…/v1), or name@URL")
    given = url or os.environ.get(provider.base_url_from) or provider.base_url
    if not given:
        raise UsageError(f"{provider.title} has a base URL for each account: set {provider.base_url_from}")
    return provider, api_url(provider, checked_base_url(given))


@cache
def third_party(name: str) -> Any:
    """The class of a backend that an installed package names so, in the entry point group `batcheval.backends`.

    It has `capabilities` and is called as `OpenAIBatch` is; `ProviderConnection` is a base for it. `None` without one.
    """
    found = entry_points(group=GROUP, name=name)
    return next((point.load() for point in found), None)


def opened(
    provider: Capabilities, base_url: str, api_key: str | None = None, scope: str | None = None
) -> OpenAIBatch | AnthropicBatch:
    """The backend of a provider at a base URL; the other arguments are those of `OpenAIBatch`.

    Raises:
        UsageError, ProviderError: as `connect`.
    """
    if (found := third_party(provider.name)) is not None:
        return cast("OpenAIBatch", found(base_url or None, api_key, scope))
    module, _, name = ADAPTERS[provider.adapter].partition(":")
    adapter: type[OpenAIBatch] = getattr(import_module(f"pytest_batcheval.backends.{module}"), name)
    return adapter(base_url, api_key, scope, capabilities=provider)


def _folder(backend: str) -> Path:
    """The folder of `folder:DIR`.

    Raises:
        UsageError: it names none.
    """
    name = backend.removeprefix(FOLDER)
    if not name:
        raise UsageError("name the folder: --batch-backend=folder:DIR")
    return Path(name)


@contextmanager
def _in_folder(backend: str, individual: bool) -> Iterator[BackendConnection]:
    from pytest_batcheval.backends.clocks import SystemClock
    from pytest_batcheval.backends.folder_batch import FolderBatch

    if individual:
        raise UsageError("a folder takes batches, no individual calls: leave out --batch-calls=individual")
    with FolderBatch(_folder(backend)) as client, closing(SystemClock()) as clock:
        yield BackendConnection(client, clock, backend)


@contextmanager
def _simulated(backend: str, respondent: str, individual: bool) -> Iterator[BackendConnection]:
    provider = capabilities_of(backend)
    try:
        from pytest_batcheval.simulator.server import SimulatorServer
    except ImportError as error:
        raise UsageError(f"the simulator needs {error.name}: pip install 'pytest-batcheval[simulator]'") from None
    with (
        SimulatorServer(respondent, seed=SEED, dialect=provider.name) as server,
        opened(provider, server.base_url, SIMULATOR, IN_PROCESS) as client,
        closing(_clock(client)) as clock,
        _calls(individual, client, server.base_url, SIMULATOR) as calls,
    ):
        yield BackendConnection(client, clock, backend, server, calls)


def _usable(build: Callable[[], T]) -> T:
    """The connection that `build` makes.

    Raises:
        UsageError: the HTTP library takes neither the base URL nor the proxies of the environment.
    """
    try:
        return build()
    except BatchEvalError:
        raise
    except Exception as error:  # each library has its own
        if not isinstance(error, ValueError) and type(error).__name__ not in ("InvalidURL", "OpenAIError"):
            raise
        where = "OPENAI_BASE_URL, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
        raise UsageError(f"no connection can be made: {redacted(str(error))}; check {where}") from None


def _calls(
    individual: bool, client: Any, base_url: str, api_key: str | None
) -> IndividualCalls | nullcontext[None]:  # fmt: skip
    """Individual calls to the provider of a backend, with its key.

    Raises:
        UsageError: its endpoints cannot be called that way.
    """
    if not individual:
        return nullcontext()
    from pytest_batcheval.backends.api_key import supplier
    from pytest_batcheval.backends.openai_calls import IndividualCalls

    provider: Capabilities = client.capabilities
    if not provider.calls:
        raise UsageError(f"individual calls to {provider.title} are not supported: leave out --batch-calls")
    key = supplier(api_key, provider.key_from)
    return IndividualCalls(api_url(provider, base_url), key, sign=getattr(client, "sign", None))


def _clock(client: OpenAIBatch | AnthropicBatch) -> SystemClock | SimulatorClock:
    from pytest_batcheval.backends.clocks import SimulatorClock, SystemClock

    return SimulatorClock(client.clock_address, client.clock_speed) if client.clock_address else SystemClock()
