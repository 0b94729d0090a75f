"""How a plan writes what changes between two texts."""

from __future__ import annotations

import pytest

from pgslo.plan.changed_words import changed


@pytest.mark.parametrize(
    ("was", "becomes", "shown"),
    [
        ("age between 0 and 120", "age between 0 and 110", "age between 0 and 120 → 110"),
        ("age between 0 and 120", "age between 5 and 120", "age between 0 → 5 and 120"),
        ("age between 0 and 120", "age between 1 and 110", "age between 0 and 120 → age between 1 and 110"),
        ("age of at least 0", "age between 0 and 9", "age of at least 0 → age between 0 and 9"),
        ("land one of us, de", "land one of us, de, fr", "land one of us, de, fr (+ fr)"),
        ("land one of us, de, fr", "land one of us, fr", "land one of us, fr (- de)"),
        ("land one of us, de", "land one of us, fr", "land one of us, de → fr"),
        ("n of at least 0", "n of at least 0, where a = 1", "n of at least 0, where a = 1 (+ where a = 1)"),
        ("a and b and c", "a and c", "a and b and c → a and c"),
        ("statement trigger", "row trigger", "statement trigger → row trigger"),
        ("1", "3", "1 → 3"),
        ("", "0.9", "not set → 0.9"),
        ("0.9", "", "0.9 → not set"),
    ],
)
def test_what_changes(was: str, becomes: str, shown: str) -> None:
    assert changed(was, becomes) == shown


def test_of_a_long_text_the_words_beside_it_are_left() -> None:
    words = [f"w{n}" for n in range(200)]
    shown = changed(" ".join([*words, "3", *words]), " ".join([*words, "4", *words]))
    assert "w199 3 → 4 w0 " in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) < 200
