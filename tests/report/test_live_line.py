import json
import unicodedata
from dataclasses import replace

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.engine.snapshot import BatchSnapshot, CallSnapshot, WaitSnapshot
from pytest_batcheval.journal.rows import STAGES
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.live_line import LiveLines, LogLines
from pytest_batcheval.text.redraw import redrawn
from pytest_batcheval.text.table import columns

ID = "batch_6955b9004d89589b63e18133bb13d26c"


class Takes(Eta):
    """Every batch takes this many seconds."""

    def __init__(self, seconds=None):
        super().__init__()
        self.seconds = seconds

    def duration(self, endpoint, model, requests):
        return self.seconds


def batch(ordinal=1, of=1, stage="run", **more):
    status = {"upload": "planned", "queue": "validating", "run": "in_progress", "download": "completed"}.get(
        stage, stage
    )
    given = {"batch_id": ID, "status": status, "done": 0, "failed": 0, "total": 275, "elapsed": 60.0}
    return BatchSnapshot(ordinal, of, **(given | more), stage=stage)


def board(*seen, wave=1, speed=1.0, takes=None, now=0.0):
    made = LiveLines()
    made.begin(wave, speed, Takes(takes))
    for each in seen:
        made.take(each, now)
    return made


def line(made, width=199, now=0.0):
    (only,) = made.lines(now, width, 20)
    return only


# -- one line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (batch(stage="upload", batch_id=""), "batch 1/1  planned  0/275 done  1m 00s"),
        (batch(stage="queue"), f"batch 1/1  validating  0/275 done  1m 00s  {ID}"),
        (batch(done=3, failed=2), f"batch 1/1  in_progress  3/275 done, 2 failed  1m 00s  {ID}"),
        (batch(status="finalizing"), f"batch 1/1  finalizing  0/275 done  1m 00s  {ID}"),
        (batch(status="paused"), f"batch 1/1  paused  0/275 done  1m 00s  {ID}"),
        (batch(trouble="HTTP 503, trying again"), "batch 1/1  in_progress  0/275 done  1m 00s  no answer: HTTP 503, trying again"),
        (batch(stage="queue", status="reconciling", note="reset"), "batch 1/1  reconciling  0/275 done  1m 00s  reset"),
        (batch(stage="download"), f"batch 1/1  completed  0/275 done  1m 00s  {ID}"),
        (
            CallSnapshot(1, 1, "", "in_progress", 7, 0, 9, 5.0, in_flight=2, stage="run"),
            "calls  in_progress  7/9 done  5s  2 under way",
        ),
    ],
)  # fmt: skip
def test_a_line_says_how_a_batch_stands(seen, shown):
    assert line(board(seen)) == shown


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, f"batch 1/1  in_progress  120/275 done, 2 failed  13m 05s  9.6/min  about 16m left  {ID}"),
        (84, "batch 1/1  in_progress  120/275 done, 2 failed  13m 05s  9.6/min  about 16m left"),
        (74, "batch 1/1  in_progress  120/275 done, 2 failed  13m 05s  about 16m left"),
        (60, "1/1  in_progress  120/275, 2 failed  13m 05s  ~16m"),
        (44, "1/1  in_progress  120/275, 2 failed  13m 05s"),
        (43, "1/1  in_progress  120/275, 2 failed"),
    ],
)
def test_a_narrow_line_has_what_matters_most(width, shown):
    made = board(batch(elapsed=20.0), batch(done=120, failed=2, elapsed=785.0))
    assert line(made, width) == shown


def test_a_later_wave_is_named():
    assert line(board(batch(), wave=2)).startswith("wave 2 batch 1/1  in_progress")


def test_lines_are_aligned():
    made = board(batch(1, 3, done=5, failed=1), batch(2, 3, "queue"), batch(3, 3, trouble="HTTP 503"))
    assert made.lines(0, 80, 3) == [
        "batch 1/3  in_progress  5/275 done, 1 failed  1m 00s",
        "batch 2/3  validating   0/275 done            1m 00s",
        "batch 3/3  in_progress  0/275 done            1m 00s  no answer: HTTP 503",
    ]


# -- time ---------------------------------------------------------------------------------------------------------


def test_time_goes_on_between_two_snapshots_where_it_is_real():
    seen = batch(elapsed=60.0, batch_id="")
    assert line(board(seen, now=1000.0), now=1005.5).endswith("1m 05s")
    assert line(board(seen, now=1000.0, speed=0.0), now=1005.5).endswith("  1m 00s virtual")
    assert line(board(seen, now=1000.0, speed=600.0), now=1005.5).endswith("  56m 00s virtual")


