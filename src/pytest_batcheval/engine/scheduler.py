"""All batches of a run: which effects are due, and what their outcomes mean. No I/O, no time of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.protocol import RemoteBatch
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.effects import JOURNAL, Commit, Effect, ListBatches, Retrieve


class Scheduler:
    """Drives jobs to their ends: `due(now)` gives effects, `told(effect, outcome, now)` takes outcomes.

    An outcome is what the effect's docstring says, or a `ProviderFailure`. Effects of one job never overlap;
    those of different jobs may. One listing serves all jobs that want one.
    """

    def __init__(self, jobs: Iterable[BatchMachine], known: Collection[str] = ()) -> None:
        """Drive these jobs; `known` are ids of batches that do not ask the same as one of them."""
        self.jobs = list(jobs)
        self._known = frozenset(known)
        self._listing: list[BatchMachine] = []
        self._asked = 0.0

    @property
    def stopped(self) -> ProviderFailure | None:
        """The fault that stops the run; what can be stored is stored before."""
        return next((job.stop for job in self.jobs if job.stop is not None), None)

    @property
    def done(self) -> bool:
        """Whether nothing is under way and nothing is left to ask for."""
        if self.stopped is None:
            return all(job.finished for job in self.jobs)
        return not any(job.flying or _is_last_word(job.effect) for job in self.jobs)

    def wake(self) -> float | None:
        """When the next effect is due; `None` when only outcomes are awaited."""
        return min((job.wake for job in self.jobs if job.effect and not job.flying), default=None)

    def look_at(self, moment: float) -> None:
        """Look at every running batch at that moment, if not earlier."""
        for job in self.jobs:
            if isinstance(job.effect, Retrieve) or (job.effect == ListBatches() and job.row.batch_id):
                job.wake = min(job.wake, moment)

    def due(self, now: float) -> list[Effect]:
        """The effects to do now; each is given out once."""
        ready = [job for job in self.jobs if job.effect and not job.flying and job.wake <= now]
        if self.stopped is not None:
            return [self._fly(job) for job in ready if _is_last_word(job.effect)]
        listed = self._listed(ready)
        effects = [self._fly(job) for job in ready if job not in listed]
        if listed and not self._listing:
            for job in listed:
                job.flying = True
            self._listing, self._asked = listed, now
            effects.append(_list_for(listed))
        return effects

    def _listed(self, ready: list[BatchMachine]) -> list[BatchMachine]:
        """The jobs that one listing serves: those that need one, and all whose next look it can stand for."""
        lookers = [job for job in ready if isinstance(job.effect, ListBatches)]
        polls = [job for job in self.jobs if job.shares_lists]
        shared = lookers or (len(polls) > 1 and any(job.shares_lists for job in ready))
        return lookers + polls if shared else []

    def told(self, effect: Effect, outcome: object, now: float) -> None:
        """Take the outcome of an effect that `due` gave out."""
        if isinstance(effect, ListBatches):
            jobs, self._listing = self._listing, []
            for job in jobs:
                job.listed(_batches(outcome), self._asked, now, None if effect.enough else self._known)
            return
        next(job for job in self.jobs if job.row.id == effect.row.id).told(effect, outcome, now)

    def _fly(self, job: BatchMachine) -> Effect:
        assert job.effect is not None
        job.flying = True
        return job.effect


def _is_last_word(effect: Effect | None) -> bool:
    """What is still stored when the run stops: all but the intent to create."""
    return isinstance(effect, JOURNAL) and not (isinstance(effect, Commit) and effect.row.state == "creating")


def _list_for(jobs: Iterable[BatchMachine]) -> ListBatches:
    """Mere looks need no more pages than hold their batches; other machines' may be on any."""
    if all(isinstance(job.effect, Retrieve) for job in jobs):
        return ListBatches(frozenset(job.row.batch_id for job in jobs))
    return ListBatches()


def _batches(outcome: object) -> Sequence[RemoteBatch] | ProviderFailure:
    if isinstance(outcome, (list, ProviderFailure)):
        return outcome
    raise TypeError(f"ListBatches cannot end in {outcome!r}")
