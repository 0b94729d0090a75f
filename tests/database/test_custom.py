KIND = "custom"


def test_values_and_null_pass(golden):
    golden.passes(sku="'DE89370400440532013000'", clicks="5", spend="10")
    golden.passes(clicks="5")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(golden.row(sku="'IT60X0542811101000000123456'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "sku", "sku_iban")
    assert "sku = IT60X0542811101000000123456; the rule wants:" in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(clicks="4", spend="10")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("click_share",))]


def test_warns(golden):
    outcome = golden.run(golden.row(campaign="'GB82WEST12345698765432X'"))
    assert (outcome.count, outcome.warned) == (1, {"campaign_iban"})
