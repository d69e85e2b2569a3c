"""The store under any sequence of its own methods, compared with a model of plain dicts."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import ClaimedError
from pytest_batcheval.wire.objects import Request

ORIGINS = ("https://api.test/v1", "simulator:faithful@0")
REQUESTS = [Request({"model": "m", "messages": [], "n": n}) for n in range(6)]
KEYS = [request.custom_id for request in REQUESTS]
EXAMPLES = {"quick": 12, "ci": 100, "full": 2_000}
ENDS = st.sampled_from(["answer", "passing", "final", "nothing"])


class StoreMachine(RuleBasedStateMachine):
    """A journal with two origins, opened and closed again, and what it should say."""

    batches = Bundle("batches")
    shared = False

    def new_address(self):
        return Path(self.folder.name) / "j" / "journal.sqlite"

    @initialize()
    def begin(self):
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.address = self.new_address()
        self.journal = Journal.open(self.address)
        self.journal.add_run("run", ORIGINS[0])
        self.owners: dict[tuple[str, str], int] = {}
        self.answers: dict[tuple[str, str], dict[int, int]] = {}
        self.failures: dict[tuple[str, str], tuple[int, str, bool]] = {}
        self.states: dict[int, str] = {}

    @rule(
        target=batches,
        origin=st.sampled_from(ORIGINS),
        numbers=st.sets(st.integers(0, 5), min_size=1),
        generation=st.integers(1, 3),
    )
    def plan(self, origin, numbers, generation):
        keys = {KEYS[n] for n in numbers}
        row = BatchRow(origin, "s", "/v1/x", "i", 1, generation, len(keys), "f", run="run")
        taken = any((origin, key) in self.owners for key in keys)
        if taken or (self.shared and any(self.is_done(origin, key, generation) for key in keys)):
            with pytest.raises(ClaimedError, match="already" if taken else "just settled"):
                self.journal.plan(row, [REQUESTS[n] for n in numbers])
            return replace(row, id=0)
        row = self.journal.plan(row, [REQUESTS[n] for n in numbers])
        self.states[row.id] = "planned"
        self.owners |= {(origin, key): row.id for key in keys}
        return row

    def is_done(self, origin, key, generation):
        """Whether what was asked in this generation is answered, or has finally failed: another sender may have it."""
        failed = self.failures.get((origin, key), (0, "", True))
        return generation in self.answers.get((origin, key), ()) or (failed[0], failed[2]) == (generation, False)

    @rule(row=consumes(batches), results=st.dictionaries(st.sampled_from(KEYS), ENDS), breaks=st.booleans())
    def settle(self, row, results, breaks):
        if not row.id:
            return
        mine = {key: end for key, end in results.items() if self.owners.get((row.origin, key)) == row.id}
        rows = [self.result(row, key, end) for key, end in mine.items() if end != "nothing"]
        if breaks:
            self.interrupted(row, rows)
        self.journal.settle(replace(row, state="settled"), rows)
        self.states[row.id] = "settled"
        self.owners = {place: owner for place, owner in self.owners.items() if owner != row.id}
        self.expect(row, mine)

    def interrupted(self, row, rows):
        def half():
            yield from rows
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.journal.settle(replace(row, state="settled"), half())

    def result(self, row, key, end):
        if end == "answer":
            return AnswerRow(key, "", json.dumps({"body": {"batch": row.id}}).encode())
        return FailureRow(key, end, "", None, end == "passing")

    def expect(self, row, ends):
        for key, end in ends.items():
            place = (row.origin, key)
            if end == "answer":
                self.answers.setdefault(place, {}).setdefault(row.generation, row.id)
                if self.answers[place][row.generation] == row.id:
                    self.failures.pop(place, None)
            elif end != "nothing":
                self.failures[place] = (row.generation, end, end == "passing")

    @rule(row=consumes(batches))
    def lose(self, row):
        if row.id:
            self.journal.settle(replace(row, state="lost"), [])
            self.states[row.id] = "lost"

    @rule()
    def reopen(self):
        self.journal.close()
        self.journal = Journal.open(self.address)

    @invariant()
    def says_what_the_model_says(self):
        if not hasattr(self, "journal"):
            return
        reader = self.journal.reader
        assert {row.id: row.state for row in reader.batches()} == self.states
        for origin in ORIGINS:
            assert reader.claimed(origin) == {key for where, key in self.owners if where == origin}
            found = {key: a.body["batch"] for key, a in reader.answers(REQUESTS, origin).items()}
            newest = {key: max(ids.values()) for (where, key), ids in self.answers.items() if where == origin}
            assert found == newest
            shown = {key for where, key in self.failures if where == origin and (where, key) not in self.answers}
            assert reader.failures(REQUESTS, origin).keys() == shown
            final = {key: f[0] for (where, key), f in self.failures.items() if where == origin and not f[2]}
            assert reader.final(KEYS, origin) == final

    def teardown(self):
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()


def test_the_store_says_what_the_model_says(proof):
    run_state_machine_as_test(
        StoreMachine, settings=settings(max_examples=EXAMPLES[proof], stateful_step_count=20, deadline=None)
    )


@pytest.mark.sampled
def test_a_database_says_it_too(proof, postgres_server):
    class PostgresMachine(StoreMachine):
        shared = True

        def new_address(self):
            postgres_server.sql("DROP SCHEMA IF EXISTS machine CASCADE")
            return journal_address(postgres_server.url("machine"))

    run_state_machine_as_test(
        PostgresMachine,
        settings=settings(max_examples=max(EXAMPLES[proof] // 10, 2), stateful_step_count=20, deadline=None),
    )
