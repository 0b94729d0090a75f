import pytest

KIND = "references"
MODES = ("bulk", "stream")


@pytest.fixture
def golden(golden):
    golden.run("INSERT INTO dim.country VALUES ('us', 'United States'), ('de', 'Germany')")
    golden.run("INSERT INTO dim.product VALUES (1, 'a'), (2, 'b')")
    golden.run("INSERT INTO dim.campaign VALUES ('spring'), ('spring')")
    return golden


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", shop="1", sku="'a'", campaign="'spring'", plan="'spring'")
    golden.passes(shop="9")
    golden.passes(sku="'z'")
    golden.passes()


def test_rejects_as_postgresql_does(golden):
    error = golden.refused(golden.row(country="'fr'"))
    assert (error.sqlstate, error.table, error.rule) == ("23503", "user_stats", "pgslo__country_references")
    golden.run(golden.row(country="'de'"))
    assert golden.refused("DELETE FROM dim.country").sqlstate == "23503"


def test_quarantines(golden):
    assert golden.run(golden.row(shop="1", sku="'b'")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("product_is_known",))]


def test_warns_and_flags(golden):
    golden.passes(plan="'x'")
    outcome = golden.run(golden.row(campaign="'autumn'", plan="'x'", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"campaign_references"})
    assert golden.failures() == {"campaign_references": 1, "plan_is_a_campaign": 1}
