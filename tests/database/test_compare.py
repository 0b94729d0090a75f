KIND = "compare"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(last_seen_at="'2026-01-01'", signed_up_at="'2026-01-01'", shop="0", clicks="2", age="1")
    golden.passes(last_seen_at="'2026-01-01'", clicks="1", sku="'a'")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(
        golden.row(last_seen_at="'2026-01-01 00:00+00'", signed_up_at="'2026-01-02 00:00+00'")
    )
    assert (error.sqlstate, error.column, error.rule) == ("23514", "last_seen_at", "last_seen_at_compare")
    assert "the rule wants: last_seen_at at least signed_up_at." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(shop="1")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("shop_compare",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(clicks="1", age="1", sku="'a'", campaign="'a'", user_id="5", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"clicks_above_age"})
    assert golden.failures() == {"clicks_above_age": 1, "sku_is_not_campaign": 1}
