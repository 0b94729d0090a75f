KIND = "schema"


def test_writes_pass_while_the_columns_are_as_defined(golden):
    golden.passes(age="1")


def test_rejects_once_they_are_not(golden):
    golden.run("DROP SCHEMA guarded CASCADE")
    golden.run("ALTER TABLE features.user_stats ALTER spend TYPE numeric(14, 2), DROP age")
    error = golden.refused(golden.row())
    assert (error.sqlstate, error.table, error.rule) == ("23514", "user_stats", "schema")
    assert error.detail == (
        'column "age" is missing; column "spend" is numeric(14,2), not numeric(12,2); '
        "the rule wants: the columns and types of the definition. Key of every row."
    )