def test_the_next_look_at_the_provider_comes_nearer_where_time_does_not_jump():
    seen = batch(next_look=20.0, batch_id="")
    assert line(board(seen), now=0.5).endswith("  1m 00s  next look in 20s")
    assert line(board(seen), now=19.5).endswith("  next look in 1s")
    assert line(board(seen), now=20.0).endswith("  looking")
    assert line(board(seen, speed=0.0), now=1.0).endswith("  1m 00s virtual")
    assert line(board(seen), width=59).endswith("  1m 00s  look in 20s")
    assert line(board(seen), width=50) == "batch 1/1  in_progress  0/275 done  1m 00s"


def test_what_is_virtual_is_said_at_the_end_and_in_a_log_too():
    made = board(batch(status="completed", ended=True, batch_id=""), speed=0.0)
    assert made.describe(1, 0.0).endswith("0/275 done after 1m 00s virtual")
    assert board(batch(), speed=0.0).describe(1, 0.0).endswith("1m 00s virtual")
    pause = WaitSnapshot.of_pause(600.0, 1, "attempt 2 of 3")
    said = "waiting 10m 00s virtual before 1 request can be sent again: attempt 2 of 3"
    assert board(pause, speed=0.0).describe(0, 0.0) == said
    assert line(board(pause, speed=0.0)).split() == said.split()


# -- all batches --------------------------------------------------------------------------------------------------


def test_several_batches_have_a_line_for_all_of_them_with_those_that_have_ended():
    made = board(
        batch(1, 4, "settle", done=275, elapsed=90.0, ended=True),
        batch(2, 4, elapsed=20.0, next_look=7.0),
        batch(2, 4, done=75, elapsed=120.0, next_look=7.0),
        batch(3, 4, elapsed=20.0, next_look=5.0),
        batch(3, 4, done=25, failed=25, elapsed=120.0, next_look=5.0),
        batch(4, 4, trouble="HTTP 503", elapsed=120.0),
    )
    made.take(batch(4, 4, "download", done=275, elapsed=120.0), 0.0)
    for width, rest in (
        (80, "  1.2/s  about 8m left  next look in 5s"),
        (65, "  about 8m left  next look in 5s"),
        (60, "  ~8m  look in 5s"),
        (40, "  ~8m"),
        (32, ""),
    ):
        assert made.lines(0, width, 9)[-1] == f"all 4  650/1100 done, 25 failed{rest}"
    assert "next look" not in "".join(made.lines(0, 120, 9)[:-1])
    assert [seen.ordinal for seen in made.under_way] == [2, 3, 4]
    again = board()
    again.restore(json.loads(json.dumps(made.state())))
    assert again.lines(2.0, 120, 9) == made.lines(2.0, 120, 9)


def test_one_batch_that_is_left_needs_no_total():
    made = board(batch(1, 2, "settle", ended=True), batch(2, 2))
    assert line(made).startswith("batch 2/2")


def test_an_end_that_is_unknown_for_one_is_unknown_for_all():
    made = board(batch(1, 2), batch(1, 2, done=75, elapsed=160.0), batch(2, 2))
    first, _, total = made.lines(0, 80, 9)
    assert "about" in first
    assert "about" not in total


@pytest.mark.parametrize(
    ("elapsed", "shown"),
    [
        (0.0, "about 2h 00m left"),
        (6000.0, "about 20m left"),
        (7165.0, "about 40s left"),
        (7145.0, "about 1m left"),
        (7199.0, "about 10s left"),
        (7200.0, "longer than usual"),
    ],
)
def test_the_expected_end_is_what_similar_batches_say(elapsed, shown):
    assert line(board(batch(elapsed=elapsed, batch_id=""), takes=7200.0)).endswith(f"  {shown}")


def test_the_rate_is_that_since_it_was_first_seen_running():
    made = board(batch(stage="queue", elapsed=500.0), batch(done=100, elapsed=600.0), batch(done=110, elapsed=605.0))
    assert "  2.0/s  about 1m left  " in line(made)


def test_the_expected_end_of_a_rate_comes_nearer():
    made = board(batch(done=0), batch(done=75, elapsed=160.0), now=0.0)
    assert [line(made, now=now).split("about ")[1].split(" left")[0] for now in (0, 60, 3600)[:2]] == ["4m", "3m"]
    assert "longer than usual" in line(made, now=3600)


