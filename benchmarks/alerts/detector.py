"""Answer alertbench's harness with the alerts of an installed pgslo; nothing is detected here.

The harness runs it, one process a stream: `python -m benchmarks.alerts.detector --variant A`. It starts a private
server, makes a table of text columns, applies a definition that sets no threshold, loads each batch with COPY and
closes it. Variant A has an operator: broken batches are loaded again, repaired, and false alarms are marked.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import harness
from psycopg import sql

from pgslo import embedded

TABLE = "public.stream"
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}


class Stream:
    """A table that batches are loaded into, watched by pgslo."""

    def __init__(self, conn: harness.Connection, columns: list[str], *, feedback: bool) -> None:
        self.conn, self.columns, self.feedback = conn, columns, feedback
        self.days: dict[int, str] = {}
        self.seen: dict[int, str] = {}
        fields = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(c)) for c in columns)
        conn.execute("CREATE SEQUENCE public.line")
        conn.execute(
            sql.SQL(
                """CREATE TABLE public.stream (
                       batch_date date NOT NULL DEFAULT current_setting('alerts.day')::date,
                       line integer NOT NULL DEFAULT nextval('public.line'), {}, PRIMARY KEY (batch_date, line))"""
            ).format(fields)
        )
        harness.guard(
            conn,
            f"table: {TABLE}\nowner: benchmark\nkey: [batch_date, line]\nwrites: bulk\n"
            "batch: {by: batch_date}\nunwatched: [batch_date, line]\n",
        )

    def load(self, day: str, path: Path) -> None:
        """Load a file as its author's job would: one COPY. A column that is not in it stays NULL."""
        with path.open(newline="", encoding="utf-8") as file:
            header = next(csv.reader(file))
        self.conn.execute(
            "SELECT set_config('alerts.day', %s, false), setval('public.line', 1, false)", (day,)
        )
        names = sql.SQL(", ").join(sql.Identifier(name) for name in header)
        statement = sql.SQL("COPY public.stream ({}) FROM STDIN (FORMAT csv, HEADER true)").format(names)
        with self.conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(path.read_bytes())

    def batch(self, number: int, day: str, path: Path) -> list[dict[str, Any]]:
        """Load a batch, close it, and say what pgslo says of its columns."""
        self.days[number], self.seen[number] = day, hashlib.sha256(path.read_bytes()).hexdigest()
        self.load(day, path)
        # As the server's own autovacuum would every minute: a replay does a year in a few.
        if number % 50 == 49:
            self.conn.execute("ANALYZE")
        # Two rules have no column, of the batch's rows and of batches that did not come: the worse verdict counts.
        worst: dict[str, dict[str, Any]] = {}
        for columns, verdict, score in self.conn.execute(
            "SELECT columns, verdict, score FROM pgslo.close_batch(%s, %s)", (TABLE, day)
        ).fetchall():
            name = columns[0] if columns else "__table__"
            one = {"column": name, "score": score or 0.0, "alert": verdict == "missed"}
            worst[name] = max(worst.get(name, one), one, key=lambda a: (a["alert"], a["score"]))
        return list(worst.values())

    def outcome(self, number: int, path: Path) -> None:
        """Be the operator: load the repaired batches again, and answer for each alert whether it was true."""
        if not self.feedback:
            return
        day = self.days[number]
        repaired = hashlib.sha256(path.read_bytes()).hexdigest() != self.seen[number]
        found = self.conn.execute(
            "SELECT incident_id FROM pgslo_catalog.incident WHERE resolved_at IS NULL"
        ).fetchall()
        for (incident,) in found:
            self.conn.execute(
                "SELECT pgslo.resolve(%s, %s)", (incident, "real" if repaired else "false_alarm")
            )
        if repaired:
            self.conn.execute("DELETE FROM public.stream WHERE batch_date = %s", (day,))
            self.load(day, path)
            self.conn.execute("SELECT pgslo.close_batch(%s, %s)", (TABLE, day))


def keep(folder: Path, stream: str, said: list[dict[str, Any]]) -> None:
    """Write the alerts in the format that the harness scores, one file a stream."""
    dataset, seed = stream.split("/")
    with (folder / f"{dataset}_{seed}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "seed", "batch", "column", "score", "alert"])
        writer.writerows(
            [dataset, seed, one["batch"], one["column"], one["score"], int(one["alert"])] for one in said
        )


def main() -> None:
    """Speak the harness's protocol on standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", choices=["A", "B"], default="A")
    parser.add_argument("--alerts", type=Path, help="folder for what is said of each column and batch")
    asked = parser.parse_args()
    stream: Stream | None = None
    name, said = "", []
    with embedded.serve(settings=SETTINGS) as server:
        for line in sys.stdin:
            message = json.loads(line)
            answer: dict[str, Any] = {"ok": True}
            if message["op"] == "start":
                conn = harness.connect(server, "alerts")
                stream = Stream(conn, list(message["columns"]), feedback=asked.variant == "A")
                name = message["stream"]
            elif message["op"] == "batch" and stream is not None:
                alerts = stream.batch(message["id"], message["date"], Path(message["path"]))
                said += [{**alert, "batch": message["id"]} for alert in alerts]
                answer = {"alerts": alerts}
            elif message["op"] == "outcome" and stream is not None:
                stream.outcome(message["id"], Path(message["path"]))
            elif message["op"] == "end":
                break
            print(json.dumps(answer), flush=True)
    if asked.alerts is not None:
        keep(asked.alerts, name, said)


if __name__ == "__main__":
    main()
