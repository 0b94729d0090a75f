"""Rules about paths into values: each kind of value, each kind of rule, and paths without a value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

TABLE = """
    CREATE TYPE features.geo AS (lat float8, lon float8, word text, extra jsonb);
    CREATE TABLE features.shape (
        id bigint, ds date, emb real[], exact numeric[], tags text[], bag jsonb, note json, home features.geo, span daterange,
        numbers int4range, dur interval, price money, blob bytea, bits bit(4), pt point, words tsvector, at_most numeric,
        "bag.dotted" integer, PRIMARY KEY (id, ds))
"""
#: By path, a rule about it, values that pass and values that fail. A NULL passes everywhere but under not_null.
RULES = {
    "emb.norm": (
        "range: {min: 0.9, max: 1.1}",
        ["{1,0}", "{0.6,0.8}", None],
        ["{2}", "{NaN}", "{1,NULL}", "{}"],
    ),
    "emb.length": ("range: {min: 2, max: 4}", ["{1,2}", "{{1,2},{3,4}}"], ["{}", "{1}", "{1,2,3,4,5}"]),
    "emb.missing": ("range: {max: 0.5}", ["{1,NULL}", "{1,2}", "{}"], ["{NULL,NaN,1}"]),
    "emb.zeros": ("range: {max: 0.5}", ["{0,1}", "{}"], ["{0,0,1}", "{{0,0},{0,1}}"]),
    "exact.norm": ("range: {min: 1, max: 5}", ["{3,4}"], ["{1e600}", "{3,NaN}", "{NULL}"]),
    "tags.length": ("range: {min: 1}", ["{a}"], ["{}"]),
    "tags.missing": ("range: {max: 0}", ["{a,b}"], ["{a,NULL}"]),
    "bag.ctr": (
        "range: {min: 0, max: 1}",
        ['{"ctr": 0.5}', '{"ctr": null}', "{}", "[]", "1", "null"],
        ['{"ctr": 2}', '{"ctr": "0.5"}', '{"ctr": {}}', '{"ctr": [0.5]}', '{"ctr": true}'],
    ),
    "bag.geo.country": (
        "accepted_values: [us, de]",
        ['{"geo": {"country": "us"}}', '{"geo": 1}', '{"geo": {"country": null}}'],
        ['{"geo": {"country": "fr"}}', '{"geo": {"country": 5}}'],
    ),
    'bag."a key".x': ("length: {max: 2}", ['{"a key": {"x": "ab"}}'], ['{"a key": {"x": "abc"}}']),
    "bag.list.0": ("pattern: '^a'", ['{"list": ["a", "b"]}', '{"list": []}'], ['{"list": ["b"]}']),
    "bag.known": (
        "accepted_values: [true]",
        ['{"known": true}', '{"known": null}', "{}"],
        ['{"known": false}', '{"known": "true"}', '{"known": 1}'],
    ),
    "note.ctr": (
        "range: {min: 0, max: 1}",
        ['{"ctr": 0.5}', "{}", "null"],
        ['{"ctr": 2}', '{"ctr": "0.5"}', '{"ctr": 1e999999}', '{"ctr": "\\u0000"}'],
    ),
    "home.lat": ("range: {min: -90, max: 90}", ["(1,2,a,)", "(,,,)"], ["(91,2,a,)", "(NaN,2,a,)"]),
    "home.word": ("not_accepted_values: [none]", ["(1,2,a,)"], ["(1,2,none,)"]),
    "home.extra.size": ("range: {max: 9}", ['(,,,"{""size"": 9}")'], ['(,,,"{""size"": 10}")']),
    "span.days": (
        "range: {min: 1, max: 30}",
        ["[2026-01-01,2026-01-05)", "empty"],
        ["[2026-01-01,2027-01-01)"],
    ),
    "span.lower": (
        "range: {min: 2020-01-01}",
        ["[2026-01-01,2026-01-05)", "(,)"],
        ["[2019-01-01,2019-02-01)"],
    ),
    "span.empty": ("accepted_values: [false]", ["[2026-01-01,2026-01-05)"], ["empty"]),
    "numbers.length": ("range: {max: 10}", ["[1,5)", "(,3)"], ["[1,50)"]),
    "dur.seconds": ("range: {min: 0, max: 3600}", ["59 minutes"], ["61 minutes", "-1 second"]),
    "price.amount": ("range: {min: 1}", ["1.00"], ["0.99"]),
    "blob.length": ("range: {min: 1}", ["a"], [""]),
    "bits.ones": ("range: {min: 1}", ["0001"], ["0000"]),
    "pt.x": ("range: {max: 1}", ["(1,2)"], ["(2,1)"]),
    "words.length": ("range: {min: 1}", ["a"], [""]),
}


ROW = "INSERT INTO features.shape (id, ds, {column}) VALUES ({n}, '2026-11-22', {value})"


def insert(column: str, value: str | None, n: int = 1) -> str:
    text = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
    return ROW.format(column=f'"{column}"', value=text, n=n)


def define(columns: str, more: str = "") -> str:
    return f"{{table: features.shape, owner: me, batch: {{by: ds}}, columns: {{{columns}}}{more}}}"


def prepare(mode: str, action: str) -> Callable[..., None]:
    def made(session) -> None:
        session.run(TABLE)
        rules = (
            f"'{path}': [{_with(rule, action, n)}]" for n, (path, (rule, _, _)) in enumerate(RULES.items())
        )
        session.guard(define(", ".join(rules), f", writes: {mode}"))

    return made


def _with(rule: str, action: str, n: int) -> str:
    kind, _, said = rule.partition(": ")
    key = {"accepted_values": "values", "not_accepted_values": "values", "pattern": "matches"}.get(kind)
    stated = f"{key}: {said}" if key else said.strip("{}")
    return f"{kind}: {{{stated}, on_breach: {action}, name: r{n}}}"


BULK, STREAM, DIVERTED = prepare("bulk", "flag"), prepare("stream", "flag"), prepare("bulk", "quarantine")


@pytest.mark.parametrize("prepared", [BULK, STREAM], ids=["bulk", "stream"])
@pytest.mark.parametrize("path", RULES)
def test_values_pass_and_fail(once, prepared, path):
    _, passing, failing = RULES[path]
    rule, column = f"r{list(RULES).index(path)}", path.partition(".")[0]
    with once(prepared) as session:
        for n, value in enumerate(passing):
            session.run(insert(column, value, n))
            assert rule not in session.failures(), value
        for n, value in enumerate(failing, start=1):
            session.run(insert(column, value, 100 + n))
            assert session.failures()[rule] == n, value
        assert session.broken() == {}


@pytest.mark.parametrize("path", RULES)
def test_rows_are_diverted(once, path):
    _, _, failing = RULES[path]
    with once(DIVERTED) as session:
        for n, value in enumerate(failing):
            assert session.run(insert(path.partition(".")[0], value, n)).count == 0, value
        assert len(session.held()) == len(failing)


@pytest.mark.parametrize("mode", ["bulk", "stream"])
@pytest.mark.parametrize("path", ["emb.norm", "bag.ctr", "home.lat", "dur.seconds"])
def test_rows_are_rejected(session, mode, path):
    rule, passing, failing = RULES[path]
    session.run(TABLE)
    session.guard(define(f"{path}: [{_with(rule, 'reject', 0)}]", f", writes: {mode}"))
    session.run(insert(path.partition(".")[0], passing[0]))
    error = session.refused(insert(path.partition(".")[0], failing[0], 2))
    assert (error.sqlstate, error.table, error.column, error.rule) == ("23514", "shape", path, "r0")
    assert f"{path} = " in error.detail


def test_the_error_names_the_path_and_the_value_as_the_document_has_it(session):
    session.run(TABLE)
    session.guard(define("bag.ctr: [range: {min: 0, max: 1, on_breach: reject}]"))
    error = session.refused(insert("bag", '{"ctr": "0.5"}'))
    assert error.message == 'new row for features.shape violates rule "bag__ctr_range"'
    assert 'bag.ctr = "0.5"; expected: bag.ctr between 0 and 1.' in error.detail


def test_a_writer_without_the_right_to_read_the_column_does_not_see_what_is_in_it(session):
    session.run(TABLE)
    session.guard(define("bag.ctr: [range: {max: 1, on_breach: reject}]"))
    session.run("CREATE ROLE writes_shapes")
    session.run("GRANT USAGE ON SCHEMA features TO writes_shapes")
    session.run("GRANT UPDATE, SELECT (id, ds), INSERT (id, ds) ON features.shape TO writes_shapes")
    session.run(insert("bag", '{"ctr": 0.5}'))
    session.run("SET LOCAL ROLE writes_shapes")
    error = session.refused("""UPDATE features.shape SET bag = '{"ctr": 7}' WHERE id = 1""")
    assert error.column == "bag.ctr"
    assert "column bag.ctr (not shown)" in error.detail
    assert "7" not in error.detail.partition("expected")[0].partition("ctr")[2]


def test_a_column_whose_name_has_a_dot_wins(session):
    session.run(TABLE)
    session.guard(define("bag.dotted: [range: {max: 1, on_breach: reject}]"))
    assert session.run(insert("bag", '{"dotted": 2}')).count == 1
    assert session.refused(insert("bag.dotted", "2", 2)).column == "bag.dotted"


def test_not_null_and_completeness(session):
    session.run(TABLE)
    session.guard(
        define(
            "bag.ctr: [not_null: {on_breach: warn}, completeness: 0.5], emb.norm: [completeness: 0.9],"
            ' home.lat: [completeness: {min: 0.9, of: table}], bag.geo: [completeness: {min: 0.9, where: "id > 1"}]'
        )
    )
    for n, value in enumerate(('{"ctr": 1, "geo": 1}', '{"ctr": null}', "{}", "[]"), start=1):
        session.run(insert("bag", value, n))
    said = session.close("2026-11-22", "features.shape")
    assert session.failures() == {"bag__ctr_not_null": 3}
    assert said["bag__ctr_completeness"] == (
        "missed",
        0.25,
        "25 % of 4 rows not null; at least 50 % expected",
    ) or said["bag__ctr_completeness"][:2] == ("missed", 0.25)
    assert said["emb__norm_completeness"][:2] == ("missed", 0)
    assert said["home__lat_completeness"][:2] == ("missed", 0)
    assert said["bag__geo_completeness"][:2] == ("missed", 0)


def test_statistics_and_changes(session):
    session.run(TABLE)
    session.guard(
        define(
            "bag.ctr: [statistic: {of: mean, max: 5}, statistic: {of: median, max: 5}, change: {of: mean, max: 0.5}],"
            " emb.norm: [statistic: {of: max, max: 5}], dur.seconds: [statistic: {of: mean, max: 60}],"
            " bag.kind: [statistic: {of: distinct, max: 1}]"
        )
    )
    session.run(
        "INSERT INTO features.shape (id, ds, bag, emb, dur) SELECT n, date '2026-11-22', jsonb_build_object('ctr', n, 'kind', n % 3),"
        " ARRAY[n, 0], n * interval '1 minute' FROM generate_series(1, 100) n"
    )
    # A text is no number to a mean, which is of numbers.
    session.run(insert("bag", '{"ctr": "high"}', 1000))
    said = session.close("2026-11-22", "features.shape")
    assert said["bag__ctr_statistic"][:2] == ("missed", 50.5)
    assert said["bag__ctr_statistic_2"][:2] == ("missed", 50.5)
    assert said["emb__norm_statistic"][:2] == ("missed", 100)
    assert said["dur__seconds_statistic"][:2] == ("missed", 3030)
    assert said["bag__kind_statistic"][:2] == ("missed", 3)


def test_distributions(session):
    session.run(TABLE)
    session.guard(
        define(
            "bag.ctr: [drift: {max: 0.2, relative_to: previous}], bag.geo.country: [drift: {max: 0.2, relative_to: previous}],"
            " emb.norm: [drift: {by: ks, max: 0.2, relative_to: previous}]"
        )
    )
    for day, factor, country in ((20, 1, "us"), (21, 1, "us"), (22, 100, "fr")):
        session.run(
            f"INSERT INTO features.shape (id, ds, bag, emb) SELECT n, date '2026-11-{day}',"
            f" jsonb_build_object('ctr', {factor} * n, 'geo', jsonb_build_object('country', CASE WHEN n % 2 = 0 THEN '{country}' ELSE 'de' END)),"
            f" ARRAY[n * {factor}, 0] FROM generate_series(1, 200) n"
        )
        said = session.close(f"2026-11-{day}", "features.shape")
        verdicts = {rule: said[rule][0] for rule in said if rule.endswith("drift")}
        if day == 21:
            assert set(verdicts.values()) == {"met"}, said
    assert verdicts == {
        "bag__ctr_drift": "missed",
        "bag__geo__country_drift": "missed",
        "emb__norm_drift": "missed",
    }


def test_skew_between_training_and_serving(session):
    session.run(TABLE)
    session.run(
        "CREATE TABLE features.served (id bigint, ds date, bag jsonb, emb real[], PRIMARY KEY (id, ds))"
    )
    session.guard("{table: features.served, owner: me, batch: {by: ds}, columns: {bag.geo.km: []}}")
    session.guard(
        define(
            "bag.geo.km: [skew: {from: features.served.bag.geo.km, max: 0.2}],"
            " emb.norm: [skew: {from: features.served.emb.norm, max: 0.2}]"
        )
    )
    for day, factor, verdict in ((21, 1, "met"), (22, 3, "missed")):
        for table, times in (("served", 1), ("shape", factor)):
            session.run(
                f"INSERT INTO features.{table} (id, ds, bag, emb) SELECT n, date '2026-11-{day}',"
                f" jsonb_build_object('geo', jsonb_build_object('km', {times} * n)), ARRAY[{times} * n, 0] FROM generate_series(1, 200) n"
            )
            said = session.close(f"2026-11-{day}", f"features.{table}")
        assert (said["bag__geo__km_skew"][0], said["emb__norm_skew"][0]) == (verdict, verdict), said


def test_unique_builds_an_index_on_the_expression(session):
    session.run(TABLE)
    plan = session.guard(define("bag.session: [unique: {on_breach: reject}]"))
    texts = [statement.script for step in plan.steps for statement in step.statements]
    assert any(
        "(((bag #>> ARRAY['session'])))" in text or "((bag #>> ARRAY['session']))" in text for text in texts
    )
    session.run(insert("bag", '{"session": "a"}', 1))
    session.run(insert("bag", "{}", 2))
    session.run(insert("bag", "{}", 3))
    assert session.refused(insert("bag", '{"session": "a"}', 4)).sqlstate == "23505"


def test_two_values_are_compared(session):
    session.run(TABLE)
    session.guard(
        define(
            'bag.low: [compare: {operator: "<=", to: bag.high, on_breach: reject}],'
            ' bag.size: [compare: {operator: "<=", to: at_most, on_breach: reject}]'
        )
    )
    assert session.run(insert("bag", '{"low": 9, "high": 10}', 1)).count == 1
    assert "bag.low = 10, bag.high = 9" in session.refused(insert("bag", '{"low": 10, "high": 9}', 2)).detail
    query = "INSERT INTO features.shape (id, ds, at_most, bag) VALUES (3, '2026-11-22', 9, '{\"size\": 10}')"
    assert session.refused(query).rule == "bag__size_compare"


def test_readers_of_the_column_are_warned(session):
    session.run(TABLE)
    session.guard(define("bag.geo.country: [completeness: 0.9]"))
    session.run(insert("bag", "{}"))
    session.close("2026-11-22", "features.shape")
    read = session.run("SELECT bag FROM guarded.shape")
    assert [one.sqlstate for one in read.notices] == ["01SL1"]
    assert session.run("SELECT emb FROM guarded.shape").notices == ()


def test_bounds_are_learned_at_paths_that_are_named(session):
    session.run(TABLE)
    session.guard(define("bag.geo.country: []"))

    def load(day: int, geo: str) -> dict[str, tuple]:
        session.run(
            f"INSERT INTO features.shape (id, ds, bag) SELECT n, date '2026-01-01' + {day}, jsonb_build_object('geo', {geo})"
            " FROM generate_series(1, 200) n"
        )
        return session.close(session.values(f"SELECT (date '2026-01-01' + {day})::text")[0], "features.shape")

    usual = "jsonb_build_object('country', CASE WHEN n % 2 = 0 THEN 'us' ELSE 'de' END)"
    for day in range(25):
        said = load(day, usual)
        assert {rule for rule, (verdict, *_) in said.items() if verdict == "missed"} == set(), said
    said = load(25, "'{}'::jsonb")
    assert said["bag_learned"][0] == "missed"
    assert said["bag_learned"][2].startswith("bag.geo.country: missing in 100 % of rows")
    assert "bag.geo.country_learned" not in said


ERRORS = {
    "emb.nrm: [range: {min: 1}]": (
        '"nrm" is nothing inside of column "emb" of type real[]',
        'did you mean "emb.norm"?',
    ),
    "home.lt: [range: {min: 1}]": ('has no field "lt"', 'did you mean "home.lat"?'),
    "home.extra: [not_null]": ('field "extra" of column "home" has type jsonb', "name a part of it"),
    "at_most.x: [not_null]": (
        'column "at_most" has type numeric, and a path names nothing inside',
        "paths lead into",
    ),
    "'bag.a key': [not_null]": ('"bag.a key" is not a path into column "bag"', "double quotes"),
    "nothing.x: [not_null]": ('column "nothing.x" of features.shape does not exist', ""),
    "bag.ctr: [range: {min: 1}, length: {max: 3}]": (
        "is a number to another rule, and a text to this one",
        "expression",
    ),
    "bag.ctr: [repair: {default: 0}]": ("repair cannot be about", "GENERATED ALWAYS AS"),
    "bag.geo.country: [repair: {default: us}]": ("repair cannot be about", "GENERATED ALWAYS AS"),
    "bag.geo.country: [references: features.country.name]": (
        "references cannot be about",
        "GENERATED ALWAYS AS",
    ),
    "bag.ctr: [expression: 'id > 1']": ("expression cannot be about", "GENERATED ALWAYS AS"),
    "bag.ctr: [unique: {on_breach: warn}]": ("no index finds rows by bag.ctr", "on_breach: reject"),
    "emb.norm: [unique: {on_breach: reject}]": ('no index can hold "emb.norm"', "a key of jsonb"),
    "home.lat: [range: {min: a}]": ("is not a value of column", ""),
}


@pytest.mark.parametrize("columns", ERRORS)
def test_errors_say_where_and_what_to_write(session, columns):
    session.run(TABLE)
    message, hint = ERRORS[columns]
    (error,) = session.errors(define(columns))
    assert error.startswith("slos/example.yml:1:")
    assert message in error
    assert hint in error


@pytest.mark.parametrize("type_", ["features.vector(3)", "features.halfvec(3)"])
def test_vectors_of_pgvector(session, type_):
    if not session.run("SELECT FROM pg_available_extensions WHERE name = 'vector'").count:
        pytest.skip("this server has no pgvector")
    session.run("CREATE EXTENSION vector SCHEMA features")
    session.run(f"CREATE TABLE features.shape (id bigint, ds date, emb {type_}, PRIMARY KEY (id, ds))")
    session.guard(
        define(
            "emb.norm: [range: {min: 0.9, max: 1.1, on_breach: reject}], emb.length: [range: {max: 3, on_breach: reject}],"
            " emb.zeros: [range: {max: 0.7, on_breach: reject}]"
        )
    )
    assert session.run(insert("emb", "[1,0,0]")).count == 1
    assert session.refused(insert("emb", "[1,1,0]", 2)).column == "emb.norm"
    assert session.refused(insert("emb", "[0,0,0]", 2)).column in ("emb.norm", "emb.zeros")
