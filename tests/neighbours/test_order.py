"""randomly, order, split, picked, testmon: which tests run, and in what order."""

import subprocess

import pytest

TWO = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text

    @pytest.mark.batch(prompt=ask_question)
    def test_two(persona, question, answer):
        assert answer.text
"""
"""Twelve tests of eight requests: those of the second have the same answer for every persona."""


def answers_file(repository):
    return (repository.path / "cassettes/answers/test_it.jsonl").read_bytes()


def verbose_ids(done):
    return [line.split()[0].partition("::")[2] for line in done.stdout.splitlines() if "PASSED" in line]


@pytest.mark.chosen
@pytest.mark.neighbours("randomly")
@pytest.mark.parametrize("ours_last", [False, True])
def test_a_random_order_records_the_same_bytes(repository, batch_server, sent, ours_last):
    repository.test_file(TWO)
    orders, files = [], []
    for seed in (1, 2):
        seeded = f"--randomly-seed={seed}"
        done = repository.send(batch_server, "-v", seeded, mode="record", ours_last=ours_last)
        done.assert_outcomes(passed=12)
        orders.append(verbose_ids(done))
        files.append(answers_file(repository))
        (repository.path / "cassettes/answers/test_it.jsonl").unlink()
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert files[0] == files[1]
    assert sent() == [1] * 8


@pytest.mark.neighbours("randomly")
def test_a_seed_that_is_set_again_for_each_test_repeats_no_id_of_ours(repository, batch_server, sent):
    repository.test_file("""
        import random

        def test_seeded(batch_client):
            assert random.random() == random.Random(7).random()

        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            assert answer.text
    """)
    done = repository.send(batch_server, "--randomly-seed=7", "-k", "test_one and kim")
    done.assert_outcomes(passed=2)
    repository.send(batch_server, "--randomly-seed=7", "-k", "test_one").assert_outcomes(passed=6)
    assert sent() == [1] * 6


@pytest.mark.neighbours("randomly", "xdist")
def test_a_random_order_of_workers_replays(repository):
    repository.test_file()
    repository.record(skip=["park/work"])
    done = repository.run("-n2", "--randomly-seed=3")
    done.assert_outcomes(passed=5, unrecorded=1)
    assert "1 test could not run: 1 request without a recorded answer" in done.stdout
    assert "batch: 5 answers recorded from the simulator (faithful@0)" in done.stdout


@pytest.mark.neighbours("order")
@pytest.mark.parametrize("ours_last", [False, True])
def test_ordered_tests_ask_in_one_wave(repository, batch_server, sent, ours_last):
    repository.test_file("""
        @pytest.mark.order(2)
        @pytest.mark.batch(prompt=ask, persona="kim")
        def test_late(question, answer):
            assert answer.text

        @pytest.mark.order(1)
        @pytest.mark.batch(prompt=ask, persona=["kim", "choi"])
        def test_early(persona, question, answer):
            assert answer.text
    """)
    done = repository.send(batch_server, "-v", ours_last=ours_last)
    done.assert_outcomes(passed=6)
    assert [name.partition("[")[0] for name in verbose_ids(done)] == ["test_early"] * 4 + ["test_late"] * 2
    assert sent() == [1] * 4
    assert done.line("requests  ").startswith("requests   4 in 1 batch")


@pytest.mark.neighbours("split")
@pytest.mark.parametrize("ours_last", [False, True])
def test_groups_of_a_split_send_only_what_is_theirs(repository, batch_server, sent, ours_last):
    repository.test_file()
    first = repository.send(batch_server, "--splits=2", "--group=1", mode="record", ours_last=ours_last)
    first.assert_outcomes(passed=3)
    assert sent() == [1] * 3
    second = repository.send(batch_server, "--splits=2", "--group=2", mode="record", ours_last=ours_last)
    second.assert_outcomes(passed=3)
    assert sent() == [1] * 6
    assert "unused" not in first.stdout + second.stdout
    replay = repository.run("--splits=3", "--group=1", "--store-durations", ours_last=ours_last)
    replay.assert_outcomes(passed=2)
    assert "unused" not in replay.stdout
    assert len(repository.recorded()) == 6


def commit(repository):
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "-A"), (*author, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=repository.path, check=True)


@pytest.mark.neighbours("picked")
@pytest.mark.parametrize("ours_last", [False, True])
def test_picked_tests_send_only_theirs_and_leave_no_recording_unused(repository, batch_server, sent, ours_last):
    repository.test_file()
    repository.record()
    commit(repository)
    repository.test_file(TWO.replace("ask)", 'ask, persona="kim")'), "test_new.py")
    done = repository.send(batch_server, "--picked", ours_last=ours_last)
    done.assert_outcomes(passed=8)
    assert sent() == [1] * 2
    replay = repository.run("--picked", ours_last=ours_last)
    replay.assert_outcomes(passed=8)
    assert "unused" not in replay.stdout
    first = repository.run("--picked=first", ours_last=ours_last)
    first.assert_outcomes(passed=14)
    assert "unused" not in first.stdout


@pytest.mark.neighbours("testmon")
@pytest.mark.parametrize("ours_last", [False, True])
def test_what_testmon_leaves_out_is_not_sent_and_not_unused(repository, batch_server, sent, ours_last):
    repository.test_file()
    repository.record()
    repository.run("--testmon", ours_last=ours_last).assert_outcomes(passed=6)
    done = repository.run("--testmon", ours_last=ours_last)
    assert done.outcomes.get("passed") is None
    assert "unused" not in done.stdout
    assert done.status in (0, 5)
    repository.send(batch_server, "--testmon", ours_last=ours_last)
    assert sent() == []
    prompts = (repository.path / "prompts.py").read_text("utf-8")
    (repository.path / "prompts.py").write_text(prompts.replace('"model": "m"', '"model": "n"'), "utf-8")
    changed = repository.run("--testmon", ours_last=ours_last)
    changed.assert_outcomes(unrecorded=6)
