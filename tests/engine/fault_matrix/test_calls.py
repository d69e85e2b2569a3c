"""Every fault of every call, over real HTTP: what a whole send makes of it, cell by cell.

Each cell is one send of a few requests to a simulator of which one kind of call goes wrong. Whatever happens, the
send that comes after it ends with every request answered and billed once, by the simulator's own ledger.
"""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from disturbing import KEYS, Disturbed, Here
from ills import ILLS
from outcomes import Goes, Halved, Looked, Lost, Stops, cells, lasting_cells

from pytest_batcheval.errors import ProviderError


@pytest.mark.sampled(126)
@pytest.mark.parametrize(("fault", "call", "applied", "outcome", "times"), list(cells()))
def test_a_send_under_a_fault_ends_as_the_matrix_says(fault, call, applied, outcome, times, server, world, monkeypatch):
    check(fault, call, applied, outcome, times, server, world, monkeypatch)


@pytest.mark.sampled(60)
@pytest.mark.parametrize(("fault", "call", "applied", "outcome", "times"), list(lasting_cells()))
def test_a_send_under_a_fault_that_stays_ends_as_the_matrix_says(
    fault, call, applied, outcome, times, server, world, monkeypatch
):
    server.reset()  # to batches that take so long that it is met again and again
    check(fault, call, applied, outcome, times, server, world, monkeypatch)


def check(fault, call, applied, outcome, times, server, world, monkeypatch):
    ill = ILLS[fault]
    disturbed = server.follow(Disturbed(call, ill.after if applied else ill.before, times))
    here = Here(world.backend, ill.here, call, times, disturbed, monkeypatch) if ill.here else None
    CHECKS[type(outcome)](outcome, disturbed, here, applied, world)
    assert (here if here and disturbed.strike is None else disturbed).struck > 0, "the fault did not strike"
    disturbed.left = 0
    if here:
        here.left = 0
    if not isinstance(outcome, Lost):
        assert world.go().answered == len(KEYS)
    world.clock.sleep(3 * 86_400)
    assert server.ledger.billed() == dict.fromkeys(KEYS, 1)


def goes(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.failed, sent.lost) == (len(KEYS), 0, ())
    times = disturbed.seen[disturbed.kind][-10:] if not here or disturbed.strike else []
    calls = here.calls if here and not disturbed.strike else disturbed.count(disturbed.kind)
    assert outcome.calls <= calls <= outcome.most
    if outcome.creates is not None and not (here and disturbed.kind == "batches.create"):
        assert disturbed.count("batches.create") == outcome.creates
    if disturbed.struck == 1 and outcome.calls > 1 and len(times) > 1 and disturbed.kind != "batches.list":
        least, most = outcome.pause
        assert least <= times[1] - times[0] <= most
    if disturbed.kind == "batches.list" and outcome.pause[0]:
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert any(outcome.pause[0] <= gap <= outcome.pause[1] for gap in gaps), gaps


def stopped(outcome, disturbed, here, applied, world):
    began = world.clock.now()
    with pytest.raises(ProviderError, match=re.compile(outcome.words, re.DOTALL)):
        world.go()
    if outcome.calls is not None:
        assert disturbed.struck == outcome.calls
    assert world.clock.now() - began < 12 * 3600


def looked(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.failed) == (len(KEYS), 0)
    first, *others = world.journal.reader.batches()
    creates = disturbed.seen["batches.create"]
    if applied:
        assert (len(creates), others, first.state) == (1, [], "settled")
        assert first.note == "found by reconciling"
        return
    assert (len(creates), len(others), first.state) == (2, 1, "void")
    (deleted,) = disturbed.seen["files.delete"]
    assert creates[0] + 60 <= deleted <= creates[1] - 180
    assert sum(deleted < at <= creates[1] for at in disturbed.seen["batches.list"]) >= 3


def lost(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.failed, len(sent.lost)) == (0, len(KEYS), 1)
    first, *others = disturbed.seen[disturbed.kind]
    assert others[-1] - first >= outcome.after
    assert len(others) >= 9
    disturbed.left = 0
    assert world.go().sent == 0
    assert disturbed.count("batches.create") == 1


def halved(outcome, disturbed, here, applied, world):
    sent = world.go()
    assert (sent.answered, sent.batches) == (len(KEYS), 2)
    assert disturbed.count("batches.create") == 2


CHECKS = {Goes: goes, Stops: stopped, Looked: looked, Lost: lost, Halved: halved}


# -- messages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "call", "words"),
    [
        ("401", "create", "OPENAI_API_KEY"),
        ("404", "upload", "127.0.0.1"),
        ("403", "create", "words of the provider on 403"),
        ("400", "create", "words of the provider on 400"),
    ],
)
def test_a_refusal_says_what_to_look_after(fault, call, words, server, world):
    server.follow(Disturbed(call, ILLS[fault].before, 1))
    with pytest.raises(ProviderError, match=words):
        world.go()


def test_while_the_provider_cannot_be_reached_the_display_says_so(server, world):
    server.follow(Disturbed("retrieve", ILLS["reset"].before, 100))
    seen = []
    world.go(progress=seen.append)
    assert any(re.search("offline|unreachable|no answer|ReadError|RemoteProtocolError", f"{s} {s.note}") for s in seen)
