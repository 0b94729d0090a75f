"""Histograms of two batches: bins that hold everything, whatever the numbers are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgslo.report.histogram import Histogram

STEPS = [n / 38 for n in range(39)]
USUAL = [50 + 10 * (share - 0.5) for share in STEPS]

quantiles = st.lists(
    st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=39, max_size=39
).map(sorted)


def histogram(before, then, column="price"):
    return Histogram(column, ("2026-01-01", "2026-01-02"), (before, then))


@given(quantiles, quantiles)
def test_every_value_is_in_a_bin(before, then):
    made = histogram(before, then)
    if made.is_flat:
        return
    edges = made.edges
    assert edges == sorted(edges)
    for shares in made.shares:
        assert len(shares) == len(edges) - 1
        assert all(share >= 0 for share in shares)
        assert sum(shares) == pytest.approx(1)
    ET.fromstring(made.drawn("x"))


def test_the_same_numbers_are_the_same_bars():
    before, then = histogram(USUAL, USUAL).shares
    assert before == then
    assert before == pytest.approx([1 / 20] * 20)


def test_another_unit_is_seen_beside_the_usual_one():
    """Bins of equal width would put all of the earlier batch into the first one."""
    made = histogram(USUAL, [100 * value for value in USUAL])
    before, then = made.shares
    assert max(before[:3]) > 0.4
    assert max(then[-3:]) > 0.4
    assert not any(one > 0 and other > 0 for one, other in zip(before, then, strict=True))
    assert made.sentence() == (
        "Grey, batch 2026-01-01: median 50, the middle half 47.63 to 52.37. "
        "Blue, batch 2026-01-02: median 5,000, the middle half 4,763 to 5,237."
    )


def test_one_value_before_and_another_then():
    before, then = histogram([1.0] * 39, [2.0] * 39).shares
    assert before == [1, *[0] * 19]
    assert then == [*[0] * 19, 1]


@pytest.mark.parametrize(
    "then", [[1.0] * 39, [float("inf")] * 39, [float("nan")] * 39, [-1e308, *[1e308] * 38]]
)
def test_what_cannot_be_drawn(then):
    assert histogram([1.0] * 39, then).is_flat


def test_names_are_text():
    drawn = histogram(USUAL, [2 * value for value in USUAL], "<script>").drawn("k")
    assert "<script>" not in drawn
    assert re.search(r"<title id=\"k-t\">&lt;script&gt;: values before and then</title>", drawn)
