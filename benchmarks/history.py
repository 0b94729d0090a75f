"""What state costs as batches pass: bytes a column and batch, and closing, by age: python -m benchmarks.history.

Closing is compared round by round on two tables with the same rows, one that is pruned and one that is not.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass

from benchmarks import harness
from benchmarks.harness import Connection, Goal

#: 38 numbers, 6 texts, 2 booleans and 2 times beside the key.
_KINDS = [
    *[("float8", "random() * 100")] * 20,
    *[("int", "floor(random() * 1000)::int")] * 18,
    *[("text", "(ARRAY['red', 'green', 'blue', 'grey'])[1 + floor(random() * 4)::int]")] * 3,
    *[("text", "md5(random()::text)")] * 3,
    *[("boolean", "random() < 0.3")] * 2,
    *[("timestamptz", "day + random() * interval '20 hours'")] * 2,
]
_DEFINITION = """
table: public.{table}
owner: benchmarks
batch: {{by: day}}
columns: {{c00: [completeness: 0.9]}}
"""
#: Bytes of state a column and batch, of batches beyond those that learned bounds compare with.
_AT_MOST = 1_000


@dataclass(frozen=True)
class Effort:
    """The number of batches, of their rows, and the part of the columns they have: one in a number."""

    batches: int
    rows: int
    one_of: int

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The columns: bytes a column and batch are the same with fewer of them."""
        return _KINDS[:: self.one_of]


FULL = Effort(180, 500, 1)
QUICK = Effort(72, 100, 4)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer batches, of fewer rows and columns")
    effort = QUICK if parser.parse_args().quick else FULL
    with harness.serve() as server, harness.connect(server, "history") as conn:
        closing = _pass(conn, effort)
        goals = [*_show_closing(closing, effort), *_show_sizes(conn)]
    harness.show_goals(goals)


def _pass(conn: Connection, effort: Effort) -> dict[str, list[float]]:
    """Write and close batch after batch; CPU seconds of each closing."""
    columns = ", ".join(f"c{n:02} {kind}" for n, (kind, _) in enumerate(effort.kinds))
    closing: dict[str, list[float]] = {"kept": [], "pruned": []}
    for table in closing:
        conn.execute(f"CREATE TABLE {table} (id bigint, day date, {columns}, PRIMARY KEY (id, day))".encode())
        harness.guard(conn, _DEFINITION.format(table=table))
    values = ", ".join(value for _, value in effort.kinds)
    for number in range(effort.batches):
        conn.execute(
            f"""INSERT INTO kept SELECT g, day, {values}
                FROM generate_series(1, {effort.rows}) g, (SELECT date '2026-01-01' + {number} AS day) d""".encode()
        )
        conn.execute(
            f"INSERT INTO pruned SELECT * FROM kept WHERE day = date '2026-01-01' + {number}".encode()
        )
        for table, taken in closing.items():
            query = f"SELECT count(*) FROM pgslo.close_batch('public.{table}', '*')".encode()
            one = harness.timed(lambda query=query: conn.execute(query), conn)
            taken.append(one.cpu if one.cpu is not None else one.value)
        conn.execute("SELECT count(*) FROM pgslo.prune('public.pruned', 100000)")
        if number % 10 == 0:
            # As autovacuum would.
            conn.execute("VACUUM ANALYZE")
    return closing


def _show_closing(closing: dict[str, list[float]], effort: Effort) -> list[Goal]:
    """Closing by age: the median of each thirty batches."""
    rows = []
    for first in range(0, effort.batches, 30):
        part = {table: statistics.median(taken[first : first + 30]) for table, taken in closing.items()}
        last = min(first + 30, effort.batches)
        rows.append(
            [f"{first + 1} to {last}", *(f"{part[table] * 1000:.0f}" for table in ("kept", "pruned"))]
        )
    harness.show_table(
        f"closing a batch of {effort.rows:,} rows and {len(effort.kinds) + 2} columns, CPU in ms, by age",
        ["batches", "not pruned", "pruned after each"],
        rows,
    )
    old = {table: sum(taken[-30:]) for table, taken in closing.items()}
    return [Goal("closing with pruned history against whole history", old["pruned"] / old["kept"], 1.1)]


def _show_sizes(conn: Connection) -> list[Goal]:
    """Bytes of state a column and batch: as rows are stored, and with their verdicts."""
    found = conn.execute(_SIZES).fetchall()
    harness.show_table(
        "state, bytes a column and batch",
        ["table", "profiles", "batches", "profile", "verdict", "batch"],
        [
            [name, age, str(batches), *(f"{float(one):,.0f}" for one in sizes)]
            for name, age, batches, *sizes in found
        ],
    )
    (whole,) = conn.execute("SELECT pg_total_relation_size('pgslo_catalog.profile')").fetchone() or (0,)
    conn.execute("VACUUM FULL pgslo_catalog.profile")
    (full,) = conn.execute("SELECT pg_total_relation_size('pgslo_catalog.profile')").fetchone() or (0,)
    print(f"profiles of both tables: {whole / 1e6:.1f} MB, {full / 1e6:.1f} MB after VACUUM FULL\n")
    (old,) = [
        sum(map(float, sizes)) for name, age, _, *sizes in found if (name, age) == ("public.pruned", "old")
    ]
    return [Goal("state of an old batch, a column", old, _AT_MOST, unit=" bytes")]


#: Toasted values count as they are stored: pg_column_size() of a column does, that of a row does not.
_SIZES = """
WITH sizes AS (
    SELECT p.definition_id, p.noise IS NULL AS is_old, p.batch, p.column_name,
           (SELECT 24 + sum(pg_column_size(x.v)) FROM (VALUES (p.batch), (p.column_name)) AS x (v)) + 60
           + coalesce(pg_column_size(p.place), 0)
           + coalesce(pg_column_size(p.summary), 0) + coalesce(pg_column_size(p.noise), 0) + coalesce(pg_column_size(p.expected), 0)
           + coalesce(pg_column_size(p.spread), 0) + coalesce(pg_column_size(p.surprise), 0) + coalesce(pg_column_size(p.tolerated), 0)
           + coalesce(pg_column_size(p.tolerated_below), 0) + coalesce(pg_column_size(p.maturing), 0)
           + coalesce(pg_column_size(p.common), 0) + coalesce(pg_column_size(p.shapes), 0) + coalesce(pg_column_size(p.usual), 0)
           + coalesce(pg_column_size(p.usual_shapes), 0) + coalesce(pg_column_size(p.usual_grid), 0) + coalesce(pg_column_size(p.grid), 0)
           + coalesce(pg_column_size(p.prefix), 0) + coalesce(pg_column_size(p.entities), 0) AS size
    FROM pgslo_catalog.profile p
)
SELECT d.name, CASE WHEN s.is_old THEN 'old' ELSE 'whole' END, count(DISTINCT s.batch), avg(s.size),
       (SELECT sum(pg_column_size(v.*)) FROM pgslo_catalog.verdict v WHERE v.definition_id = d.definition_id)::numeric
           / (SELECT count(*) FROM sizes a WHERE a.definition_id = d.definition_id),
       (SELECT sum(pg_column_size(b.*)) FROM pgslo_catalog.batch b WHERE b.definition_id = d.definition_id)::numeric
           / (SELECT count(*) FROM sizes a WHERE a.definition_id = d.definition_id)
FROM sizes s JOIN pgslo_catalog.definition d USING (definition_id)
GROUP BY d.definition_id, d.name, s.is_old
ORDER BY d.name, s.is_old
"""


if __name__ == "__main__":
    main()
