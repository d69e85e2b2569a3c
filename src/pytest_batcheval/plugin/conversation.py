"""The fixture `batch_conversation`: the HTTP of one test, live, recorded or replayed as `--batch` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.errors import BatchEvalError, RecordingError
from pytest_batcheval.plugin._pytest_compat import failing_despite_xfail, skip_test
from pytest_batcheval.plugin.item_id import module_of, name_of, parameters_of
from pytest_batcheval.plugin.marker import ordered_marks
from pytest_batcheval.plugin.options import Settings, read_settings
from pytest_batcheval.plugin.stash import PASSED, item_stats
from pytest_batcheval.text.format import counted

if TYPE_CHECKING:
    import openai

    from pytest_batcheval.backends.anthropic_batch import AnthropicBatch
    from pytest_batcheval.backends.folder_batch import FolderBatch
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.engine.clock import Clock
    from pytest_batcheval.recordings.conversations.conversation import Conversation, InterceptedRequest
    from pytest_batcheval.simulator.server import SimulatorServer

MARKER = "batch_conversation(name): the file of this test's conversation, cassettes/conversations/<name>.yaml."

REPLAYED = "replayed"
"""A placeholder for the API key and the account in a replay."""


class BatchConversation:
    """The value of the fixture: the parts that a test of a batch pipeline needs.

    Attributes:
        backend: sends batches to the provider, to the simulator or to the recording.
        clock: the clock for the pipeline's waits; in a replay they take no time.
        simulator: the server that answers, when it runs in this process; `None` in a replay and with a provider.
    """

    def __init__(
        self,
        conversation: Conversation,
        backend: OpenAIBatch | AnthropicBatch | FolderBatch,
        clock: Clock,
        api_key: str | Callable[[], str],
        simulator: SimulatorServer | None = None,
    ) -> None:
        self.backend = backend
        self.clock = clock
        self.simulator = simulator
        self._conversation = conversation
        self._api_key = api_key
        self._clients: list[openai.OpenAI] = []

    @property
    def base_url(self) -> str:
        """The base URL for clients."""
        return self._conversation.base_url

    @property
    def origin(self) -> str:
        """The origin of the answers, live or as recorded."""
        return self._conversation.origin

    @property
    def requests(self) -> list[InterceptedRequest]:
        """The requests made so far, as (method, path, body): the same live and in a replay."""
        return self._conversation.requests

    def client(self, **options: Any) -> openai.OpenAI:
        """A client of the SDK for `base_url`, closed at the end of the test.

        It does not send a failed request again, because the SDK would wait in real time; `options` are the SDK's.
        """
        import openai

        given = {"base_url": self.base_url, "api_key": self._api_key, "max_retries": 0, **options}
        self._clients.append(openai.OpenAI(**given))
        return self._clients[-1]

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            client.close()


@pytest.fixture
def batch_conversation(request: pytest.FixtureRequest) -> Iterator[BatchConversation]:
    """The HTTP conversation of this test: `.backend`, `.client()`, `.clock`, `.requests`, `.base_url`, `.origin`.

    With `--batch=replay` it comes from `cassettes/conversations/`, with `record` it is written there, with
    `send` neither.
    """
    with ExitStack() as stack:
        with failing_despite_xfail(request.node):
            try:
                conversation = stack.enter_context(_opened(request))
            except BatchEvalError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None
        yield conversation


@contextmanager
def _opened(request: pytest.FixtureRequest) -> Iterator[BatchConversation]:
    chosen = read_settings(request.config)
    with _live(request, chosen) if chosen.sends else _replayed(request, chosen) as conversation:
        yield conversation
        conversation.close()


@contextmanager
def _replayed(request: pytest.FixtureRequest, chosen: Settings) -> Iterator[BatchConversation]:
    from pytest_batcheval.backends.openai_batch import OpenAIBatch
    from pytest_batcheval.plugin.pytest_command import command_for
    from pytest_batcheval.plugin.unrecorded import UnrecordedConversation
    from pytest_batcheval.recordings.conversations.conversation import Conversation, JumpClock

    path = conversation_path(request.node, chosen)
    if not path.exists():
        item_stats(request.node).without_conversation(request.node.nodeid, module_of(request.node, chosen.root))
        if chosen.missing == "skip":
            skip_test(f"unrecorded: no conversation at {path}; record it with --batch=record")
        raise UnrecordedConversation(path)
    test = f"{module_of(request.node, chosen.root)}::{name_of(request.node)}"
    command = command_for(request.config, test, "--batch=record")
    with Conversation.replayed(path, command=command) as conversation:
        with conversation.aside():
            backend = OpenAIBatch(conversation.base_url, REPLAYED, scope=REPLAYED)
        backend.origin = conversation.origin
        with backend:
            yield BatchConversation(conversation, backend, JumpClock(), REPLAYED)
    if request.node.stash.get(PASSED, False):
        _check_replay(request.node, conversation, path)


@contextmanager
def _live(request: pytest.FixtureRequest, chosen: Settings) -> Iterator[BatchConversation]:
    from pytest_batcheval.backends.api_key import key_from_environment
    from pytest_batcheval.backends.connect import SIMULATOR, connect, respondent_of
    from pytest_batcheval.recordings.conversations.conversation import Conversation

    path = conversation_path(request.node, chosen)
    api_key = key_from_environment if respondent_of(chosen.backend) is None else SIMULATOR
    with connect(chosen.backend) as connection:
        url, origin = connection.backend.base_url, connection.backend.origin
        recording = chosen.mode == "record"
        with Conversation.recorded(path, url, origin) if recording else Conversation.live(url, origin) as conversation:
            yield BatchConversation(conversation, connection.backend, connection.clock, api_key, connection.simulator)
            if PASSED not in request.node.stash:
                conversation.discard()  # the test was interrupted


def _check_replay(item: pytest.Item, conversation: Conversation, path: Path) -> None:
    """Fail a passed test for a request without a recorded reply; warn of recorded requests that it did not make."""
    if conversation.unmatched is not None:
        pytest.fail(str(conversation.unmatched), pytrace=False)
    unused = conversation.unused
    if unused:
        count = f"{counted(len(unused), 'recorded request')} {'was' if len(unused) == 1 else 'were'} not made"
        text = f"{path}: {count}, first {unused[0].method} {unused[0].path}"
        item.warn(pytest.PytestWarning(f"{text}; record the conversation again: {conversation.command}"))


def conversation_path(item: pytest.Item, chosen: Settings) -> Path:
    """The file of a test's conversation.

    Raises:
        RecordingError, UsageError: the marker or the name is invalid, or the path is a symbolic link.
    """
    from pytest_batcheval.recordings.conversations.conversation import path_of

    module, marks = module_of(item, chosen.root), ordered_marks(item, "batch_conversation")
    if not marks:
        return path_of(chosen.cassettes, module, name_of(item))
    mark = marks[0]
    if mark.kwargs or len(mark.args) != 1 or not isinstance(mark.args[0], str):
        raise RecordingError("batch_conversation takes one name: @pytest.mark.batch_conversation('whole_job')")
    return path_of(chosen.cassettes, module, name_of(item), mark.args[0], parameters_of(item))


def same_name(items: Iterable[pytest.Item], chosen: Settings) -> Iterator[tuple[pytest.Item, str]]:
    """Tests whose conversation would have the file of an earlier test, with a message; repeats of a test may share."""
    first: dict[str, pytest.Item] = {}
    for item in items:
        try:
            path = conversation_path(item, chosen)
        except BatchEvalError:
            continue  # the test reports it
        other = first.setdefault(str(path).lower(), item)
        if (module_of(other, chosen.root), name_of(other)) != (module_of(item, chosen.root), name_of(item)):
            yield item, f"its conversation {path} is also that of {other.nodeid}; give each test a name of its own"