# -- many batches, rounds, ends -----------------------------------------------------------------------------------


def many():
    seen = [batch(n, 28, "queue" if n % 4 == 0 else "run", batch_id="") for n in range(1, 29)]
    return board(*seen)


def test_batches_that_find_no_room_are_folded():
    lines = many().lines(0, 80, 9)
    assert len(lines) == 9
    assert lines[-2:] == ["… and 21 more: 7 validating, 14 in_progress", "all 28  0/7700 done"]
    assert [text.split()[1] for text in lines[:-2]] == ["1/28", "2/28", "3/28", "5/28", "6/28", "7/28", "9/28"]


def test_trouble_is_never_folded_and_ended_batches_are_counted():
    made = many()
    made.take(batch(28, 28, trouble="HTTP 503"), 0)
    made.take(batch(1, 28, "settle", ended=True), 0)
    lines = made.lines(0, 80, 3)
    assert lines[1].startswith("batch 28/28  in_progress")
    assert lines[-1] == "… and 25 more: 6 validating, 19 in_progress; 1 of 28 have ended"


def test_one_line_of_room_is_enough():
    assert many().lines(0, 80, 1) == ["28 batches: 7 validating, 21 in_progress"]


def test_a_batch_that_ended_has_no_line_and_the_next_round_begins_anew():
    made = board(batch(1, 2, "settle", ended=True), batch(2, 2))
    assert line(made).startswith("batch 2/2")
    made.take(batch(2, 2, "settle", ended=True), 0)
    assert made.lines(0, 80, 9) == []
    made.take(batch(1, 1, "upload"), 0)
    assert line(made).startswith("batch 1/1  planned")


@pytest.mark.parametrize(
    ("seen", "ending"),
    [
        (batch(status="completed", done=270, failed=5), "completed, 270/275 done, 5 failed after 1m 00s"),
        (batch(status="expired", done=9, failed=0), "expired, 9/275 done after 1m 00s"),
        (batch(status="failed", note="no such\nmodel"), "failed, 0/275 done after 1m 00s: no such model"),
        (batch(status="reconciling", note="surely not created"), "given up, 0/275 done after 1m 00s: surely not created"),
    ],
)  # fmt: skip
def test_the_end_of_a_batch_is_one_line(seen, ending):
    assert board(replace(seen, ended=True)).describe(1, 0.0) == f"batch 1/1 {ID}: {ending}"


# -- the log ------------------------------------------------------------------------------------------------------


def log_of(*moments):
    """What a log says of snapshots at times."""
    made = board()
    log, said = LogLines(made), []
    for now, seen in moments:
        if seen is not None:
            made.take(seen, now)
        said += [(now, text) for text in (log.take(seen, now) if seen is not None else log.due(now))]
    return [(now, text.partition(": ")[2]) for now, text in said]


def test_a_log_tells_stages_and_the_end_and_nothing_twice():
    assert log_of(
        (0, batch(stage="upload", batch_id="")),
        (1, batch(stage="queue", batch_id="", status="uploaded")),
        (2, batch(stage="queue", elapsed=0.0)),
        (9, batch(elapsed=7.0)),
        (15, None),
        (20, batch(done=3, elapsed=18.0)),
        (30, batch(stage="download", done=275, elapsed=28.0)),
        (31, batch(stage="settle", status="completed", done=275, elapsed=29.0, ended=True)),
        (99, None),
    ) == [
        (2, "validating, 0/275 done, 0s"),
        (9, "in_progress, 0/275 done, 7s"),
        (31, "completed, 275/275 done after 29s"),
    ]


def test_a_log_tells_counts_at_most_once_a_minute_and_the_last_ones_late():
    moments = [(0, batch(elapsed=0.0)), *((n, batch(done=n, elapsed=float(n))) for n in range(1, 100)), (130, None)]
    assert [(now, text.split(",")[1]) for now, text in log_of(*moments)] == [
        (0, " 0/275 done"),
        (60, " 60/275 done"),
        (130, " 99/275 done"),
    ]


def test_a_log_tells_no_look_that_found_nothing_new():
    looks = [(n, batch(done=int(n > 150), elapsed=float(n), next_look=5.0)) for n in range(0, 400, 5)]
    assert [(now, text.split(",")[1]) for now, text in log_of(*looks)] == [(0, " 0/275 done"), (155, " 1/275 done")]


