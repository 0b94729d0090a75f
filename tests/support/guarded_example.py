"""A guarded table of which two columns miss their rules, and what its readers hear."""

from pgslo import definition
from pgslo.database import installation, planning

ROWS = 20_000
TABLE = "id int PRIMARY KEY, day date, a int, b int, c text, d int, e int"
DEFINITION = """
table: features.example
owner: sam
writes: bulk
batch: {by: day}
unwatched: [c]
columns:
  a: [{range: {max: 100000}}]
  b: [{range: {max: 100000}}]
  d: [{range: {max: 100000}}]
  e: [{range: {max: 100000}}]
tasks:
  churn: {reads: [c, a], view: guarded.churn, contact: "#churn"}
  calm: {reads: [c, e], view: guarded.calm}
  strict: {reads: [b], view: guarded.needs_b, on_read: refuse}
"""


def guarded(connection):
    """Make the example in a session of its own right: two columns miss, two do not."""
    connection.run(f"CREATE TABLE features.example ({TABLE})")
    connection.run("CREATE INDEX ON features.example (d)")
    connection.guard(DEFINITION)
    connection.run(
        f"INSERT INTO features.example SELECT n, '2026-11-21', n, n, 'c', n, n FROM generate_series(1, {ROWS}) AS n"
    )
    connection.run("INSERT INTO features.example VALUES (0, '2026-11-21', 999999, 999999, 'c', 0, 0)")
    connection.run("ANALYZE features.example")


def heard(outcome):
    """Columns warned of, as often as they were; none of another kind."""
    assert {notice.sqlstate for notice in outcome.notices} <= {"01SL1"}
    assert {notice.severity for notice in outcome.notices} <= {"WARNING"}
    return sorted(notice.rule.removesuffix("_range") for notice in outcome.notices)


def tick(session):
    """Let pgslo do all that is due: on a busy machine that is more than one call does."""
    while session.values("SELECT pgslo.tick()") == [True]:
        pass


def simple(session, query):
    return heard(session.run(query))


def make(connection, extra="", text=DEFINITION, table=TABLE):
    """The example, committed."""
    connection.execute(f"CREATE SCHEMA features; CREATE TABLE features.example ({table})")
    connection.execute(extra.encode() if isinstance(extra, str) else extra)
    loaded = definition.load(text, path="slos/example.yml")

    def plan():
        return planning.plan_definitions(connection, [loaded])

    installation.apply(connection, plan(), plan)
    connection.execute(
        "INSERT INTO features.example VALUES (0, '2026-11-22', 999999, 0, 'c', 0, 0), (1, '2026-11-22', 1, 1, 'c', 1, 1)"
    )


def listen(connection):
    heard = []
    connection.add_notice_handler(lambda said: heard.append((said.constraint_name, said.sqlstate)))
    return heard
