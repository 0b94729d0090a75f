KIND = "expression"
MODES = ("bulk", "stream")


def test_true_and_unknown_pass(golden):
    golden.passes(clicks="2", last_seen_at="now()", signed_up_at="now()", spend="0")
    golden.passes(last_seen_at="now()")
    golden.passes(spend="5", shop="1")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(golden.row(last_seen_at="'2026-01-01'", signed_up_at="'2026-01-02'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", None, "seen_after_sign_up")
    assert "the rule wants: last_seen_at IS NULL OR last_seen_at >= signed_up_at." in error.detail
    assert "Key (user_id, feature_date) = (1, 2026-11-22)." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(spend="5")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("payers_have_a_shop",))]


def test_warns_and_flags(golden):
    golden.passes(spend="500", clicks="2", shop="1")
    outcome = golden.run(golden.row(spend="500", clicks="1", shop="1", plan="'pro'"))
    assert (outcome.count, outcome.warned) == (1, {"spend_per_click"})
    assert golden.failures() == {"clicks_expression": 1, "spend_per_click": 1}