def test_a_log_tells_trouble_and_its_end_at_once():
    said = log_of((0, batch()), (1, batch(trouble="HTTP 503")), (2, batch(trouble="HTTP 500")), (3, batch()))
    assert [(now, text.rpartition(", ")[2]) for now, text in said] == [
        (0, "1m 00s"),
        (1, "no answer from the provider: HTTP 503"),
        (3, "the provider answers again"),
    ]


def test_a_log_tells_the_next_round_too():
    ended = batch(stage="settle", status="completed", ended=True)
    assert len(log_of((0, batch()), (1, ended), (2, batch()), (3, ended))) == 4


def test_calls_have_their_own_words():
    seen = CallSnapshot(1, 1, "", "in_progress", 7, 1, 9, 5.0, in_flight=1, stage="run")
    assert board(seen).describe(1, 0.0) == "calls: 7/9 answered, 1 failed, 1 under way"
    assert board(seen, wave=2).describe(1, 0.0).startswith("wave 2 calls: ")


# -- any snapshots ------------------------------------------------------------------------------------------------

texts = st.text(max_size=60) | st.sampled_from(
    ["한국어 상태" * 9, "e\u0301" * 40, "\x1b[2J", "\u202e", "a\nb\tc", "\ud800"]
)
snapshots = st.builds(
    BatchSnapshot,
    ordinal=st.integers(1, 40),
    of=st.integers(1, 50_000),
    batch_id=texts,
    status=texts | st.sampled_from(["in_progress", "reconciling", "finalizing"]),
    done=st.integers(0, 50_000),
    failed=st.integers(0, 50_000),
    total=st.integers(0, 50_000),
    elapsed=st.floats(-1, 1e7),
    note=texts,
    trouble=texts,
    ended=st.booleans(),
    stage=st.sampled_from(STAGES),
    attached=st.booleans(),
    next_look=st.none() | st.floats(0, 1e5),
)


def harmless(text):
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character == "\u202e" for character in text
    )


@pytest.mark.sampled
@given(
    st.lists(st.tuples(snapshots, st.floats(0, 10)), max_size=20),
    st.integers(40, 200),
    st.integers(1, 30),
    st.integers(1, 3),
    st.none() | st.floats(0, 1e5),
)
def test_any_lines_fit_and_are_harmless(seen, width, most, wave, takes):
    made, now = board(wave=wave, takes=takes), 0.0
    log, under_way = LogLines(made), {}
    for each, later in seen:
        now += later
        made.take(each, now)
        noted = log.take(each, now)
        lines = made.lines(now + later, width, most)
        assert len(lines) <= most
        assert all(columns(text) <= width and harmless(text) for text in lines)
        assert all(harmless(text) for text in noted)
        before = under_way.get(each.ordinal)
        under_way = {**({} if before is not None and before.ended else under_way), each.ordinal: each}
        assert bool(lines) == any(not other.ended for other in under_way.values())


# -- redrawing ----------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@given(
    st.lists(
        st.tuples(st.lists(st.text("ab한", max_size=9), max_size=6), st.lists(st.text("xyz", max_size=9), max_size=2))
    )
)
def test_a_redrawn_screen_shows_what_was_said_and_the_newest_lines_only(drawings):
    screen = pyte.Screen(40, 400)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.Stream(screen)
    stream.feed("pytest said\n")
    said, old = ["pytest said"], []
    for new, above in drawings:
        if old or new or above:
            stream.feed("^C" + redrawn(old, new, above, 40, 400))
        said, old = [*said, *above], new
    shown = [text.rstrip() for text in screen.display]
    assert [text for text in shown if text] == [text for text in (*said, *old) if text]
    assert (screen.cursor.x, screen.cursor.y) == (0, len(said) + len(old))


def test_nothing_is_erased_where_only_texts_change():
    assert redrawn(["a", "b"], ["c", "d"], [], 80, 24) == "\r\x1b[J\x1b[2Ac\x1b[K\nd\x1b[K\n"


def test_lines_that_a_narrower_terminal_has_wrapped_are_erased_whole():
    assert redrawn(["x" * 70, "y" * 30], ["z"], [], 40, 24).startswith("\r\x1b[J\x1b[3A\x1b[J")


def test_what_has_left_the_screen_is_not_looked_for():
    assert redrawn(["x"] * 30, ["z"], [], 40, 10).startswith("\r\x1b[J\x1b[9A\x1b[J")
