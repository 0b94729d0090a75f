"""What closing a batch costs as tables get wider: python -m benchmarks.wide.

Printed are CPU seconds of the server process, and how many times as much as proportion to the columns would be.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks import harness
from benchmarks.harness import Connection, Goal, Taken

from pgslo import embedded

_DEFINITION = """
table: {table}
owner: benchmarks
batch: {{by: ds}}
columns: {{f000: [completeness: 0.9]}}
"""
#: Of each 20 columns: 11 floats, 4 integers, 3 texts of four words, a boolean and a time.
_WORD = "(ARRAY['red', 'green', 'blue', 'grey'])[1 + floor(random() * 4)::int]"
_KINDS = [
    *[("float8", "random() * 100")] * 11,
    *[("int", "floor(random() * 1000)::int")] * 4,
    *[("text", " || ' ' || ".join([_WORD] * 4))] * 3,
    ("boolean", "random() < 0.3"),
    ("timestamptz", "timestamptz '2026-01-01' + random() * interval '20 hours'"),
]
#: CPU seconds that closing may take, where there is a goal.
_AT_MOST = {300: 1, 900: 7}
#: A proportion that holds but for the noise of the machine.
_LINEAR = 1.3


@dataclass(frozen=True)
class Effort:
    """How wide tables are, and how long."""

    columns: tuple[int, ...]
    earlier: int
    rows: int


#: From the 11th batch on, a batch is compared with predictions.
FULL = Effort((30, 100, 300, 900), 12, 10_000)
QUICK = Effort((30, 100, 300), 12, 10_000)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no table of 900 columns")
    effort = QUICK if parser.parse_args().quick else FULL
    with harness.serve() as server:
        taken = {columns: _close(server, columns, effort) for columns in effort.columns}
    narrow, *wider = effort.columns
    cpu = {columns: one.cpu if one.cpu is not None else float("nan") for columns, one in taken.items()}
    proportion = {columns: cpu[columns] / cpu[narrow] / (columns / narrow) for columns in effort.columns}
    harness.show_table(
        f"closing a batch of {effort.rows:,} rows after {effort.earlier} batches of 300 rows",
        ["columns", "by the clock, s", "CPU, s", "against proportion"],
        [
            [str(columns), f"{one.value:.2f}", f"{cpu[columns]:.2f}", f"{proportion[columns]:.2f}"]
            for columns, one in taken.items()
        ],
    )
    goals = [
        Goal(f"closing {columns} columns against {narrow}, by column", proportion[columns], _LINEAR)
        for columns in wider
    ]
    goals += [
        Goal(
            f"closing {columns} columns, CPU of the server process",
            cpu[columns] * 1000,
            limit * 1000,
            unit="ms",
        )
        for columns, limit in _AT_MOST.items()
        if columns in cpu
    ]
    harness.show_goals(goals)


def _close(server: embedded.Server, columns: int, effort: Effort) -> Taken:
    """Close the last of some batches of a table that has a database of its own."""
    with harness.connect(server, f"wide_{columns}") as conn:
        made = [_KINDS[n % len(_KINDS)] for n in range(columns)]
        named = ", ".join(f"f{n:03} {kind}" for n, (kind, _) in enumerate(made))
        conn.execute(f"CREATE TABLE wide (id bigint, ds date, {named}, PRIMARY KEY (id, ds))".encode())
        harness.guard(conn, _DEFINITION.format(table="public.wide"))
        values = ", ".join(expression for _, expression in made)
        for day in range(effort.earlier):
            _insert(conn, values, day, 300)
            _judge(conn)
        _insert(conn, values, effort.earlier, effort.rows)
        return harness.timed(lambda: _judge(conn), conn)


def _insert(conn: Connection, values: str, day: int, rows: int) -> None:
    statement = (
        f"INSERT INTO wide SELECT g, date '2026-01-01' + {day}, {values} FROM generate_series(1, {rows}) g"
    )
    conn.execute(statement.encode())


def _judge(conn: Connection) -> None:
    conn.execute("SELECT count(*) FROM pgslo.close_batch('public.wide')")


if __name__ == "__main__":
    main()
