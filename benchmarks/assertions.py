"""What an assertion costs beside the naive trigger that is not safe, and whether that grows with the table.

The naive trigger looks at each group that a statement touched, right after the statement, and takes no lock: two
transactions that do not see each other break it. ``python -m benchmarks.assertions [--quick]``. All of it takes a quarter of an hour; ``--seconds``, ``--rounds`` and
``--no-growth`` make it shorter.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from benchmarks import harness

from pgslo import embedded

CLIENTS = 16
GROUPS = 1_000
BASE_ROWS = 100_000
#: What an application does between its write and its commit, in milliseconds: nothing, and a few round trips.
WORK = (0, 5)
GROWTH = 100

NAIVE = """
CREATE FUNCTION {schema}.look() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT n.grp FROM written n) k WHERE {broken}) THEN
        RAISE EXCEPTION 'broken' USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END
$body$;
CREATE TRIGGER look AFTER INSERT ON {schema}.share REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION {schema}.look();
"""
#: A form of assertion, and what the naive trigger asks for one group.
FORMS = {
    "adds_up_to": (
        "{adds_up_to: {column: v, total: 0}, group_by: grp",
        "(SELECT sum(s.v) FROM {schema}.share s WHERE s.grp = k.grp) <> 0",
    ),
    "count": (
        "{count: {max: 1000000}, group_by: grp",
        "(SELECT count(*) FROM {schema}.share s WHERE s.grp = k.grp) > 1000000",
    ),
    "none_without": (
        "{none_without: {table: there.parent, on: grp}, where: v = 0",
        "NOT EXISTS (SELECT FROM there.parent p WHERE p.grp = k.grp)",
    ),
}
VARIANTS = ("bare", "naive", "assertion")


def make(conn: harness.Connection, schema: str, form: str, variant: str, *, rows: int, groups: int) -> None:
    """A table with some rows in a number of groups, guarded in one of three ways."""
    conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
    conn.execute(f"CREATE SCHEMA {schema}".encode())
    conn.execute(
        f"CREATE TABLE {schema}.share (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, grp int NOT NULL, v int NOT NULL)".encode()
    )
    conn.execute(f"CREATE INDEX ON {schema}.share (grp)".encode())
    fill(conn, schema, rows=rows, groups=groups)
    assertion, broken = FORMS[form]
    if variant == "naive":
        conn.execute(NAIVE.format(schema=schema, broken=broken.format(schema=schema)).encode())
    elif variant == "assertion":
        harness.guard(
            conn,
            f"table: {schema}.share\nowner: sam\nwatch: false\nassertions:\n  - it: {assertion}, on_breach: reject}}\n",
        )


def fill(conn: harness.Connection, schema: str, *, rows: int, groups: int) -> None:
    """The same rows for all: a faster variant would else have larger groups in the next round."""
    conn.execute("SET session_replication_role = replica")
    conn.execute(f"TRUNCATE {schema}.share".encode())
    conn.execute(
        f"INSERT INTO {schema}.share (grp, v) SELECT n % {groups}, 0 FROM generate_series(1, {rows}) n".encode()
    )
    conn.execute("RESET session_replication_role")
    conn.execute(f"VACUUM ANALYZE {schema}.share".encode())


def script(schema: str, groups: int, work: int) -> str:
    """One transaction of one row in one of the groups, with some milliseconds of work before it commits."""
    insert = f"\\set g random(0, {groups - 1})\nINSERT INTO {schema}.share (grp, v) VALUES (:g, 0);\n"
    return f"BEGIN;\n{insert}\\sleep {work} ms\nCOMMIT;\n" if work else insert


def throughput(
    server: embedded.Server, pgbench: Path, form: str, *, work: int, seconds: int, rounds: int
) -> harness.Series:
    """Transactions a second of all clients, with about ten rows a group."""
    with harness.connect(server, f"bench_{form}") as conn:
        conn.execute("DROP SCHEMA IF EXISTS there CASCADE")
        conn.execute("CREATE SCHEMA there CREATE TABLE parent (grp int PRIMARY KEY)")
        conn.execute(f"INSERT INTO there.parent SELECT generate_series(0, {GROUPS * 100 * GROWTH})".encode())
        for variant in VARIANTS:
            make(conn, variant, form, variant, rows=GROUPS * 10, groups=GROUPS)

    def measure(variant: str) -> harness.Taken:
        with harness.connect(server, f"bench_{form}") as conn:
            fill(conn, variant, rows=GROUPS * 10, groups=GROUPS)
            conn.execute("CHECKPOINT")
        text = script(variant, GROUPS, work)
        return harness.Taken(
            harness.pgbench(pgbench, server, f"bench_{form}", text, clients=CLIENTS, seconds=seconds)
        )

    return harness.Series(VARIANTS).run(rounds, measure)


def growth(server: embedded.Server, *, rounds: int, writes: int) -> harness.Series:
    """Seconds for single-row transactions into a table, and into one a hundred times as large with groups as large."""
    sizes = {"small": BASE_ROWS, "large": BASE_ROWS * GROWTH}
    with harness.connect(server, "bench_growth") as conn:
        for name, rows in sizes.items():
            make(conn, name, "adds_up_to", "assertion", rows=rows, groups=rows // 10)

        def measure(name: str) -> harness.Taken:
            groups = sizes[name] // 10

            def work() -> None:
                for n in range(writes):
                    conn.execute(
                        f"INSERT INTO {name}.share (grp, v) VALUES (%s, 0)".encode(),
                        ((n * 7919) % groups,),
                        prepare=True,
                    )

            conn.execute("CHECKPOINT")
            return harness.timed(work, conn)

        return harness.Series(tuple(sizes)).run(rounds, measure)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds: does it run at all")
    parser.add_argument("--seconds", type=int, help="of each measurement")
    parser.add_argument("--rounds", type=int, help="of each comparison")
    parser.add_argument("--no-growth", action="store_true", help="leave the large table out")
    given = parser.parse_args()
    quick = given.quick
    seconds, rounds = given.seconds or (2 if quick else 8), given.rounds or (2 if quick else 5)
    pgbench = harness.find_pgbench()
    if pgbench is None:
        raise SystemExit("pgbench was not found (Debian: postgresql-contrib)")
    goals, rows = [], []
    with harness.serve() as server:
        for work, form in itertools.product(WORK, FORMS):
            series = throughput(server, Path(pgbench), form, work=work, seconds=seconds, rounds=rounds)
            rows.append(
                (
                    f"{form}, {work} ms of work",
                    *(f"{series.median(one):,.0f}/s" for one in VARIANTS),
                    f"{series.ratio('assertion', 'naive'):.2f} x",
                )
            )
            goals.append(
                harness.Goal(
                    f"{form}, {work} ms of work, beside the naive trigger",
                    series.ratio("assertion", "naive"),
                    0.7,
                    at_least=True,
                )
            )
        harness.show_table(
            f"one-row transactions, {CLIENTS} clients, {GROUPS:,} groups",
            ("form", *VARIANTS, "of naive"),
            rows,
        )
        if not given.no_growth:
            grown = growth(server, rounds=3 if quick else 7, writes=300 if quick else 2_000)
            goals.append(
                harness.Goal(
                    f"cost of a write, table {GROWTH} x as large", grown.ratio("large", "small"), 1.1
                )
            )
    harness.show_goals(goals)


if __name__ == "__main__":
    main()
