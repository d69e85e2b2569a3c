"""The batch machines of a run: the effects that are due, and where their outcomes go. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.effects import JOURNAL, Commit, Effect, ListBatches, Retrieve


class Scheduler:
    """Drives machines until they are finished: `due(now)` gives effects, `take(effect, outcome, now)` takes outcomes.

    An outcome is as the effect's docstring says, or a `ProviderFailure`. Effects of one machine never overlap;
    those of different machines may. One listing serves all machines that want one.
    """

    def __init__(self, machines: Iterable[BatchMachine], known: Collection[str] = ()) -> None:
        """Drive these machines; `known` are ids of batches that compete with none of them."""
        self.machines = list(machines)
        self._known = frozenset(known)
        self._listing: list[BatchMachine] = []
        self._asked = 0.0

    @property
    def stopped(self) -> ProviderFailure | None:
        """The failure that stops the run; whatever can be stored is stored before."""
        return next((machine.stop for machine in self.machines if machine.stop is not None), None)

    @property
    def done(self) -> bool:
        """Whether nothing is under way and nothing is left to ask for."""
        if self.stopped is None:
            return all(machine.finished for machine in self.machines)
        return not any(machine.in_flight or _is_stored_last(machine.effect) for machine in self.machines)

    def wake(self) -> float | None:
        """The time the next effect is due; `None` when only outcomes are awaited."""
        return min((machine.wake for machine in self._waiting()), default=None)

    def poll_all(self, moment: float) -> None:
        """Poll every running batch at that moment, if not earlier."""
        for machine in self.machines:
            if isinstance(machine.effect, Retrieve) or (machine.effect == ListBatches() and machine.row.batch_id):
                machine.wake = min(machine.wake, moment)

    def due(self, now: float) -> list[Effect]:
        """The effects to perform now; each is returned once."""
        ready = [machine for machine in self._waiting() if machine.wake <= now]
        if self.stopped is not None:
            return [self._start(machine) for machine in ready if _is_stored_last(machine.effect)]
        listed = self._listed(ready)
        effects = [self._start(machine) for machine in ready if machine not in listed]
        if listed and not self._listing:
            for machine in listed:
                machine.in_flight = True
            self._listing, self._asked = listed, now
            effects.append(_list_for(listed))
        return effects

    def _waiting(self) -> Iterator[BatchMachine]:
        """The machines whose next effect is not under way."""
        return (machine for machine in self.machines if machine.effect and not machine.in_flight)

    def _listed(self, ready: list[BatchMachine]) -> list[BatchMachine]:
        """The machines that one listing serves: those that need one, and all whose next poll it can replace."""
        listing = [machine for machine in ready if isinstance(machine.effect, ListBatches)]
        polls = [machine for machine in self.machines if machine.shares_lists]
        shared = listing or (len(polls) > 1 and any(machine.shares_lists for machine in ready))
        return listing + polls if shared else []

    def take(self, effect: Effect, outcome: object, now: float) -> None:
        """Take the outcome of an effect that `due` returned."""
        if isinstance(effect, ListBatches):
            machines, self._listing = self._listing, []
            for machine in machines:
                machine.take_list(_batches(outcome), self._asked, now, None if effect.enough else self._known)
            return
        next(machine for machine in self.machines if machine.row.id == effect.row.id).take(effect, outcome, now)

    def _start(self, machine: BatchMachine) -> Effect:
        assert machine.effect is not None
        machine.in_flight = True
        return machine.effect


def _is_stored_last(effect: Effect | None) -> bool:
    """Whether an effect is performed although the run stops: every journal write but the intent to create."""
    return isinstance(effect, JOURNAL) and not (isinstance(effect, Commit) and effect.row.state == "creating")


def _list_for(machines: Iterable[BatchMachine]) -> ListBatches:
    """A list for these machines; polls need only the pages with their batches, a search for others needs all."""
    if all(isinstance(machine.effect, Retrieve) for machine in machines):
        return ListBatches(frozenset(machine.row.batch_id for machine in machines))
    return ListBatches()


def _batches(outcome: object) -> Sequence[RemoteBatch] | ProviderFailure:
    if isinstance(outcome, (list, ProviderFailure)):
        return outcome
    raise TypeError(f"ListBatches cannot end in {outcome!r}")
