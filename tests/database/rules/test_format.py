import psycopg
import pytest

KIND = "format"
MODES = ("bulk", "stream")


def test_values_and_null_pass(golden):
    golden.passes(
        email="'a@example.com'",
        phone="'+4930123456'",
        sku="'00000000-0000-0000-0000-000000000000'",
        campaign="'spring-1'",
        shop="1",
    )
    golden.passes(campaign="'Spring 1'")
    golden.passes()


def test_rejects(golden):
    error = golden.refused(golden.row(email="'a@example'"))
    assert (error.sqlstate, error.column, error.rule) == ("23514", "email", "email_format")
    assert "email = a@example; expected: email in email format." in error.detail


def test_quarantines(golden):
    assert golden.run(golden.row(phone="'030 123456'")).count == 0
    assert golden.held() == [("(user_id, feature_date) = (1, 2026-11-22)", ("phone_format",))]


def test_warns_and_flags(golden):
    outcome = golden.run(golden.row(sku="'1'", campaign="'Spring 1'", shop="1"))
    assert (outcome.count, outcome.warned) == (1, {"sku_format"})
    assert golden.failures() == {"sku_format": 1, "campaign_format": 1}


FORMATS = {
    "email": (
        ["a@example.com", "a.b+c@mail.example.co.uk", "o'brien@example.org", "1@2.de", "x" * 64 + "@" + "y" * 63 + ".de", "a@b--c.de"],
        ["", "a", "a@", "@example.com", "a@example", "a@@example.com", "a b@example.com", "a@example.com ", "a@-x.com", "a@x-.com", "a@example..com", "a@.com", "a@example.com\nb", "x" * 65 + "@example.com", "a@b." + "y" * 64 + ".de", "a@" + "y" * 64 + ".de", "a@exämple.com"],
    ),
    "uuid": (
        ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
        ["", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-42661417400", "123e4567-e89b-12d3-a456-4266141740000", "g23e4567-e89b-12d3-a456-426614174000", "123e456-7e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-4266-1417400", "-23e4567-e89b-12d3-a456-426614174000"],
    ),
    "url": (
        ["http://example.com", "https://example.com/a?b=c#d", "https://user@example.com:8080/", "https://exämple.com/ü"],
        ["", "example.com", "ftp://example.com", "http://", "http:///a", "https://a b", "javascript:alert(1)", "https://example.com/\nx", " https://example.com"],
    ),
    "hostname": (
        ["localhost", "example.com", "a-b.example", "1.2.3.4", "x" * 63 + ".de", ".".join(["x" * 62] * 4), "xn--bcher-kva.example"],
        ["", "-a", "a-", "a..b", "a_b", "a.", ".a", "x" * 64, "a." + "x" * 64, ".".join(["x" * 60] * 5), ".".join(["x" * 62] * 4) + ".xx", "ä.de", "a b", "a\n"],
    ),
    "ipv4": (
        ["0.0.0.0", "192.168.1.255"],
        ["", "256.0.0.1", "1.2.3", "1.2.3.4/24", "1.2.3.4/32", "::1", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4.5"],
    ),
    "ipv6": (
        ["::", "::1", "2001:db8::8a2e:370:7334", "::ffff:1.2.3.4", "2001:DB8::1"],
        ["", "1.2.3.4", "2001:db8::/32", "::1::", "g::", "1:2:3:4:5:6:7:8:9", "::1 ", "fe80::1%eth0"],
    ),
    "date": (
        ["2026-11-22", "2024-02-29", "0001-01-01", "9999-12-31"],
        ["", "2026-02-29", "2026-13-01", "26-11-22", "2026-11-22 ", "22.11.2026", "20261122", "today", "infinity", "2026-11-22 10:00", "0000-01-01", "\u0662\u0660\u0662\u0666-11-22"],
    ),
    "time": (
        ["00:00", "23:59:59", "10:00:00.123456"],
        ["", "25:00", "10:60", "10", "1:00", "10:00 pm", "now", "10:00+02", "10:00:61", "10:00:00."],
    ),
    "timestamp": (
        ["2026-11-22T10:00:00Z", "2026-11-22 10:00", "2026-11-22T10:00:00.5+02:00", "2026-11-22 10:00:00-0330", "2026-11-22T10:00+05"],
        ["", "2026-11-22", "2026-02-30T10:00", "2026-11-22T25:00", "now", "2026-11-22T10:00:00 CET", "2026-11-22T10:00:00+99", "2026-11-22t10:00:00z", "2026-11-22  10:00"],
    ),
    "json": (
        ['{"a": [1, null]}', "1", '"a"', "null", " {} ", '"\\u0000"'],
        ["", "{a: 1}", "{'a': 1}", "[1,]", "NaN", "{} x", '{"a": 1'],
    ),
    "base64": (
        ["", "QQ==", "QUI=", "QUJD", "+/+/", "QUJDQQ=="],
        ["Q", "QQ=", "QQ", "Q===", "====", "QUJD\n", "QU JD", "_-_-", "QQ==QUJD", "QUJDQ"],
    ),
    "slug": (
        ["a", "spring-2026", "1-2"],
        ["", "A", "a--b", "-a", "a-", "a_b", "ä", "a b", "a\n"],
    ),
    "e164": (
        ["+4930123456", "+14155552671", "+1234567", "+123456789012345"],
        ["", "4930123456", "+0301234567", "+49 30 123456", "+123456", "+1234567890123456", "+49-30-123456", "+\uff14\uff19301234567"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
def test_formats(hold, format_):
    passing, failing = FORMATS[format_]
    hold(
        "text",
        f"format: {{format: {format_}}}",
        passing=[_quoted(value) for value in passing] + ["NULL"],
        failing=[_quoted(value) for value in failing],
        writes="bulk",
    )


def _quoted(value):
    return "'" + value.replace("'", "''") + "'"


TYPES = {
    "varchar(40)": "'a@example.com'",
    "char(40)": "'a@example.com'",
    "features.address": "'a@example.com'",
}


@pytest.mark.parametrize("writes", MODES)
@pytest.mark.parametrize("type_", TYPES)
def test_types(session, hold, type_, writes):
    session.run("CREATE DOMAIN features.address AS varchar(40)")
    hold(
        type_, "format: {format: email}", passing=[TYPES[type_], "NULL"], failing=["'a'", "''"], writes=writes
    )


@pytest.mark.parametrize(
    "setting",
    ["datestyle = 'German'", "datestyle = 'SQL, DMY'", "timezone = 'Pacific/Apia'", "search_path = ''"],
)
def test_formats_are_the_same_in_every_session(session, setting):
    session.run(f"SET LOCAL {setting}")
    for format_ in ("date", "timestamp", "time"):
        valid = {"date": "2026-11-22", "timestamp": "2026-11-22T10:00:00Z", "time": "10:00"}[format_]
        assert session.values(f"SELECT pgslo_catalog.is_{format_}('{valid}')") == [True]
        assert session.values(f"SELECT pgslo_catalog.is_{format_}('22.11.2026')") == [False]


#: Type, what the rule says, and the error at its place.
REFUSED = [
    ("integer", "format: date", 'format cannot judge column "a" of type integer: a format is a form of text'),
    ("json", "format: date", 'format cannot judge column "a" of type json: a format is a form of text'),
    ("jsonb", "format: date", 'format cannot judge column "a" of type jsonb: a format is a form of text'),
    ("xml", "format: date", 'format cannot judge column "a" of type xml: a format is a form of text'),
    ("text[]", "format: date", 'format cannot judge column "a" of type text[]: a format is a form of text'),
    (
        "features.colour",
        "format: date",
        'format cannot judge column "a" of type features.colour: a format is a form of text',
    ),
    ("date", "format: date", 'format cannot judge column "a" of type date: a format is a form of text'),
    ("uuid", "format: date", 'format cannot judge column "a" of type uuid: a format is a form of text'),
]


@pytest.mark.parametrize(("type_", "parameters", "error"), REFUSED)
def test_refused(session, type_, parameters, error):
    session.run("CREATE TYPE features.colour AS ENUM ('red')")
    session.run("CREATE TYPE features.pair AS (a integer, b integer)")
    session.run(f"CREATE TABLE features.example (id integer PRIMARY KEY, a {type_})")
    found = session.errors(
        f"""\
        table: features.example
        columns:
          a:
            - format: {{{parameters}}}
        """
    )
    assert [one.partition(": error: ")[2] for one in found] == [error]
    assert found[0].startswith("slos/example.yml:4:")


def test_long_texts_take_no_longer(session):
    for format_ in FORMATS:
        assert session.values(f"SELECT pgslo_catalog.is_{format_}(repeat('a.', 100000))") == [False], format_


@pytest.mark.icu
def test_collations_do_not_matter(session):
    try:
        session.run(
            "CREATE COLLATION features.fuzzy (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU")
    session.run("CREATE TABLE features.example (id integer PRIMARY KEY, a text COLLATE features.fuzzy)")
    session.guard("{table: features.example, columns: {a: [format: {format: email, on_breach: reject}]}}")
    assert session.run("INSERT INTO features.example VALUES (1, 'a@example.com')").count == 1
    assert session.refused("INSERT INTO features.example VALUES (2, 'a')").rule == "a_format"
