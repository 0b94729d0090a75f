"""monotonic: values only rise, or only fall, in the order of other columns."""

KIND = "monotonic"

RISING = (
    "shop = n % 2; clicks = n / 2; signed_up_at = timestamptz '2026-11-22 00:00Z' + n * interval '1 hour'"
)


def test_rising_for_each_group(golden):
    golden.load("2026-11-22", RISING, rows=20)
    assert golden.close()["clicks_monotonic"][:2] == ("met", 0)
    golden.run("UPDATE features.user_stats SET clicks = 0 WHERE user_id = 10")
    assert golden.close()["clicks_monotonic"] == (
        "missed",
        1,
        "1 row out of order; the objective is at most 0",
    )


def test_strictly_falling(golden):
    golden.load("2026-11-22", f"{RISING}; spend = 100 - n", rows=10)
    assert golden.close()["spend_falls"][:2] == ("met", 0)
    golden.run("UPDATE features.user_stats SET spend = 95 WHERE user_id = 6")
    assert golden.close()["spend_falls"][:2] == ("missed", 1)


def test_null_is_no_step(golden):
    golden.load("2026-11-22", RISING, rows=10)
    golden.run("UPDATE features.user_stats SET clicks = NULL WHERE user_id = 4")
    assert golden.close()["clicks_monotonic"][:2] == ("met", 0)
