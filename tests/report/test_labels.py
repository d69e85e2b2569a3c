"""Names on a map of points: near their points, never on each other, whatever the points are."""

import re
from itertools import combinations, pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from pytest_batcheval.report.labels import HIGH, POINT, place_labels
from pytest_batcheval.report.svg import LABEL, SMALL_COLUMN, points
from pytest_batcheval.text.table import columns

KOREAN = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=LABEL // 2)
PLACE = st.floats(-1, 1, allow_nan=False).map(lambda number: round(number, 3))
MAPS = st.lists(st.tuples(KOREAN, PLACE, PLACE), min_size=1, max_size=40)
ON_ONE_POINT = [("불안하고 신중한 환자분입니다", 0.0, 0.0)] * 40
ON_ONE_LINE = [("불안하고 신중한 환자분입니다", number / 40, 0.0) for number in range(40)]
TEXT = re.compile(r'<text x="([\d.-]+)" y="([\d.-]+)" text-anchor="middle" font-size="11"[^>]*>([^<]*)</text>')


def boxes(picture):
    """(left, top, right, bottom) of each name in a picture."""
    for x, y, name in TEXT.findall(picture):
        wide = columns(name) * SMALL_COLUMN
        yield float(x) - wide / 2, float(y) - 10, float(x) + wide / 2, float(y) + 2


def covers(one, other):
    """Whether two boxes share a place, or touch."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


@given(MAPS)
@example(ON_ONE_POINT)
@example(ON_ONE_LINE)
@example([("이름", 0.0, 0.0)])
def test_no_two_names_of_a_map_overlap(given):
    picture = points([{"persona": name, "x": x, "y": y} for name, x, y in given], "persona")
    found = list(boxes(picture))
    assert len(found) == len(given)
    assert [pair for pair in combinations(found, 2) if covers(*pair)] == []
    wide, high = map(float, re.search(r'width="(\d+)" height="(\d+)"', picture).groups())
    for left, top, right, bottom in found:
        assert left >= -1
        assert top >= 0
        assert right <= wide + 1
        assert bottom <= high


@given(MAPS)
def test_no_name_covers_a_point(given):
    spots = [(200 + x * 200, 200 + y * 200) for _, x, y in given]
    widths = [columns(name) * SMALL_COLUMN for name, _, _ in given]
    for label, width in zip(place_labels(spots, widths, 600), widths, strict=True):
        for x, y in spots:
            assert abs(x - label.x) * 2 >= width or abs(y - label.y) * 2 >= HIGH - 1 + 2 * POINT


def test_a_lonely_point_has_its_name_above_and_a_crowded_one_a_line_to_it():
    assert place_labels([(100, 100)], [40], 300)[0].joins is None
    assert place_labels([(100, 100)], [40], 300)[0].y < 100
    crowd = place_labels([(100, 100)] * 12, [80] * 12, 300)
    assert any(label.joins for label in crowd)
    assert place_labels([(100, 100)] * 12, [80] * 12, 300) == crowd
    assert place_labels([], [], 300) == []


def test_a_name_that_finds_no_room_stands_below_all_others():
    narrow = place_labels([(50.0, 20.0)] * 100, [100.0] * 100, 100)
    rows = sorted(label.y for label in narrow)
    assert all(below - above >= HIGH for above, below in pairwise(rows))
