"""Charts of the report: whatever the numbers and names are, the drawing is well formed and inside of its view box."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pgslo.report.chart import HEIGHT, WIDTH, Chart, Mark

numbers = st.one_of(st.none(), st.floats(), st.floats(-1, 1), st.integers(-10, 10).map(float))
# XML itself has no control characters; the page escapes them as a whole.
names = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"]), max_size=70)
marks = st.builds(
    Mark, names, numbers, st.sampled_from(["", "missed", "suspect", "healed"]), numbers, numbers
)


def coordinates(root: ET.Element) -> list[tuple[float, float]]:
    found = []
    for node in root.iter():
        at = node.attrib
        if "points" in at:
            found += [tuple(map(float, pair.split(","))) for pair in at["points"].split()]
        elif "cx" in at:
            found.append((float(at["cx"]), float(at["cy"])))
        elif "x1" in at:
            found += [(float(at["x1"]), float(at["y1"])), (float(at["x2"]), float(at["y2"]))]
        elif "x" in at:
            found.append((float(at["x"]), float(at["y"])))
    return found


@given(st.lists(marks, max_size=70), names, st.sampled_from(["", "%"]))
@example([Mark("a", 1.7e308, "missed", -1.7e308, 1.7e308), Mark("b", -1.7e308)], "t", "")
@example([Mark("a", 5e-324, "", 0.0, 5e-324), Mark("b", 0.0)], "t", "%")
@example([Mark("a", 1e16), Mark("b", 1e16 + 2)], "t", "")
def test_every_drawing_is_inside_of_its_box(marks, title, unit):
    chart = Chart(title, marks, unit)
    drawn = chart.drawn("c1")
    assert bool(drawn) == bool(chart.values)
    if not drawn:
        assert chart.sentence() == "No value is known."
        return
    root = ET.fromstring(drawn)
    points = coordinates(root)
    assert points
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    shown = "".join(str(value) for node in root.iter() for value in node.attrib.values())
    assert not re.search(r"nan|inf", shown, re.IGNORECASE)
    assert root.attrib["aria-labelledby"] == "c1-t c1-d"
    assert root[0].text == title or not title


@given(st.lists(st.builds(Mark, names, st.floats(-1e6, 1e6)), min_size=2, max_size=40))
def test_what_is_greater_is_drawn_no_lower(marks):
    root = ET.fromstring(Chart("t", marks).drawn("c"))
    (line,) = (node for node in root.iter() if node.attrib.get("class") == "line")
    heights = [float(pair.split(",")[1]) for pair in line.attrib["points"].split()]
    for (one, high), (other, low) in zip(
        zip(marks, heights, strict=True), zip(marks[1:], heights[1:], strict=True), strict=False
    ):
        assert one.value is not None
        assert other.value is not None
        if one.value > other.value:
            assert high <= low


@example([-4.000000000000004e153])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_labels_stay_beside_the_axis(values):
    root = ET.fromstring(Chart("t", [Mark("b", v) for v in values]).drawn("c"))
    texts = [node.text or "" for node in root.iter() if node.tag == "text"]
    assert all(len(text) <= 16 for text in texts)
    ends = [n.text or "" for n in root.iter() if n.tag == "text" and n.attrib.get("x") == "45"]
    assert all(len(text) <= 9 for text in ends)


def test_signs_differ_by_shape_and_the_words_say_the_same():
    chart = Chart(
        "age: share not null",
        [
            Mark("d1", 0.9, "healed", 0.5),
            Mark("d2", 0.4, "missed", 0.5),
            Mark("d3", 0.45, "suspect", 0.5),
            Mark("d4", 1.0, "", 0.5),
        ],
        "%",
    )
    drawn = chart.drawn("c")
    assert drawn.count('<circle class="healed"') == 1
    assert drawn.count('<polygon class="missed"') == 1
    assert drawn.count('<polygon class="suspect"') == 1
    assert (
        chart.sentence()
        == "4 batches, 40 % to 100 %; 1 missed; 1 suspect; 1 healed; now 100 %, at least 50 %."
    )
    assert not chart.is_flat


@pytest.mark.parametrize("state", ["", "missed"])
def test_a_flat_line_needs_no_drawing_unless_something_happened(state):
    assert Chart("t", [Mark("a", 1.0), Mark("b", 1.0, state)]).is_flat == (not state)


def test_a_bound_that_is_far_away_does_not_flatten_the_line():
    near = Chart("t", [Mark("a", 1.0, "", 0.0, 1e9), Mark("b", 2.0, "", 0.0, 1e9)])
    root = ET.fromstring(near.drawn("c"))
    (line,) = (node for node in root.iter() if node.attrib.get("class") == "line")
    one, other = (float(pair.split(",")[1]) for pair in line.attrib["points"].split())
    assert one - other > 30
