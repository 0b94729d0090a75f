"""What tick() costs for batches that arrive out of their order: python -m benchmarks.late_batches."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

from benchmarks import harness
from benchmarks.harness import Connection, Goal, Taken

_DEFINITION = """
table: late.{table}
owner: benchmarks
writes: bulk
batch: {{by: day}}
row_count: {{relative_to: previous, min: 0.5, max: 1.5}}
columns:
  v:
    - change: {{of: mean, relative_to: 28 batches, max: 0.5, name: of_many}}
    - change: {{of: mean, relative_to: same weekday, max: 0.5, name: weekly}}
    - drift: {{by: ks, relative_to: 7 batches, max: 0.5, name: shape}}
"""
_ORDERS = ("in order", "in reverse", "at random")
_ROWS = 100


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=100)
    batches = parser.parse_args().batches
    goals: list[Goal] = []
    with harness.serve() as server, harness.connect(server, "late") as conn:
        conn.execute("CREATE SCHEMA late")
        # The first tables find the catalogue cold, and without statistics.
        for measure in (_backlog, _one_by_one):
            measure(conn, _days("in order", min(batches, 40)))
        for title, measure in (("a backlog of", _backlog), ("one after the other,", _one_by_one)):
            taken = [measure(conn, _days(order, batches)) for order in _ORDERS]
            cpu = [one.value if one.cpu is None else one.cpu for one in taken]
            harness.show_table(
                f"{title} {batches:,} batches of {_ROWS} rows, until each has its verdicts",
                ["arrival", "s", "CPU, s", "ratio of CPU"],
                [
                    [order, f"{one.value:.1f}", f"{used:.1f}", f"{used / cpu[0]:.2f}"]
                    for order, one, used in zip(_ORDERS, taken, cpu, strict=True)
                ],
            )
            goals += [
                Goal(f"tick() for {title} batches {order}, against in order", used / cpu[0], 3)
                for order, used in zip(_ORDERS[1:], cpu[1:], strict=True)
            ]
    harness.show_goals(goals)


def _days(order: str, batches: int) -> Sequence[int]:
    days = list(range(batches))
    if order == "at random":
        random.Random(7).shuffle(days)
    return days[::-1] if order == "in reverse" else days


def _make(conn: Connection) -> str:
    (number,) = conn.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'late'::regnamespace AND relkind = 'r'"
    ).fetchone() or (0,)
    table = f"t{number}"
    conn.execute(f"CREATE TABLE late.{table} (id bigint, day date, v float8, PRIMARY KEY (id, day))".encode())
    harness.guard(conn, _DEFINITION.format(table=table))
    return table


def _load(conn: Connection, table: str, day: int) -> None:
    conn.execute(
        f"""INSERT INTO late.{table} SELECT g, date '2020-01-01' + %s::int, sin(g * %s + g) FROM generate_series(1, {_ROWS}) g""".encode(),
        (day, day),
    )


def _backlog(conn: Connection, days: Sequence[int]) -> Taken:
    """All are loaded, then ticks run until none is due."""
    table = _make(conn)
    for day in days:
        _load(conn, table, day)
    conn.execute(
        "VACUUM ANALYZE pgslo_catalog.fragment, pgslo_catalog.batch, pgslo_catalog.profile, pgslo_catalog.verdict"
    )

    def work() -> None:
        while (conn.execute("SELECT pgslo.tick()").fetchone() or (False,))[0]:
            pass

    return _ended(conn, table, harness.timed(work, conn))


def _one_by_one(conn: Connection, days: Sequence[int]) -> Taken:
    """Each is closed before the next one is loaded."""
    table = _make(conn)
    value, cpu = 0.0, 0.0
    for number, day in enumerate(days):
        if number % 100 == 0:
            conn.execute(
                "VACUUM ANALYZE pgslo_catalog.fragment, pgslo_catalog.batch, pgslo_catalog.profile, pgslo_catalog.verdict"
            )
        _load(conn, table, day)
        one = harness.timed(
            lambda: conn.execute("SELECT count(*) FROM pgslo.close_batch(%s)", (f"late.{table}",)), conn
        )
        value, cpu = value + one.value, cpu + (one.cpu or 0)
    return _ended(conn, table, Taken(value, cpu or None))


def _ended(conn: Connection, table: str, taken: Taken) -> Taken:
    """Return the time, and remove the table's definition: the next one is measured alone."""
    conn.execute("SELECT pgslo.close_batch(%s)", (f"late.{table}",))
    conn.execute("DELETE FROM pgslo_catalog.definition WHERE name = %s", (f"late.{table}",))
    return taken


if __name__ == "__main__":
    main()
