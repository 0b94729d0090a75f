"""Tables with something of each kind that monitoring reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

STATS = """\
table: features.stats
key: [id]
owner: growth
writes: bulk
batch: {by: day}
objective: {target: 0.9, window: 28 days}
columns:
  age:
    - range: {min: 0, max: 120}
    - not_null: {at_least: 0.9, owner: intake}
  country: [accepted_values: {values: [us, de], on_breach: quarantine}]
tasks:
  churn: {contact: "#churn", reads: [age]}
"""
PLAIN = 'table: features.plain\nkey: none\ncolumns: {"n\\"\\\\": [range: {min: 0}]}\n'
BATCHES = 30


def prepare(connection: psycopg.Connection[Any], apply: Callable[[str], Any]) -> None:
    """Guard two tables; one has batches, a missed one as the newest, a row in quarantine and a message that failed."""
    connection.execute(
        r"""CREATE SCHEMA features;
            CREATE TABLE features.stats (id int PRIMARY KEY, day date, age int, country text);
            CREATE TABLE features.plain ("n""\" int)"""
    )
    apply(STATS)
    apply(PLAIN)
    for day in range(BATCHES):
        bad = "WHEN 1 THEN 999" if day == BATCHES - 1 else ""
        connection.execute(
            f"""INSERT INTO features.stats
                SELECT {day} * 1000 + n, current_date - {BATCHES} + {day},
                       CASE n WHEN 0 THEN NULL {bad} ELSE 20 + n % 50 END, 'us'
                FROM generate_series(0, 199) AS n""".encode()
        )
    connection.execute("INSERT INTO features.stats VALUES (90001, current_date - 1, 30, 'xx')")
    # Every batch but today's is over; tick closes one once nothing was written to it for a while.
    connection.execute("SELECT pgslo.close_batch('features.stats')")
    connection.execute("SELECT pgslo.tick()")
    connection.execute("SELECT pgslo.subscribe('oncall')")
    connection.execute(
        """SELECT pgslo.queue_delivery('oncall/1/opened/1/1', 'oncall', i.page, 'opened', ARRAY[i.incident_id], 's', 'b')
           FROM pgslo.incident i WHERE i.rule = 'age_range'"""
    )
    connection.execute("SELECT pgslo.begin_delivery(1), pgslo.end_delivery(1, 'no answer')")
