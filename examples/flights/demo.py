"""The demo: a year of New York's flights, loaded night by night into a guarded table.

It needs no server and no Docker: it starts a private PostgreSQL, and leaves nothing running. Everything it shows is
run as it is shown; long output is shortened, and says so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql
from screen import Screen, Session

from pgslo import embedded
from pgslo.errors import PgsloError

HERE = Path(__file__).parent
DATABASE = "flights_demo"
#: Up to the first invalid registration, two days after the storm.
QUICK = 42
#: Held back from the load: a night on which the source breaks, and the night after.
HELD_BACK = 2
#: Nights that may wait to be closed while others are loaded. A busy machine loads faster than it closes, and tick() closes the
#: newest of many first: a night has nothing to be compared with then.
WAITING = 5
#: A throwaway server need not survive a power cut.
HASTE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
#: What the package's airports.csv does not have.
MISSING_AIRPORTS = """\
INSERT INTO ref.airports (faa, name, lat, lon) VALUES
    ('SJU', 'Luis Muñoz Marín International', 18.439, -66.002),
    ('BQN', 'Rafael Hernández', 18.495, -67.129),
    ('STT', 'Cyril E. King', 18.337, -64.973),
    ('PSE', 'Mercedita', 18.008, -66.563)"""


class Pace:
    """Keeps the loading of nights from running away from their closing."""

    def __init__(self, waiting: int = WAITING) -> None:
        self._waiting = waiting
        self._closed = 0
        self._is_over = False
        self._changed = threading.Condition()

    def closed(self, nights: int) -> None:
        """Note that this number of nights is closed."""
        with self._changed:
            self._closed = nights
            self._changed.notify_all()

    def over(self) -> None:
        """Note that no more nights will be closed."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def wait(self, loaded: int) -> None:
        """Wait until few of the loaded nights are open."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or loaded - self._closed <= self._waiting)


class Demo:
    """The scenes in their order, on one database."""

    def __init__(self, screen: Screen, dsn: str, days: dict[str, str]) -> None:
        self.screen = screen
        self.dsn = dsn
        self.days = days
        self.nights = [*days][:-HELD_BACK]
        self.broken_night, self.night_after = [*days][-HELD_BACK:]
        self.owner = Session(screen, dsn, "demo")
        self.loader = Session(screen, self._role("loader"), "nightly-load")
        self.analyst_dsn = self._role("analyst")

    def close(self) -> None:
        """Close the sessions."""
        self.owner.connection.close()
        self.loader.connection.close()

    def play(self) -> None:
        """Show everything."""
        self.define()
        self.apply()
        self.load()
        self.look_back()
        self.learned()
        self.reject()
        self.release()
        self.repair()
        self.fail_job()
        self.break_source()
        self.read()
        self.change_unit()
        self.correct()

    def _role(self, name: str) -> str:
        """Make a role without any rights, and return how to connect as it."""
        password, role = secrets.token_urlsafe(), sql.Identifier(name)
        connection = self.owner.connection
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))
        return conninfo.make_conninfo(self.dsn, user=name, password=password)

    def _value(self, query: str) -> Any:
        row = self.owner.connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def _pgslo(self, *arguments: str, first: int | None = None, last: int = 0) -> None:
        """Run the command line and show its output."""
        self.screen.typed("$", f"pgslo {' '.join(arguments)}")
        self.screen.came(_run("-m", "pgslo", *arguments, PGSLO_DSN=self.dsn), first=first, last=last)

    def define(self) -> None:
        """Show the table and its definition."""
        import source  # takes a second, and --help need not wait for it

        self.screen.scene("A table, and its rules")
        self.screen.tell(
            f"{sum(text.count(chr(10)) for text in self.days.values()):,} flights left New York's three airports in "
            f"{len(self.days)} days of 2013, or should have. A nightly job loads each day into features.flights, a plain "
            "table (ddl.sql). These are its rules, slos/flights.yml:"
        )
        connection = self.owner.connection
        connection.execute((HERE / "ddl.sql").read_bytes())
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO ref.airlines VALUES (%s, %s)", source.airlines())
            cursor.executemany("INSERT INTO ref.airports VALUES (%s, %s, %s, %s)", source.airports())
        connection.execute("GRANT USAGE ON SCHEMA features TO loader")
        connection.execute("GRANT INSERT ON features.flights TO loader")
        self.screen.console.print()
        self.screen.came((HERE / "slos" / "flights.yml").read_text(encoding="utf-8"))

    def apply(self) -> None:
        """Lint, plan and apply."""
        self.screen.scene("From file to database")
        self.screen.tell(
            "lint needs no database. plan shows every step with its reason, locks, hazards and undo; only apply changes "
            "anything, and a second plan finds nothing to do."
        )
        self._pgslo("lint")
        self._pgslo("plan", first=36)
        self._pgslo("apply", "--yes", first=1, last=1)
        self._pgslo("plan")

    def load(self) -> None:
        """Load the nights, one COPY each."""
        nights = len(self.nights)
        self.screen.scene(f"{nights} nights, one COPY each")
        self.screen.tell(
            "The job connects as a role that may insert into the table, without any change for pgslo. Every rule is evaluated "
            "in its transaction, on its rows. Beside it runs the call that pg_cron or pgslo watch makes every minute, SELECT "
            "pgslo.tick(): it closes nights that are complete, and compares every column with its own history."
        )
        self.screen.console.print()
        began = time.monotonic()
        rows = 0
        loaded = threading.Event()
        pace = Pace()
        ticking = threading.Thread(target=self._tick, args=(loaded, pace), daemon=True)
        ticking.start()
        with self.screen.progress(nights) as progress:
            for n, night in enumerate(self.nights):
                self.loader.copy(self.days[night])
                rows += self.days[night].count("\n")
                pace.wait(n + 1)
                progress.update(progress.task_ids[0], advance=1, description=f"{night}  {rows:>7,} rows")
                following = self.nights[n + 1] if n + 1 < nights else self.broken_night
                if progress.disable and (following[:7] != night[:7] or n + 1 == nights):
                    self.screen.came(f"{night}  {rows:>7,} rows")
        loaded.set()
        ticking.join()
        took = time.monotonic() - began
        warned = len(self.loader.notices)
        self.loader.notices.clear()
        self.screen.tell(f"{rows:,} rows in {took:.1f} s. The job was warned on {warned} of {nights} nights.")

    def _tick(self, loaded: threading.Event, pace: Pace) -> None:
        """Close nights while others are loaded, until all are closed but the last."""
        try:
            with psycopg.connect(self.dsn, autocommit=True, application_name="tick") as connection:
                behind = True
                while behind or not loaded.is_set():
                    last = loaded.wait(timeout=0.2)
                    connection.execute("SELECT pgslo.tick()")
                    (closed,) = connection.execute(
                        "SELECT count(*) FROM pgslo.batch WHERE closed_at IS NOT NULL"
                    ).fetchone() or (0,)
                    pace.closed(closed)
                    behind = not last or closed < len(self.nights) - 1
        finally:
            pace.over()

    def look_back(self) -> None:
        """The incidents of real data."""
        self.screen.scene("What the rules found in real data")
        self.owner.run(
            "SELECT rule, on_breach, count(*) AS incidents, min(opened_batch) AS first, max(opened_batch) AS last,\n"
            "       count(*) FILTER (WHERE state = 'open') AS still_open, count(*) FILTER (WHERE state = 'over') AS over\n"
            "FROM pgslo.incident WHERE kind <> 'learned' GROUP BY rule, on_breach ORDER BY first, rule"
        )
        held = self._value("SELECT count(*) FROM pgslo.quarantine WHERE state = 'held'")
        clipped = self._value("SELECT count(*) FROM pgslo.repair")
        self.screen.tell(
            "Nothing of this is staged. On bad days more than a tenth of the flights is cancelled, so dep_time and "
            "air_time are missing; the worst is the blizzard of 8 and 9 February:"
        )
        storm = self._value(
            "SELECT incident_id FROM pgslo.incident WHERE rule = 'dep_time_not_null' AND opened_batch = '2013-02-08'"
        )
        if storm:
            self._pgslo("explain", str(storm))
        self.screen.tell(
            "One incident has been open since New Year: flights to airports that the reference table does not have. "
            "Samples of the failing rows were kept:"
        )
        self.owner.run(
            "SELECT excerpt, count(*) AS samples, min(row_key) AS for_example FROM pgslo.sample\n"
            "WHERE rule = 'dest_references' GROUP BY excerpt ORDER BY samples DESC"
        )
        self.screen.tell(
            "Four real airports in Puerto Rico and the Virgin Islands; the last scene adds them. Until then, readers of dest are "
            "warned."
        )
        if self._value("SELECT count(*) FROM pgslo.sample WHERE rule = 'plausible_speed'"):
            self.screen.tell("Some flights are faster than any airliner:")
            self.owner.run(
                "SELECT row_key, excerpt FROM pgslo.sample WHERE rule = 'plausible_speed' ORDER BY batch"
            )
        self.screen.tell(
            f"Besides, {held} {'row was' if held == 1 else 'rows were'} quarantined and {clipped} values were repaired. "
            "No row was rejected."
        )

    def learned(self) -> None:
        """Violations of learned bounds."""
        self.screen.scene("Columns without a threshold")
        self.screen.tell(
            "Every column is watched, by bounds that are learned from its earlier nights. These nights are beyond them, each "
            "with its most unusual column:"
        )
        self.owner.run(
            "SELECT batch, count(*) AS columns,\n"
            "       (array_agg(coalesce(columns[1], 'the table') || ': ' || detail ORDER BY score DESC))[1] AS furthest_out\n"
            "FROM pgslo.verdict WHERE verdict = 'missed' AND kind = 'learned' GROUP BY batch ORDER BY batch"
        )
        self.screen.tell("The storm of 8 and 9 February is among them, though no rule names a number.")
        if "2013-12-25" in self.days:
            self.screen.tell(
                "Independence Day, Thanksgiving and Christmas are not: the definition lists them as holidays."
            )

    def reject(self) -> None:
        """A write that violates a rule which rejects."""
        self.screen.scene("A write that is rejected")
        self.screen.tell(
            "The job loads a flight from Chicago by mistake. The rule on origin rejects, so nothing of the statement is "
            "stored. The error has the code of a check constraint: every driver raises its IntegrityError."
        )
        self.loader.run(
            "INSERT INTO features.flights (flight_date, carrier, flight, origin, dest, distance)\n"
            f"VALUES ('{self.broken_night}', 'UA', 1, 'ORD', 'DEN', 888)"
        )

    def release(self) -> None:
        """A row in quarantine, and its release."""
        self.screen.scene("A row in quarantine, and its release")
        self.screen.tell(
            "American registrations begin with N. A few real rows have D942DN, where Delta's other MD-90s are called "
            "N…DN. Such a row is quarantined, and the rest of its night is loaded."
        )
        self._pgslo("quarantine", "list")
        self.screen.tell(
            "The row as it is still violates the rule. With a corrected registration it is released:"
        )
        self._pgslo("quarantine", "release", "1")
        self._pgslo("quarantine", "release", "1", "--set", "tailnum=N942DN")

    def repair(self) -> None:
        """A replaced value and its original."""
        self.screen.scene("A value that was repaired, and its original")
        self.screen.tell(
            "The model knows no delay of more than twelve hours, so longer ones are clipped while they are written. The "
            "old value is kept."
        )
        self.owner.run(
            "SELECT row_key, column_name, old_value, new_value, writer FROM pgslo.repair ORDER BY repair_id LIMIT 3"
        )

    def fail_job(self) -> None:
        """A night without a load."""
        self.screen.scene("The night the job does not run")
        self.screen.tell(
            "The newest night may be 26 hours old. To save the wait, this scene applies a copy of the definition "
            "with 2 seconds:"
        )
        hours = (HERE / "slos" / "flights.yml").read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "impatient.yml")
            copy.write_text(hours.replace("max_age: 26 hours", "max_age: 2 seconds"), encoding="utf-8")
            self._pgslo("apply", "--yes", str(copy), last=1, first=0)
        time.sleep(2)
        self.screen.tell(
            "There is no job, no error and no row, so a check in the pipeline has nothing to check. Readers are warned all the "
            "same, without any process that watches the clock:"
        )
        analyst = Session(self.screen, self.analyst_dsn, "notebook")
        with analyst.connection:
            analyst.run("SELECT count(*), max(flight_date) FROM guarded.flights")
        self.screen.tell("The next tick() opens an incident, which names the affected tasks:")
        self.owner.run("SELECT pgslo.tick()")
        stale = self._value(
            "SELECT incident_id FROM pgslo.incident WHERE rule = 'freshness' AND over_at IS NULL"
        )
        self._pgslo("explain", str(stale))
        self.screen.tell("Back to 26 hours:")
        self._pgslo("apply", "--yes", last=1, first=0)
        self.owner.run("SELECT pgslo.tick()")

    def break_source(self) -> None:
        """A column that turns null in one night."""
        import source

        self.screen.scene("The night a source breaks")
        self.screen.tell(
            f"{self.broken_night}: a supplier renames a field, and air_time arrives empty in every row. (The "
            "demo does that to the data.) The rule only warns, so the load goes through:"
        )
        self.screen.typed("loader=>", "COPY features.flights FROM STDIN (FORMAT csv);")
        self.loader.copy(source.without("air_time", self.days[self.broken_night]))
        self.loader.show_notices()
        self.screen.came(f"COPY {self.days[self.broken_night].count(chr(10))}")
        self._pgslo("status")

    def read(self) -> None:
        """Readers are warned about the columns that they read."""
        self.screen.scene("The morning after: readers are warned")
        self.screen.tell(
            "An analyst may read the guarded view and nothing else. Two columns, two queries, in Python (analyst.py):"
        )
        script = (HERE / "analyst.py").read_text(encoding="utf-8")
        self.screen.console.print()
        self.screen.came(script[script.index("with psycopg") :])
        self.screen.typed("$", "python analyst.py")
        self.screen.came(_run("analyst.py", ANALYST_DSN=self.analyst_dsn))
        self.screen.tell(
            "Only the broken column warns, at the line of the script that reads it. For a training job, an error is better: "
            "the view of its task refuses the read, and so does the _strict view, but only of that column."
        )
        analyst = Session(self.screen, self.analyst_dsn, "notebook")
        with analyst.connection:
            analyst.run("SELECT max(air_time) FROM serving.delay_features")
            analyst.run(
                f"SELECT max(arr_delay) FROM guarded.flights_strict WHERE flight_date = '{self.broken_night}'"
            )
            analyst.run("SELECT max(air_time) FROM guarded.flights_strict")

    def change_unit(self) -> None:
        """A column whose unit changes; no rule is about it."""
        import source

        self.screen.scene("A unit that changes, and no rule for it")
        self.screen.tell(
            f"{self.night_after}: air_time is back, but arr_delay comes in hours instead of minutes. (This, too, the demo "
            "does to the data.) There is no rule for arr_delay; its history is enough. close_batch closes the night "
            "now, before the next one begins:"
        )
        self._load(source.in_hours("arr_delay", self.days[self.night_after]))
        self.owner.run(
            "SELECT columns, said FROM pgslo.close_batch('features.flights')\n"
            f"WHERE verdict = 'missed' AND batch_name = '{self.night_after}'"
        )
        self.screen.tell(
            "The analyst's script reads the last three nights, so it is warned of this column as well:"
        )
        self.screen.typed("$", "python analyst.py")
        self.screen.came(_run("analyst.py", ANALYST_DSN=self.analyst_dsn))

    def _load(self, text: str) -> None:
        self.screen.typed("loader=>", "COPY features.flights FROM STDIN (FORMAT csv);")
        self.loader.copy(text)
        self.loader.show_notices()
        self.screen.came(f"COPY {text.count(chr(10))}")

    def correct(self) -> None:
        """All incidents are resolved."""
        self.screen.scene("Corrected")
        self.screen.tell(
            "Both nights are deleted and loaded again with correct data, and the four airports are added. Deleted rows are "
            "subtracted from their batch, and it is evaluated again: its incidents are resolved as healed."
        )
        self.owner.run(f"DELETE FROM features.flights WHERE flight_date = '{self.broken_night}'")
        self._load(self.days[self.broken_night])
        self.owner.run(f"DELETE FROM features.flights WHERE flight_date = '{self.night_after}'")
        self.owner.run(MISSING_AIRPORTS)
        self._load(self.days[self.night_after])
        self.owner.run(
            "SELECT count(*) FILTER (WHERE verdict = 'met') AS met, count(*) FILTER (WHERE verdict = 'missed') AS missed\n"
            f"FROM pgslo.close_batch('features.flights', '{self.night_after}')"
        )
        self.owner.run("SELECT pgslo.tick()")
        stored = self.owner.connection.execute(
            "SELECT incident_id FROM pgslo.incident WHERE state = 'over' ORDER BY 1"
        ).fetchall()
        if stored:
            self.screen.tell(
                "A good night after a bad one does not resolve the incident: the rows of the bad one are still in the table, and "
                "their readers are warned. Here these rows are true: flights were cancelled, most of them in the blizzard, "
                "and the airports are added by now. The owner accepts them, and readers are not warned any more:"
            )
        for (incident,) in stored:
            self._pgslo("incidents", "accept", str(incident), "--reason", "true")
        self._pgslo("status")
        holiday = self._value(
            "SELECT max(incident_id) FROM pgslo.incident WHERE rule = 'learned' AND over_at IS NULL"
        )
        if holiday:
            self.screen.tell(
                "The last incident is a false alarm: fewer flights leave on New Year's Eve, which is not listed as a holiday. The "
                "owner reports that, and the bound is wider from now on:"
            )
            self._pgslo("incidents", "resolve", str(holiday), "--as", "false-alarm", "--note", "holiday")
        self.screen.typed("$", "python analyst.py")
        self.screen.came(_run("analyst.py", ANALYST_DSN=self.analyst_dsn))


def _run(*arguments: str, **environment: str) -> str:
    """Run Python in this folder and return its output."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=HERE,
        env=inherited | {"NO_COLOR": "1"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    said = done.stdout.replace(f"{HERE}{os.sep}", "")
    return f"{said.rstrip()}\n(exit code {done.returncode})\n" if done.returncode else said


@contextlib.contextmanager
def _server(*, keep: bool) -> Iterator[embedded.Server]:
    if keep:
        yield embedded.start(embedded.kept_directory())
    else:
        with embedded.serve(settings=HASTE) as server:
            yield server


def _fresh_database(server: embedded.Server) -> str:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        name = sql.Identifier(DATABASE)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    return server.dsn(DATABASE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Show pgslo at work on a year of real flights.")
    parser.add_argument(
        "--days",
        type=int,
        default=365,
        metavar="N",
        help=f"load N days of the year ({QUICK} to 365) instead of all",
    )
    parser.add_argument(
        "--quick", action="store_const", const=QUICK + HELD_BACK, dest="days", help="load six weeks"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help=f"use the server of `pgslo local` and leave it, with database {DATABASE}",
    )
    arguments = parser.parse_args()
    if not QUICK + HELD_BACK <= arguments.days <= 365:
        parser.error(f"--days has to be between {QUICK + HELD_BACK} and 365")
    return arguments


def main() -> int:
    """Run the demo."""
    arguments = _arguments()
    screen = Screen()
    began = time.monotonic()
    screen.console.print("pgslo: objectives for ML data, enforced inside PostgreSQL", style="bold")
    try:
        import source  # takes a second, and --help need not wait for it

        days = dict([*source.daily_csv().items()][: arguments.days])
        with _server(keep=arguments.keep) as server:
            screen.tell(
                f"A private PostgreSQL {server.version} is running, "
                + ("the one of pgslo local." if arguments.keep else "and is removed when the demo ends.")
            )
            demo = Demo(screen, _fresh_database(server), days)
            try:
                demo.play()
            finally:
                demo.close()
    except PgsloError as exc:
        screen.console.print(f"\n{exc}", style="red")
        return 1
    except KeyboardInterrupt:
        screen.console.print("\ninterrupted", style="red")
        return 130
    _what_next(screen, keep=arguments.keep, took=time.monotonic() - began)
    return 0


def _what_next(screen: Screen, *, keep: bool, took: float) -> None:
    screen.console.print(f"\n\nThat took {took:.0f} s. What to try next", style="bold cyan")
    if keep:
        screen.tell("The server is still running:")
        screen.typed("$", f'psql "$(.venv/bin/pgslo local dsn --database {DATABASE})"')
        screen.typed("$", ".venv/bin/pgslo local stop")
    else:
        screen.tell("The same on a server that stays, to play with:")
        screen.typed("$", ".venv/bin/python examples/flights/demo.py --keep")
    screen.tell("A guarded table of your own, in ten minutes: docs/tutorials/first-guarded-table.md")
    screen.tell("All that a rule can say: docs/reference/rules/README.md")


if __name__ == "__main__":
    sys.exit(main())
