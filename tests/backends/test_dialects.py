"""One suite, another provider by one option: each dialect of the simulator through its own backend."""

import pytest

from pytest_batcheval.backends.anthropic_batch import GONE
from pytest_batcheval.backends.base_url import api_url
from pytest_batcheval.backends.connect import connect, opened
from pytest_batcheval.catalogue.providers import PROVIDERS
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.simulator.api_keys import KeyRing
from pytest_batcheval.simulator.server import SimulatorServer
from pytest_batcheval.wire.endpoints import GENERATE
from pytest_batcheval.wire.objects import Request

MARKED = [name for name, provider in PROVIDERS.items() if provider.mark != "file"]


def requests(name, count=5):
    bodies = ({"model": "m", "messages": [{"role": "user", "content": f"질문 {n}"}]} for n in range(count))
    if name == "anthropic":
        return [Request({**body, "model": "claude-m", "max_tokens": 100}, "/v1/messages") for body in bodies]
    if name == "gemini":
        contents = [[{"role": "user", "parts": [{"text": body["messages"][0]["content"]}]}] for body in bodies]
        return [Request({"model": "gemini-2.5-flash", "contents": each}, GENERATE) for each in contents]
    return [Request(body) for body in bodies]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", PROVIDERS)
def test_answers_come_once_and_a_lost_journal_is_rebuilt(tmp_path, name):
    asked = requests(name)
    with connect(f"{name}@simulator") as connection:
        backend, clock, policy = connection.backend, connection.clock, SendPolicy(limits=Limits(requests=3))
        assert backend.capabilities.name == name
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            sent = send(asked, backend=backend, journal=journal, clock=clock, policy=policy)
            assert (sent.answered, sent.batches, sent.remarks) == (5, 2, ())
            answers = journal.reader.answers(asked, backend.origin)
            assert all(answer.text and answer.tokens[1] for answer in answers.values())
            lines = [line for row in journal.reader.batches() for line in journal.reader.lines(row.id)]
            assert send(asked, backend=backend, journal=journal, clock=clock, policy=policy).batches == 0
        with Journal.open(tmp_path / "other.sqlite") as journal:
            collect(backend=backend, journal=journal, clock=clock, adopt=True)
            found = journal.reader.answers(asked, backend.origin)
            assert len(found) == (5 if name in MARKED else 0)
            if PROVIDERS[name].mark == "metadata":  # whole lines, also where shorter ones are sent
                assert {line for row in journal.reader.batches() for line in journal.reader.lines(row.id)} == set(lines)
        assert max(connection.simulator.ledger.billed().values()) == 1


def test_without_a_mark_a_lost_journal_is_told_instead_of_paid_for(tmp_path):
    asked = requests("together")
    with connect("together@simulator") as connection:
        for number in (1, 2):
            with Journal.open(tmp_path / f"{number}.sqlite") as journal:
                if number == 1:
                    send(asked, backend=connection.backend, journal=journal, clock=connection.clock)
                    continue
                with pytest.raises(UsageError, match="batcheval adopt"):
                    send(asked, backend=connection.backend, journal=journal, clock=connection.clock)
        assert max(connection.simulator.ledger.billed().values()) == 1


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("fault", "waits"), [("reset_after", False), ("reset_before", True)])
def test_without_a_fence_a_create_is_absent_after_20_minutes(tmp_path, fault, waits):
    with connect("mistral@simulator") as connection, Journal.open(tmp_path / "journal.sqlite") as journal:
        began = connection.simulator.now()
        connection.simulator.misbehave({"fault": fault, "call": "batches.create"})
        sent = send(requests("mistral", 2), backend=connection.backend, journal=journal, clock=connection.clock)
        assert (sent.answered, sorted(connection.simulator.ledger.billed().values())) == (2, [1, 1])
        created = min(batch.created_at for batch in connection.backend.list_batches())
        assert (created - began >= 1_200) == waits


def test_batches_whose_results_are_gone_are_nobodys(tmp_path):
    with connect("anthropic@simulator") as connection, Journal.open(tmp_path / "journal.sqlite") as journal:
        send(requests("anthropic", 2), backend=connection.backend, journal=journal, clock=connection.clock)
        connection.simulator.forward(40 * 86_400)
        with opened(PROVIDERS["anthropic"], connection.simulator.base_url, "simulator") as later:
            assert [batch.metadata["made by"] for batch in later.list_batches()] == [GONE["made by"]]
            more = send(requests("anthropic", 5), backend=later, journal=journal, clock=connection.clock)
        assert (more.answered, len(connection.simulator.ledger.executions)) == (5, 5)


