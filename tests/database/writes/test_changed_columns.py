"""A table gets other columns while sessions write to it: every rule that still fits holds in the sessions that wrote before."""

from __future__ import annotations

import psycopg
import pytest

TABLE = """
CREATE SCHEMA ml;
CREATE TABLE ml.t (id int, day date, gone int, v int, other bigint, s varchar(20), PRIMARY KEY (id, day))
PARTITION BY RANGE (day);
CREATE TABLE ml.t_part PARTITION OF ml.t FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""
DEFINITION = """
table: ml.t
owner: sam
key: [id, day]
writes: {writes}
batch: {{by: day}}
columns:
  v:
    - range: {{max: 1000, on_breach: reject, name: v_reject}}
    - range: {{min: 0, on_breach: quarantine, name: v_quarantine}}
    - range: {{max: 100, on_breach: warn, name: v_warn}}
    - range: {{max: 200, on_breach: flag, name: v_flag}}
    - repair: {{default: 7, name: v_repair}}
  s:
    - pattern: {{matches: "^[a-z]*$", on_breach: reject, name: s_reject}}
    - length: {{max: 5, on_breach: quarantine, name: s_quarantine}}
rules:
  - raises: {{expression: "100 / v >= 0", on_breach: flag}}
  - raises_reject: {{expression: "100 / (v - 1) > -1000", on_breach: reject}}
