import psycopg
import pytest

KIND = "not_blank"
MODES = ("bulk", "stream")

#: Whitespace as Unicode defines it, one text of each character.
WHITESPACE = [
    f"chr({code})"
    for code in (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
]  # fmt: skip


def test_values_and_null_pass(golden):
    golden.passes(country="'us'", sku="' x '", email="E'\\n.'", phone="'0'", shop="1")
    golden.passes(phone="''")
    golden.passes()


@pytest.mark.parametrize("country", ["''", "'   '", "E'\\t\\n'", "chr(160)"])
def test_rejects(golden, country):
    error = golden.refused(golden.row(country=country))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "country", "country_not_blank")
    assert "; expected: country not blank. Key " in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(sku="' '")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("sku_not_blank",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(email="''", phone="' '", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"email_not_blank"})
    assert golden.failures() == {"email_not_blank": 1, "phone_not_blank": 1}


TYPES = {
    # A zero-width space and a byte order mark are characters, to Unicode as well.
    "text": (["'a'", "' a '", r"E'\n\\\n'", "'ä'", "'🙂'", "chr(8203)", "chr(65279)", "NULL"], ["''", *WHITESPACE]),
    "varchar(5)": (["'a'", "'0'", "NULL"], ["''", "'     '", "chr(9) || chr(160)"]),
    # The blanks that fill a char(n) up are whitespace.
    "char(5)": (["'a'", "'    a'", "NULL"], ["''", "'   '", "chr(10)", "chr(160)"]),
    "char(1)": (["'a'"], ["''", "' '"]),
    "name": (["'a'"], ["''", "' '", "chr(160)"]),
    "features.code": (["'ab'", "NULL"], ["''", "' '", "chr(9)"]),
    "features.padded": (["'ab'", "NULL"], ["''", "'  '"]),
}  # fmt: skip


@pytest.fixture
def types(session):
    session.run("CREATE DOMAIN features.code AS varchar(9)")
    session.run("CREATE DOMAIN features.padded AS char(4)")


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", TYPES)
def test_types(hold, type_, writes):
    passing, failing = TYPES[type_]
    hold(type_, "not_blank: {}", passing=passing, failing=failing, writes=writes)


REFUSED = [
    "integer",
    "numeric",
    "boolean",
    "date",
    "timestamp with time zone",
    "interval",
    "uuid",
    "bytea",
    "json",
    "jsonb",
    "xml",
    "point",
    "inet",
    "int4range",
    "text[]",
    "features.colour",
]


@pytest.mark.parametrize("type_", REFUSED)
def test_refused(session, type_):
    session.run("CREATE TYPE features.colour AS ENUM ('red')")
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {type_})")
    found = session.errors("table: features.example\ncolumns:\n  a:\n    - not_blank\n")
    assert [one.partition(": error: ")[2] for one in found] == [
        f'not_blank cannot judge column "a" of type {type_}: only text can be blank'
    ]
    assert found[0].startswith("slos/example.yml:4:")


@pytest.mark.icu
def test_a_collation_that_ignores_characters_does_not_matter(session):
    try:
        session.run(
            "CREATE COLLATION features.fuzzy (provider = icu, locale = 'und-u-ka-shifted', deterministic = false)"
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU")
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text COLLATE features.fuzzy)")
    session.guard("{table: features.example, columns: {a: [not_blank: {on_breach: reject}]}}")
    assert session.run("INSERT INTO features.example VALUES (1, '-')").count == 1
    assert session.refused("INSERT INTO features.example VALUES (2, ' ')").rule == "a_not_blank"
    assert session.broken() == {}
