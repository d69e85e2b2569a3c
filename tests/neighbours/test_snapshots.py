"""syrupy, inline-snapshot: a snapshot of an answer outlives a test that is not recorded."""

import pytest

SYRUPY = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer, snapshot):
        assert answer.text == snapshot
"""


@pytest.mark.chosen
@pytest.mark.neighbours("syrupy")
@pytest.mark.parametrize("ours_last", [False, True])
def test_syrupy_keeps_the_snapshot_of_a_test_that_is_skipped_as_unrecorded(repository, ours_last):
    repository.test_file(SYRUPY)
    repository.record()
    first = repository.run("--snapshot-update", ours_last=ours_last)
    first.assert_outcomes(passed=6)
    path = repository.path / "__snapshots__/test_it.ambr"
    written = path.read_text("utf-8")
    assert "# name: test_one[park-work]\n  'park/work'" in written
    again = repository.run(ours_last=ours_last)
    again.assert_outcomes(passed=6)
    (repository.path / "cassettes/answers/test_it.jsonl").unlink()
    repository.record(skip=["park/work"])
    done = repository.run("--snapshot-update", "-o", "batch_missing=skip", ours_last=ours_last)
    done.assert_outcomes(passed=5, skipped=1)
    assert path.read_text("utf-8") == written
    done = repository.run("--snapshot-update", ours_last=ours_last)
    done.assert_outcomes(passed=5, unrecorded=1)
    assert "Deleted test_one[park-work]" in done.stdout, "syrupy forgets every test that ends with an error"


@pytest.mark.neighbours("syrupy", "xdist")
def test_syrupy_with_workers_and_what_is_sent(repository, batch_server, sent):
    repository.test_file(SYRUPY)
    repository.send(batch_server, "--snapshot-update", mode="record").assert_outcomes(passed=6)
    repository.run("-n2").assert_outcomes(passed=6)
    assert sent() == [1] * 6
    repository.send(batch_server, "--batch-refresh", "-k", "kim").assert_outcomes(passed=2)


@pytest.mark.neighbours("inline-snapshot")
@pytest.mark.parametrize("ours_last", [False, True])
def test_inline_snapshots_are_written_for_recorded_answers_only(repository, ours_last):
    path = repository.test_file("""
        from inline_snapshot import snapshot

        @pytest.mark.batch(prompt=ask, persona="kim", question="sleep")
        def test_kim(answer):
            assert answer.text == snapshot()

        @pytest.mark.batch(prompt=ask, persona="park", question="work")
        def test_park(answer):
            assert answer.text == snapshot()
    """)
    repository.record(skip=["park/work"])
    done = repository.run("--inline-snapshot=create", ours_last=ours_last)
    assert done.outcomes["unrecorded"] == 1
    text = path.read_text("utf-8")
    assert text.count("snapshot('kim/sleep')") == 1
    assert text.count("snapshot()") == 1
    plain = repository.run("-k", "kim", ours_last=ours_last)
    assert plain.status == 0
