KIND = "unique"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(email="'a'", phone="'1'", shop="1", sku="'a'", plan="'pro'")
    golden.passes(email="'b'", phone="'2'", shop="1", sku="'a'")
    golden.passes(phone="'1'", feature_date="'2026-11-23'")
    golden.passes()
    golden.passes()


def test_rejects_as_postgresql_does(golden):
    golden.run(golden.row(phone="'1'"))
    error = golden.refused(golden.row(phone="'1'"))
    assert (error.sqlstate, error.rule) == ("23505", "pgslo__user_stats__one_phone_a_day")


def test_rejects_where_it_is_asked_to(golden):
    golden.run(golden.row(shop="1", sku="'a'", plan="'pro'"))
    golden.passes(shop="1", sku="'a'", plan="'free'")
    error = golden.refused(golden.row(shop="1", sku="'a'", plan="'pro'"))
    assert (error.sqlstate, error.rule) == ("23505", "pgslo__user_stats__one_sku_in_a_shop")


def test_warns(golden):
    golden.run(golden.row(email="'a'"))
    outcome = golden.run(golden.row(email="'a'"))
    assert (outcome.count, outcome.warned) == (1, {"email_unique"})
    assert golden.failures() == {"email_unique": 1}
