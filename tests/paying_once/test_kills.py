"""Real processes, real HTTP, real SIGKILL: at every call of the conversation, before and after it is applied."""

import random
import shutil
from pathlib import Path

import pytest
from checker import broken_rules
from kill_table import ALL, POINTS, SOME, THEN, Killed, strike, table, until_done

pytestmark = pytest.mark.timeout(0)  # a full proof takes hours

QUICK = [
    ("kill_client_after", "batches.create", 1),
    ("kill_client", "batches.create", 2),
    ("kill_client_after", "files.create", 1),
    ("kill_client", "files.content", 1),
    ("kill_client", "batches.list", 2),
]
DOUBLE = {"quick": 1, "ci": 12, "full": 300}


def points(config):
    return QUICK if config.getoption("--proof") == "quick" else POINTS


def pytest_generate_tests(metafunc):
    if "point" in metafunc.fixturenames:
        chosen = points(metafunc.config)
        metafunc.parametrize("point", chosen, ids=["-".join(map(str, point)) for point in chosen])
        quick = metafunc.config.getoption("--proof") == "quick"
        metafunc.parametrize("then", THEN[:1] if quick else THEN)


@pytest.mark.sampled(18)
def test_a_client_killed_at_this_point_is_taken_up(batch_server, tmp_path, point, then):
    killed = strike(batch_server, tmp_path, point, then)
    assert killed.kills == 1, f"a conversation of {SOME} requests has no call {point[2]} of {point[1]}"
    assert (len(killed.billed), killed.wrong) == (killed.wanted, [])


def test_the_page_has_the_table_of_these_kills():
    """Its figures are those that the test above proves: as many kills, nothing paid twice, nothing lost."""
    page = (Path(__file__).parents[2] / "docs" / "paying-once.md").read_text(encoding="utf-8")
    proved = [(point, Killed(1, ALL if then == THEN[1] else SOME, {}, [])) for point in POINTS for then in THEN]
    assert "\n".join(table(proved)) in page


@pytest.mark.sampled
def test_clients_killed_twice_at_random_are_taken_up(batch_server, tmp_path, proof):
    for seed in range(DOUBLE[proof]):
        batch_server.reset()
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        dice = random.Random(seed)
        faults = [
            {"fault": dice.choice(("kill_client", "kill_client_after")), "call": "*", "nth": dice.randrange(1, 30)}
            for _ in range(2)
        ]
        plan = batch_server.misbehave(*faults)
        killed = until_done(batch_server, tmp_path, SOME) + until_done(batch_server, tmp_path, ALL)
        assert killed == plan.struck.total(), f"seed {seed}"
        batch_server.forward(3 * 86_400)
        wrong = broken_rules(batch_server.ledger.billed(), tmp_path / "journal.sqlite", batch_server.origin)
        assert not wrong, f"seed {seed}: {faults}"
        assert len(batch_server.ledger.billed()) == ALL
