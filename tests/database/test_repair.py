import pytest

KIND = "repair"


def test_good_values_stay(golden):
    golden.passes(age="0", score="0.5", spend="1.25", country="'us'")


@pytest.mark.parametrize(
    ("column", "value", "repaired", "old", "new"),
    [
        ("age", "-1", 0, "-1", "0"),
        ("age", "121", 120, "121", "120"),
        ("score", "NULL", 0.5, None, "0.5"),
        ("score", "'NaN'", 0.5, "NaN", "0.5"),
        ("score", "'-Infinity'", 0.0, "-Infinity", "0"),
        ("country", "' USA '", "us", " USA ", "us"),
        ("country", "'N/A'", None, "N/A", None),
    ],
)
def test_repairs(golden, column, value, repaired, old, new):
    values = {"score": "0.1", column: value}
    outcome = golden.run(golden.row(**values) + f" RETURNING {column}")
    assert outcome.rows == ((repaired,),)
    assert outcome.notices == ()
    assert golden.repairs() == [(column, old, new)]


def test_judges_after_the_repair(golden):
    error = golden.refused(golden.row(score="0.1", country="' IT '"))
    assert (error.sqlstate, error.rule) == ("23514", "country_accepted_values")
    assert "country = it;" in error.detail


def test_repairs_where_it_is_asked_to(golden):
    assert golden.values(golden.row(score="0.1", spend="1.25", shop="1") + " RETURNING spend::text") == [
        "1.30"
    ]
    assert golden.values(golden.row(score="0.1", spend="1.25", shop="2") + " RETURNING spend::text") == [
        "1.25"
    ]


def test_repairs_from_other_columns(golden):
    golden.run(golden.row(score="0.1", signed_up_at="'2026-01-02'", last_seen_at="'2026-01-01'"))
    assert golden.values("SELECT last_seen_at = signed_up_at FROM features.user_stats") == [True]
