"""What planning many definitions costs: python -m benchmarks.many_definitions.

Printed are seconds of a plan of all definitions of tables of 28 columns and 46 rules, CPU seconds of both sides, and round
trips to the server for a definition.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import psycopg
from benchmarks import harness

from pgslo import definition
from pgslo.database import planning

_COLUMNS = 26


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--definitions", type=int, default=500)
    number = parser.parse_args().definitions
    with harness.serve() as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA many")
        for n in range(number):
            connection.execute(_table(n).encode())
        loaded = [definition.load(_text(n), path=f"slos/t{n}.yml") for n in range(number)]
        began, cpu = time.perf_counter(), time.process_time()
        trips = counting_trips(connection)
        plan = planning.plan_definitions(connection, loaded)
        print(f"definitions            {number}")
        print(f"steps                  {len(plan.steps)}")
        print(f"seconds                {time.perf_counter() - began:.1f}")
        print(f"CPU seconds of Python  {time.process_time() - cpu:.1f}")
        print(f"round trips each       {trips() / number:.1f}")


def counting_trips(connection: psycopg.Connection[Any]) -> Callable[[], int]:
    """Return a function that counts the messages sent to the server since."""
    sent = 0
    wait = connection.wait

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal sent
        sent += 1
        return wait(*args, **kwargs)

    connection.wait = counted  # type: ignore[method-assign]
    return lambda: sent


def _table(n: int) -> str:
    columns = ", ".join(f"c{i} {'text' if i % 2 else 'float8'}" for i in range(_COLUMNS))
    return f"CREATE TABLE many.t{n} (id bigint, ds date, {columns}, PRIMARY KEY (id, ds))"


def _text(n: int) -> str:
    lines = [f"table: many.t{n}", "owner: benchmarks", "batch: {by: ds}", "columns:"]
    for i in range(_COLUMNS):
        lines += [f"  c{i}:", "    - completeness: 0.9"]
        lines += ["    - length: {max: 20}" if i % 2 else "    - range: {min: 0, max: 100}"] if i < 20 else []
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