"""
VIEWS = "DROP VIEW IF EXISTS guarded.t, guarded.t_strict, guarded.t_status, guarded.t_healthy"
CHANGES = (
    "ALTER v TYPE bigint",
    "ADD COLUMN extra int",
    "ALTER v TYPE numeric",
    "DROP COLUMN gone",
    "ALTER v TYPE double precision",
    "ALTER s TYPE text",
    "ALTER v TYPE int",
    "DROP COLUMN v, ADD COLUMN v bigint",
    # The last step of a change of type that does not rewrite the table.
    "RENAME v TO old; ALTER TABLE ml.t RENAME other TO v; ALTER TABLE ml.t ALTER v TYPE numeric",
    "RENAME v TO new; ALTER TABLE ml.t RENAME old TO v",
)


class Writer:
    """A session that writes rows one after another, in each way there is."""

    def __init__(self, connection, admin):
        self.connection, self.admin, self.last = connection, admin, 0
        self.warned = []
        connection.add_notice_handler(lambda said: self.warned.append(said.constraint_name))

    def insert(self, table, v, s):
        self.last += 1
        command = f"INSERT INTO {table} (id, day, v, s) VALUES (%s, '2026-01-01', %s, %s)"
        return self.connection.execute(command, (self.last, v, s), prepare=False).rowcount

    def prepared(self, table, v, s):
        self.last += 1
        shown = "NULL" if v is None else v
        name = table.replace(".", "_")
        if not self.connection.execute(
            f"SELECT FROM pg_prepared_statements WHERE name = '{name}'"
        ).fetchall():
            self.connection.execute(
                f"""PREPARE {name} (int, int, text) AS
                    INSERT INTO {table} (id, day, v, s) VALUES ($1, '2026-01-01', $2, $3)"""
            )
        return self.connection.execute(
            f"EXECUTE {name} ({self.last}, {shown}, '{s}')", prepare=False
        ).rowcount

    def copy(self, table, v, s):
        self.last += 1
        with self.connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} (id, day, v, s) FROM STDIN") as rows:
                rows.write_row((self.last, "2026-01-01", v, s))
            return cursor.rowcount

    def update(self, table, v, s):
        assert self.insert(table, 5, "abc") == 1
        self.warned.clear()
        command = f"UPDATE {table} SET v = %s, s = %s WHERE id = %s"
        return self.connection.execute(command, (v, s, self.last), prepare=False).rowcount

    def stored(self):
        return self.one("SELECT v FROM ml.t WHERE id = %s", self.last)

    def one(self, query, *values):
        row = self.admin.execute(query, values or None).fetchone()
        return row and row[0]

    def held(self):
        return self.one("SELECT count(*) FROM pgslo.quarantine")

    def failed(self, rule):
        return self.one(
            "SELECT coalesce(sum((failures ->> %s)::int), 0)::int FROM pgslo_catalog.fragment", rule
        )

    def check(self, table, way):
        """Write rows that violate each rule."""
        write = getattr(self, way)
        for rule, v, s in (("v_reject", 5000, "abc"), ("s_reject", 5, "A"), ("raises_reject", 1, "abc")):
            with pytest.raises(psycopg.errors.CheckViolation) as refused:
                write(table, v, s)
            assert refused.value.diag.constraint_name == rule
        for v, s in ((-5, "abc"), (5, "abcdefgh")):
            held = self.held()
            assert write(table, v, s) == 0
            assert self.held() == held + 1
        for rules, v in ((["v_warn"], 150), (["v_warn", "v_flag"], 250), (["raises"], 0)):
            failed = [self.failed(rule) for rule in rules]
            self.warned.clear()
            assert write(table, v, "abc") == 1
            assert [self.failed(rule) for rule in rules] == [number + 1 for number in failed]
            assert ("v_warn" in self.warned) == ("v_warn" in rules)
        assert write(table, None, "abc") == 1
        assert self.stored() == 7
        assert self.one("SELECT count(*) FROM pgslo.repair WHERE row_key LIKE %s", f"% ({self.last}, %") == 1


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_rules_hold_in_sessions_that_wrote_before_a_change(connection, connect, apply, writes):
    connection.execute(TABLE)
    apply(DEFINITION.format(writes=writes))
    connection.execute(VIEWS)
    # One that takes every path before each change, one that writes good rows alone, and one that came later.
    writer, good = Writer(connect(), connection), Writer(connect(), connection)
    good.last = 1_000_000
    for number, change in enumerate(("", *CHANGES)):
        if change:
            connection.execute(f"ALTER TABLE ml.t {change}")
        for table in ("ml.t", "ml.t_part"):
            for way in ("insert", "prepared", "copy", "update"):
                assert good.insert(table, 5, "abc") == 1
                writer.check(table, way)
        if number % 3 == 2:
            good.check("ml.t", "insert")
        broken = "SELECT rule, broken FROM pgslo.rule WHERE broken IS NOT NULL AND kind <> 'learned'"
        assert connection.execute(broken).fetchall() == [], change


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_rule_that_still_fits_holds_beside_one_that_does_not(connection, connect, apply, writes):
    connection.execute(TABLE)
    apply(DEFINITION.format(writes=writes))
    connection.execute(VIEWS)
    writer = connect()
    add = "INSERT INTO ml.t (id, day, v) VALUES (%s, '2026-01-01', %s)"

    def check(key):
        with pytest.raises(psycopg.errors.CheckViolation):
            writer.execute(add, (key, 5000), prepare=False)
        assert writer.execute(add, (key, -5), prepare=False).rowcount == 0

    check(1)
    connection.execute("ALTER TABLE ml.t RENAME s TO z; ALTER TABLE ml.t ALTER v TYPE bigint")
    check(2)
    connection.execute("ALTER TABLE ml.t DROP COLUMN v, ADD COLUMN v numeric")
    check(3)
    broken = "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL AND kind <> 'learned'"
    assert {rule for (rule,) in connection.execute(broken)} <= {"s_reject", "s_quarantine"}


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_keys_and_batches_are_told_after_a_change_of_their_types(connection, connect, apply, writes):
    connection.execute(TABLE.replace("PARTITION BY RANGE (day);", ";").partition("CREATE TABLE ml.t_part")[0])
    apply(DEFINITION.format(writes=writes))
    connection.execute(VIEWS)
    writer = connect()
    insert = "INSERT INTO ml.t (id, day, v) VALUES (%s, '2026-01-01', %s)"
    for number, change in enumerate(("ADD extra int", "ALTER id TYPE bigint", "ALTER day TYPE timestamp")):
        connection.execute(f"ALTER TABLE ml.t {change}")
        writer.execute(insert, (2 * number, 0), prepare=False)
        writer.execute(insert, (2 * number + 1, -5), prepare=False)
    keys = [f"(id, day) = ({number}, 2026-01-01{' 00:00:00' * (number > 3)})" for number in range(6)]
    sampled = (
        "SELECT row_key, batch FROM pgslo_catalog.sample JOIN pgslo_catalog.rule USING (rule_id) ORDER BY 1"
    )
    batches = ["2026-01-01", "2026-01-01", "2026-01-01T00:00:00"]
    assert connection.execute(sampled).fetchall() == list(zip(keys[::2], batches, strict=True))
    held = "SELECT row_key FROM pgslo.quarantine ORDER BY 1"
    assert [key for (key,) in connection.execute(held)] == keys[1::2]


def test_predictions_are_processed_in_sessions_that_wrote_before_a_change(connection, connect, apply):
    connection.execute(
        """CREATE SCHEMA ml;
           CREATE TABLE ml.p (id int PRIMARY KEY, day date, score real, raw real, trail text[], late boolean,
                              model text, at timestamptz, cancelled int)"""
    )
    apply(
        """
        table: ml.p
        kind: predictions
        owner: risk
        batch: {by: day}
        predictions: {score: score, class: late, model: model, at: at}
        post_process:
          raw: raw
          trail: trail
          steps:
            - clip: [0, 1]
            - override: {when: "cancelled > 0", score: 0, name: cancelled}
        """
    )
    connection.execute("DROP SCHEMA guarded CASCADE")
    writer = connect()
    changes = (
        "",
        "ALTER score TYPE float8, ALTER raw TYPE float8",
        "ALTER cancelled TYPE bigint",
        "ADD extra int",
    )
    for key, change in enumerate(changes):
        if change:
            connection.execute(f"ALTER TABLE ml.p {change}")
        insert = "INSERT INTO ml.p (id, day, score, cancelled) VALUES (%s, '2026-01-01', 7, 0)"
        writer.execute(insert, (key,), prepare=False)
        served = "SELECT score, raw, trail[2] FROM ml.p WHERE id = %s"
        assert connection.execute(served, (key,)).fetchone() == (1, 7, "clip")
        writer.execute("UPDATE ml.p SET cancelled = 1, raw = 0.25 WHERE id = %s", (key,), prepare=False)
        assert connection.execute(served, (key,)).fetchone() == (0, 0.25, "cancelled")
    assert connection.execute("SELECT broken_rules FROM pgslo.status").fetchone() == (0,)


def test_tick_judges_in_a_session_that_judged_before_a_change(connection, connect, apply):
    connection.execute(
        """CREATE SCHEMA ml;
           CREATE TABLE ml.country (code text PRIMARY KEY);
           INSERT INTO ml.country VALUES ('de');
           CREATE TABLE ml.w (id int PRIMARY KEY, day date, country varchar(5))"""
    )
    apply(
        """
        table: ml.w
        owner: sam
        writes: bulk
        batch: {by: day}
        columns:
          country: [references: {table: ml.country, column: code, on_breach: flag, name: known}]
        """
    )
    connection.execute("DROP SCHEMA guarded CASCADE")
    writer, ticker = connect(), connect()
    writer.execute("SET lock_timeout = '20ms'")
    for key, change in enumerate(("ADD extra int", "ALTER country TYPE text")):
        connection.execute(f"ALTER TABLE ml.w {change}")
        with connect() as other:
            other.execute("BEGIN; LOCK TABLE ml.country")
            row = (key, f"2026-01-0{key + 1}")
            writer.execute("INSERT INTO ml.w (id, day, country) VALUES (%s, %s, 'xx')", row)
            other.execute("ROLLBACK")
        ticker.execute("SELECT pgslo.tick()")
        failed = "SELECT sum((failures ->> 'known')::int)::int FROM pgslo_catalog.fragment"
        assert connection.execute(failed).fetchone() == (key + 1,)
    assert connection.execute("SELECT broken FROM pgslo.rule WHERE rule = 'known'").fetchone() == (None,)


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_write_where_plans_cannot_be_forgotten(connection, connect, apply, writes):
    """PostgreSQL restricts REFRESH MATERIALIZED VIEW, and changes that a subscription applies for another role."""
    connection.execute(TABLE)
    apply(DEFINITION.format(writes=writes))
    connection.execute(VIEWS)
    writer = connect()
    values = {"rejected": "1", "diverted": "-5", "repaired": "NULL", "good": "5"}
    for number, (name, value) in enumerate(values.items()):
        writer.execute(
            f"""CREATE FUNCTION ml.{name}() RETURNS int LANGUAGE plpgsql AS $$BEGIN
                    INSERT INTO ml.t (id, day, v) VALUES ({number}, '2026-01-01', {value}); RETURN 1;
                END$$;
                CREATE MATERIALIZED VIEW ml.v_{name} AS SELECT ml.{name}() WITH NO DATA"""
        )

    def refresh(name):
        writer.execute(f"REFRESH MATERIALIZED VIEW ml.v_{name}")
        writer.execute("DELETE FROM ml.t")

    def check():
        with pytest.raises(psycopg.errors.CheckViolation):
            refresh("rejected")
        for name in ("diverted", "repaired", "good"):
            refresh(name)

    check()
    check()
    connection.execute("ALTER TABLE ml.t ALTER v TYPE bigint")
    for name in ("rejected", "diverted", "repaired"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="a column was changed since"):
            refresh(name)
    # In another session, and in this one after a write without the restriction, the rules are evaluated.
    writer.execute("INSERT INTO ml.t (id, day, v) VALUES (9, '2026-01-01', NULL)")
    writer.execute("DELETE FROM ml.t")
    check()
    broken = "SELECT rule FROM pgslo.rule WHERE broken IS NOT NULL AND kind <> 'learned'"
    assert connection.execute(broken).fetchall() == []


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_rule_that_only_warns_never_fails_a_write_where_plans_cannot_be_forgotten(
    connection, connect, apply, writes
):
    connection.execute("CREATE SCHEMA ml; CREATE TABLE ml.t (id int PRIMARY KEY, day date, v int)")
    apply(
        f"""
        table: ml.t
        owner: sam
        writes: {writes}
        batch: {{by: day}}
        columns: {{v: [range: {{max: 100, name: v_warn}}]}}
        rules: [raises: {{expression: "100 / v >= 0", on_breach: flag}}]
        """
    )
    connection.execute(VIEWS)
    writer = connect()
    writer.execute(
        """CREATE FUNCTION ml.write() RETURNS int LANGUAGE plpgsql AS $$BEGIN
               INSERT INTO ml.t VALUES ((SELECT count(*) FROM ml.t), '2026-01-01', 0); RETURN 1;
           END$$;
           CREATE MATERIALIZED VIEW ml.v AS SELECT ml.write() WITH NO DATA"""
    )
    writer.execute("REFRESH MATERIALIZED VIEW ml.v; REFRESH MATERIALIZED VIEW ml.v")
    connection.execute("ALTER TABLE ml.t ALTER v TYPE bigint")
    writer.execute("REFRESH MATERIALIZED VIEW ml.v")
    assert connection.execute("SELECT count(*) FROM ml.t").fetchone() == (3,)
    failed = "SELECT sum((failures ->> 'raises')::int)::int FROM pgslo_catalog.fragment"
    assert connection.execute(failed).fetchone() == (2,)
    noted = "SELECT count(*) FROM pgslo_catalog.rule_break JOIN pgslo_catalog.rule USING (rule_id) WHERE name = 'raises'"
    assert connection.execute(noted).fetchone() == (1,)
    if writes == "bulk":
        connect().execute("SELECT pgslo.tick()")
        assert connection.execute(failed).fetchone() == (3,)
        assert connection.execute(noted).fetchone() == (0,)


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_a_rule_without_columns_in_a_table_without_a_key(connection, connect, apply, writes):
    connection.execute("CREATE SCHEMA ml; CREATE TABLE ml.t (v int)")
    rule = """[never: {expression: "1 = 2", on_breach: reject}]"""
    apply(f"{{table: ml.t, owner: sam, key: none, writes: {writes}, rules: {rule}}}")
    writer = connect()
    for change in ("ADD extra int", "ADD more int"):
        connection.execute(f"ALTER TABLE ml.t {change}")
        with pytest.raises(psycopg.errors.CheckViolation):
            writer.execute("INSERT INTO ml.t (v) VALUES (1)")
