"""same_as: each row has a row with the same key and the same values in another table."""

import pytest

KIND = "same_as"


def test_rows_that_are_missing_there(golden):
    golden.run("INSERT INTO dim.product VALUES (1, 'a'), (1, 'b')")
    golden.load("2026-11-22", "shop = 1; sku = CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END", rows=4)
    assert golden.close()["product_is_known"] == (
        "met",
        0,
        "0 rows without the same row in dim.product; the objective is at most 1",
    )
    golden.load("2026-11-22", "shop = 1; sku = 'c'", rows=2, first=10)
    verdict, value, said = golden.close()["product_is_known"]
    assert (verdict, value) == ("missed", 2)
    assert said == "2 rows without the same row in dim.product; the objective is at most 1"
    golden.run("INSERT INTO dim.product VALUES (1, 'c')")
    golden.run("UPDATE features.user_stats SET age = 1")
    assert golden.close()["product_is_known"][:2] == ("met", 0)


@pytest.fixture
def copied(session):
    session.run("CREATE TABLE features.source (id integer PRIMARY KEY, amount integer)")
    session.run("CREATE TABLE features.copied (id integer PRIMARY KEY, amount integer, day date)")
    session.guard(
        """
        table: features.copied
        batch: {by: day}
        watch: false
        rules:
          - as_in_source: {same_as: {table: features.source, on: id, columns: amount}}
        """
    )
    session.run("INSERT INTO features.source VALUES (1, 10), (2, NULL), (3, 30)")
    return session


def test_values_that_differ(copied):
    copied.run(
        "INSERT INTO features.copied VALUES (1, 10, '2026-11-22'), (2, NULL, '2026-11-22'), (3, 31, '2026-11-22')"
    )
    assert copied.close(definition="features.copied")["as_in_source"][:2] == ("missed", 1)
    assert copied.run("SELECT amount FROM guarded.copied").notices[0].message == (
        'column "amount" of features.copied misses rule "as_in_source"'
    )
    assert copied.run("SELECT day FROM guarded.copied").notices == ()


def test_a_table_that_goes_makes_it_unknown(copied):
    copied.run("DROP TABLE features.source")
    copied.run("INSERT INTO features.copied VALUES (1, 10, '2026-11-22')")
    verdict, _, said = copied.close(definition="features.copied")["as_in_source"]
    assert verdict == "unknown"
    assert said == "it can no longer be judged: undefined table, SQLSTATE 42P01"


def test_refused(session):
    session.run("CREATE TABLE features.copied (id integer PRIMARY KEY, amount integer, day date)")
    for table, on, error in [
        ("features.missing", "id", 'relation "features.missing" does not exist'),
        ("features.copied", "no", 'column "no" of features.copied does not exist'),
    ]:
        (found,) = session.errors(
            f"table: features.copied\nbatch: {{by: day}}\nrules: [r: {{same_as: {{table: {table}, on: {on}}}}}]"
        )
        assert error in found