@pytest.mark.sampled
def test_a_batch_that_expires_without_responses_is_sent_again(tmp_path):
    with connect("gemini@simulator") as connection, Journal.open(tmp_path / "journal.sqlite") as journal:
        connection.simulator.faults.expire_next_batch(after=2)
        sent = send(requests("gemini"), backend=connection.backend, journal=journal, clock=connection.clock)
        assert (sent.answered, sent.batches) == (5, 2)
        assert set(connection.simulator.ledger.billed().values()) == {1}


def test_what_a_cancelled_batch_had_answered_is_not_paid_for_again(tmp_path):
    with connect("gemini@simulator") as connection, Journal.open(tmp_path / "journal.sqlite") as journal:
        server, backend = connection.simulator, connection.backend

        def stop(snapshot):
            for batch in backend.list_batches():
                if batch.completed:
                    backend.cancel(batch.id)

        sent = send(requests("gemini"), backend=backend, journal=journal, clock=connection.clock, progress=stop)
        assert (sent.answered, sent.failed, sent.batches) == (0, 5, 1)  # nobody says which of them ran
        assert max(server.ledger.billed().values()) == 1


def test_bodies_of_another_api_are_refused_before_anything_is_sent(tmp_path):
    with connect("anthropic@simulator") as connection, Journal.open(tmp_path / "journal.sqlite") as journal:
        with pytest.raises(UsageError, match=r"5 requests for /v1/chat/completions: batches of Anthropic hold"):
            send(requests("openai"), backend=connection.backend, journal=journal, clock=connection.clock)
        assert not connection.simulator.ledger.executions


def test_a_provider_whose_calls_have_paths_of_their_own_is_sent_batches_only():
    said = "individual calls to Gemini are not supported"
    with pytest.raises(UsageError, match=said), connect("gemini@simulator", individual=True):
        pass


@pytest.mark.parametrize(
    ("name", "given", "url"),
    [
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("anthropic", "https://gateway.test/v1/", "https://gateway.test/v1"),
        ("gemini", "https://generativelanguage.googleapis.com/", "https://generativelanguage.googleapis.com/v1beta"),
        ("gemini", "https://gateway.test/google/v1beta", "https://gateway.test/google/v1beta"),
        ("groq", "https://api.groq.com", "https://api.groq.com/openai/v1"),
        ("groq", "https://gateway.test/groq/v1", "https://gateway.test/groq/v1"),
        ("together", "https://api.together.xyz/", "https://api.together.xyz/v1"),
        ("mistral", "https://api.eu.mistral.ai", "https://api.eu.mistral.ai/v1"),
        ("openai", "https://gateway.test", "https://gateway.test"),
        ("azure", "https://ours.openai.azure.com/openai/v1", "https://ours.openai.azure.com/openai/v1"),
    ],
)
def test_a_base_url_may_be_written_as_the_providers_sdk_has_it(name, given, url):
    assert api_url(PROVIDERS[name], given) == url


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.calls])
def test_individual_calls_go_out_with_the_key_of_their_own_provider(tmp_path, monkeypatch, name):
    asked, provider = requests(name, 2), PROVIDERS[name]
    keys = KeyRing.from_data({"keys": [{"key": "the-providers-own", "project": "ours"}]})
    monkeypatch.setenv("OPENAI_API_KEY", "another-providers")
    with SimulatorServer(dialect=name, keys=keys) as server:
        monkeypatch.setenv(provider.key_from[0], "the-providers-own")
        with (
            connect(f"{name}@{server.base_url}", individual=True) as connection,
            Journal.open(tmp_path / "journal.sqlite") as journal,
        ):
            calling = Calling(connection.calls, connection.clock)
            sent = send(asked, backend=connection.backend, journal=journal, clock=connection.clock, calling=calling)
            assert (sent.answered, sent.failed) == (2, 0)
            assert all(answer.text for answer in journal.reader.answers(asked, server.origin).values())


def test_an_overloaded_anthropic_has_not_run_a_call(tmp_path):
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with connect("anthropic@simulator", individual=True) as connection:
        connection.simulator.misbehave(
            {"fault": "status", "call": "messages", "status": 529, "body": error, "times": 1}
        )
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            backend, clock = connection.backend, connection.clock
            calling = Calling(connection.calls, clock)
            sent = send(requests("anthropic", 2), backend=backend, journal=journal, clock=clock, calling=calling)
            assert (sent.answered, sent.unknown) == (2, frozenset())
