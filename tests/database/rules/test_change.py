"""change: a statistic or the number of rows does not move by more than so much from earlier batches."""

KIND = "change"


def test_from_the_previous_batch(golden):
    golden.load("2026-11-20", "age = 40")
    assert golden.close()["age_change"] == ("unknown", None, "no earlier batch exists to compare with")
    golden.load("2026-11-21", "age = 45")
    assert golden.close("2026-11-21")["age_change"] == (
        "met",
        0.125,
        "the mean is 45 after 40 in the previous batch; the objective is a change of between -20 % and 20 %",
    )
    golden.load("2026-11-22", "age = 30")
    assert golden.close("2026-11-22")["age_change"][:2] == ("missed", -0.333333)


def test_rows_from_the_mean_of_a_window(golden):
    for day, rows in enumerate([10, 20, 30, 9], 20):
        golden.load(f"2026-11-{day}", "age = 40", rows=rows)
        verdicts = golden.close(f"2026-11-{day}")
    assert verdicts["no_sudden_loss"] == (
        "missed",
        -0.55,
        "9 rows after 20 in the mean of the 3 batches before; the objective is a change of at least -50 %",
    )


def test_from_the_same_weekday(golden):
    golden.load("2026-11-15", "age = 40")
    golden.load("2026-11-21", "age = 90")
    golden.load("2026-11-22", "age = 55")
    golden.close()
    assert golden.close("2026-11-22")["age_change_2"][:2] == ("missed", 15)
    assert golden.close("2026-11-21")["age_change_2"][0] == "unknown"


def test_a_share_of_zero_is_unknown(golden):
    golden.load("2026-11-20", "age = 0")
    golden.load("2026-11-21", "age = 1")
    golden.close()
    verdict, _, said = golden.close("2026-11-21")["age_change"]
    assert (verdict, said.endswith("and nothing is a share of zero")) == ("unknown", True)


def test_a_batch_that_comes_late_is_compared_with_those_before_it(golden):
    golden.load("2026-11-20", "age = 40")
    golden.load("2026-11-22", "age = 90")
    golden.close()
    golden.load("2026-11-21", "age = 44")
    assert golden.close("2026-11-21")["age_change"][:2] == ("met", 0.1)
