"""Whatever people, machines and the provider do, in any order: the ledger has every request once."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from rules import RULES_OF_LIVES
from trouble import Trouble
from world import BEHAVIOUR, Crash, DirectBackend, SerialPool, World, crashing_journal

from pytest_batcheval.engine import effect_driver
from pytest_batcheval.engine.send import SendPolicy, adopt, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import ProviderError, UnfinishedError
from pytest_batcheval.journal.salvage import mend
from pytest_batcheval.simulator.inference.answering import key_of
from pytest_batcheval.wire.objects import Request

EXAMPLES = {"quick": 12, "ci": 60, "full": 5_000}
STEPS = 15
SHOWS = 5
"""A seed of which the first lives show each missing rule; others do too, later."""

ROUNDS = ("W1", "W2")
LAST_RUNS = 20
"""Runs without crash or new trouble after which everything has to be answered."""

REQUESTS = [Request({"model": "m", "messages": [{"role": "user", "content": f"{n}"}]}) for n in range(6)]
KEYS = {request.custom_id for request in REQUESTS}
THEIRS = {key_of(request.body): request.custom_id for request in REQUESTS}
"""Our keys by those that the ledger has for the same bodies in the batches of other tools."""

selections = st.sets(st.sampled_from(range(len(REQUESTS))), min_size=1).map(
    lambda chosen: [REQUESTS[n] for n in chosen]
)


class Life(RuleBasedStateMachine):
    """One account, two machines with a journal each; the second one never runs at the same time as the first."""

    world: World

    @initialize(seed=st.integers(0, 2**32), odds=st.sampled_from((0.0, 0.1)))
    def begin(self, seed, odds):
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.world.reset(seed)
        if self.world.dialect.name == "gaps":  # with two machines, what a list hides is paid twice
            self.world.dialect.name = "plain"
        self.world.state.behaviour = replace(BEHAVIOUR, list_lag=self.world.rng.choice((0, 60)))
        self.world.state.interceptor = Trouble(self.world, odds)
        self.strangers, self.asked = [], {key: set() for key in KEYS}

    @rule(
        selection=selections,
        machine=st.sampled_from(("a", "b")),
        crash=st.one_of(st.none(), st.integers(1, 80)),
        size=st.integers(1, 4),
        patience=st.sampled_from((None, None, 0.0, 5.0)),
        round_name=st.sampled_from(("", "", *ROUNDS)),
    )
    def run(self, selection, machine, crash, size, patience, round_name):
        """A run of some of the tests, on either machine; it may be killed at any point, or not want to wait."""
        if machine == "b":
            self.world.forward(600)  # machines within a minute of each other are another test's matter
        self._run(selection, machine, crash, Limits(requests=size), patience, round_name)
        if machine == "b":
            self.world.forward(600)

    @rule(machine=st.sampled_from(("a", "b")), crash=st.one_of(st.none(), st.integers(1, 40)))
    def resume(self, machine, crash):
        """`batcheval resume` and `recover`, killed or not."""
        self.world.forward(600)
        self.world.crashes.arm(crash)
        with suppress(Crash, ProviderError, UnfinishedError), self._journal(machine) as journal:
            collect(backend=DirectBackend(self.world), journal=journal, clock=self.world, adopt=True)
        self.world.crashes.arm(None)

    @rule(seconds=st.sampled_from((1, 10, 100, 3_600, 90_000)))
    def tick(self, seconds):
        self.world.forward(seconds)

    @rule(machine=st.sampled_from(("a", "b")))
    def lose_the_journal(self, machine):
        self.world.forward(6 * 3600)
        shutil.rmtree(self.folder / machine, ignore_errors=True)
        self._adopt(machine)

    @rule(machine=st.sampled_from(("a", "b")), page=st.integers(0, 40), byte=st.integers(0, 255))
    def damage_the_journal(self, machine, page, byte):
        """A page of the file is overwritten, and the journal mended."""
        path = self.folder / machine / "journal.sqlite"
        if path.exists():
            self.world.forward(6 * 3600)
            with path.open("r+b") as file:
                file.seek(page * 4096 % path.stat().st_size)
                file.write(bytes([byte]) * 200)
            mend(path)
            self._adopt(machine)

    @rule(selection=selections, patience=st.sampled_from((None, 0.0)), crash=st.one_of(st.none(), st.integers(1, 20)))
    def a_stranger_sends(self, selection, patience, crash):
        """Another tool makes a batch of requests that nobody has asked yet, and both machines adopt it."""
        fresh = [request for request in selection if not self.asked[request.custom_id]]
        if not fresh or self.world.dialect.name == "one file id":  # nobody can read the input file there
            return
        path = self.folder / "theirs.jsonl"
        lines = [json.loads(request.line()) | {"custom_id": f"row-{n}"} for n, request in enumerate(fresh)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        trouble, self.world.state.interceptor = self.world.state.interceptor, None
        backend = DirectBackend(self.world)
        batch = backend.create(backend.upload(path, "theirs.jsonl").id, fresh[0].url, {}, "theirs")
        self.world.state.interceptor = trouble
        self.strangers.append(batch.id)
        for request in fresh:
            self.asked[request.custom_id].add("")
        for machine in ("a", "b"):
            self.world.forward(600)
            self._adopt(machine, patience, crash)

    @rule(after=st.integers(0, 5))
    def the_next_batch_expires(self, after):
        self.world.state.faults.expire_next_batch(after=after)

    @rule()
    def the_queue_is_full(self):
        self.world.state.faults.fail_next_batch("token_limit_exceeded", "Enqueued token limit reached")

    @rule(which=st.integers(0, len(REQUESTS) - 1), status=st.sampled_from((429, 500, 0)))
    def a_line_fails_in_passing(self, which, status):
        body = dict(REQUESTS[which].body)
        self.world.state.faults.fail_lines(lambda asked: asked == body, status_code=status, times=1)

    @invariant()
    def nothing_is_paid_twice(self):
        """A request is billed once, and once more in each round that asks it."""
        billed = self._billed()
        assert all(times <= len(self.asked[key]) for key, times in billed.items()), (billed, self.asked)

    def teardown(self):
        if not hasattr(self, "folder"):
            return
        self.world.state.interceptor = None
        self._adopt("a")
        for round_name in ("", *ROUNDS):
            wanted = KEYS if not round_name else {key for key, rounds in self.asked.items() if round_name in rounds}
            assert self._answered(wanted, round_name) == wanted
        shutil.rmtree(self.folder)
        self.world.forward(3 * 86_400)
        assert self._billed().keys() == KEYS
        self.nothing_is_paid_twice()

    def _billed(self):
        billed = Counter()
        for key, times in self.world.state.ledger.billed().items():
            billed[THEIRS.get(key, key)] += times
        return billed

    def _answered(self, wanted, round_name):
        """Those that are answered in a round, in the end."""
        answered = set()
        for _ in range(LAST_RUNS):
            if answered == wanted:
                break
            selection = [request for request in REQUESTS if request.custom_id in wanted]
            self._run(selection, "a", None, Limits(), None, round_name)
            with self._journal("a") as journal:
                answered = journal.reader.answered(list(wanted), DirectBackend.origin, round_name)
        return answered

    def _adopt(self, machine, patience=None, crash=None):
        """`batcheval adopt` of all batches of other tools, until each is in the journal or is said to hold nothing."""
        for _ in range(LAST_RUNS if self.strangers else 0):
            seen = []
            self.world.crashes.arm(crash)
            with suppress(Crash, ProviderError, UnfinishedError), self._journal(machine) as journal:
                backend = DirectBackend(self.world)
                adopt(
                    self.strangers,
                    backend=backend,
                    journal=journal,
                    clock=self.world,
                    seen=seen.append,
                    patience=patience,
                )
            self.world.crashes.arm(None)
            if len(seen) == len(self.strangers) and not any(isinstance(found, ProviderError) for found in seen):
                return
            crash = None
        assert not self.strangers

    def _run(self, selection, machine, crash, limits, patience, round_name):
        for request in selection:
            self.asked[request.custom_id].add(round_name)
        self.world.crashes.arm(crash)
        try:
            with self._journal(machine) as journal:
                backend = DirectBackend(self.world)
                send(
                    selection,
                    backend=backend,
                    journal=journal,
                    clock=self.world,
                    policy=SendPolicy(attempts=4, limits=limits, patience=patience, round=round_name),
                )
            return True
        except (Crash, ProviderError, UnfinishedError):
            return False
        finally:
            self.world.crashes.arm(None)

    def _journal(self, machine):
        return crashing_journal(self.world).open(self.folder / machine / "journal.sqlite")


@pytest.fixture
def play(monkeypatch):
    """`play(examples)`: that many lives, of a kind, in a world without threads."""
    Life.world = world = World()
    monkeypatch.setattr(effect_driver, "Pool", lambda threads: SerialPool(world))

    def lives(examples, kind=Life, **more):
        run_state_machine_as_test(
            kind,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                **more,
            ),
        )

    yield lives
    world.close()


@pytest.mark.sampled
@pytest.mark.timeout(0)
def test_the_ledger_has_every_request_once(play, proof):
    play(EXAMPLES[proof])


@pytest.mark.sampled
@pytest.mark.parametrize("name", RULES_OF_LIVES)
def test_without_the_rule_something_is_paid_twice_or_never_answered(play, monkeypatch, name):
    RULES_OF_LIVES[name](monkeypatch, Life.world)
    with pytest.raises(AssertionError):
        play(2_000, seed(SHOWS)(type("Lives", (Life,), {})), phases=[Phase.generate], database=None)
