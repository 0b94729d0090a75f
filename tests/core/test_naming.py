from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pgslo import naming

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=40)
PARTS = st.tuples(NAMES, NAMES, st.sampled_from(["write_row", "repair", "x" * 60]))
#: Parts that look alike once they are joined or cut.
ALIKE = st.tuples(
    st.sampled_from(["a", "a_", "a__b", "_a", "b" * 62, "b" * 63, "ü" * 31, "ü" * 30 + "a"]),
    st.sampled_from(["b", "_b", "b__c", "a__b", "c" * 63]),
    st.sampled_from(["c", "_c", "write_row", "0123abcd"]),
)


@given(PARTS | ALIKE, PARTS | ALIKE)
def test_different_parts_never_share_a_name(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (naming.fit(*one) == naming.fit(*other)) == (one == other)


@given(PARTS | ALIKE)
def test_a_name_is_never_cut_by_the_server(parts: tuple[str, ...]) -> None:
    assert 0 < len(naming.fit(*parts).encode()) <= naming.MAX_BYTES


def test_ten_thousand_names_with_a_common_beginning_stay_apart() -> None:
    names = {naming.fit("s" * 63, f"t{number}", "write_row") for number in range(10_000)}
    assert len(names) == 10_000


def test_short_names_stay_readable() -> None:
    assert naming.fit("features", "user_stats", "write_row") == "features__user_stats__write_row"


def test_triggers_fire_in_the_order_of_their_numbers() -> None:
    names = [
        naming.trigger(order, "x", "row")
        for order in (naming.REPAIR_ORDER, naming.ENFORCE_ORDER, naming.MEASURE_ORDER)
    ]
    assert names == sorted(names)
