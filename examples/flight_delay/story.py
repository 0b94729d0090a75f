"""The story: a model that predicts late arrivals, retrained each night behind a gate, through a unit that changes and a storm.

It needs no server: it starts a private PostgreSQL, and leaves nothing running. Everything it shows is run as it is shown.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "flights"))

from demo import HASTE  # noqa: E402 - the other example's server
from screen import Screen, Session  # noqa: E402 - its output

from pgslo import embedded  # noqa: E402
from pgslo.errors import PgsloError  # noqa: E402

#: The end of the history before the first training, the night a unit changes, and the storm.
FIRST, LAST_KNOWN = "2013-01-08", "2013-02-04"
FAULT = "2013-02-06"
STORM = ("2013-02-08", "2013-02-09")
QUICK, WHOLE = "2013-02-09", "2013-02-12"
WATCH = (
    "watch",
    "--once",
    "--tick",
    "--on",
    "healthy-batch",
    "--task",
    "delay_model",
    "--run",
    "python train.py",
)


class Story:
    """The scenes in their order, on one database."""

    def __init__(self, screen: Screen, dsn: str, models: str, last: str) -> None:
        import nights  # takes a second, and --help need not wait for it

        self.source = nights
        self.screen = screen
        self.owner = Session(screen, dsn, "story")
        self.nights = {
            f"{day:%Y-%m-%d}": rows for day, rows in nights.flights(FIRST, last).groupby("flight_date")
        }
        self.environment = {"PGSLO_DSN": dsn, "MODELS": models}
        password = secrets.token_urlsafe()
        self.owner.connection.execute(
            sql.SQL("CREATE ROLE trainer LOGIN PASSWORD {}").format(sql.Literal(password))
        )
        self.trainer = {
            "PGSLO_DSN": conninfo.make_conninfo(dsn, user="trainer", password=password),
            "MODELS": models,
        }

    def play(self) -> None:
        """Show everything."""
        self.prepare()
        new = [night for night in self.nights if night > LAST_KNOWN]
        self.first(new[0])
        for night in new[1:]:
            if night == FAULT:
                self.fault(night)
            elif night == STORM[0]:
                self.screen.scene("The storm")
                self.screen.tell(
                    "8 and 9 February 2013: a blizzard closes the airports in the afternoon. Nothing is staged here. Each night goes "
                    "as before: load, judge, train, predict, and the labels of the day before."
                )
                self.night(night)
            else:
                self.night(night)
        self.labels(new[-1])
        self.look_back()
        self.snapshots(new)
        self.owner.connection.close()

    def prepare(self) -> None:
        """Tables, definitions, four weeks of history, and what a trainer may do."""
        self.screen.scene("Four weeks of flights, and what the model reads of them")
        self.owner.connection.execute((HERE / "ddl.sql").read_bytes())
        self.pgslo("apply", "--yes", "slos/flight.yml", shown=False)
        for night in self.nights:
            if night <= LAST_KNOWN:
                self.load(night, quiet=True)
                self.labels(night, quiet=True)
        self.owner.connection.execute("SELECT * FROM pgslo.close_batch('features.flight')")
        self.screen.tell(
            "features.flight has the facts that are known of a flight the evening before. Its definition names the task that "
            "reads it, and the conditions for its training:"
        )
        text = (HERE / "slos" / "flight.yml").read_text(encoding="utf-8")
        self.screen.console.print()
        self.screen.came(text[text.index("tasks:") :])
        self.pgslo("apply", "--yes", "slos/prediction.yml", shown=False)
        self.pgslo("grants", "--execute", "trainer", "trainer", shown=False)
        self.owner.connection.execute(
            "GRANT USAGE ON SCHEMA serving, guarded TO trainer; GRANT SELECT ON serving.delay_label TO trainer;"
            "GRANT SELECT, INSERT ON serving.delay_prediction TO trainer"
        )
        self.screen.tell(
            "A role of its own watches for the task. Existing batches start no training; each new healthy batch starts one:"
        )
        self.pgslo(*WATCH, trainer=True)

    def first(self, night: str) -> None:
        """A night as it should be."""
        self.screen.scene("A night as it should be")
        self.load(night)
        self.screen.tell(
            "The watch finds a new healthy batch and runs train.py: two snapshots, the gate, the model. All of it runs as the role trainer, "
            "which may read the guarded view, but no table of features."
        )
        self.pgslo(*WATCH, trainer=True)
        self.python("predict.py", night)
        self.screen.tell(
            "The model wrote raw scores. The database makes the served score, the class and the trail:"
        )
        self.owner.run(
            "SELECT flight_id, round(raw_score::numeric, 5) AS raw_score, score, late,\n       array_to_string(trail[2:], ', ') AS trail\n"
            f"FROM serving.delay_prediction WHERE flight_date = '{night}'\n"
            "ORDER BY raw_score DESC, flight_id LIMIT 4"
        )
        self.screen.tell("Running it again trains nothing again:")
        self.pgslo(*WATCH, trainer=True)

    def fault(self, night: str) -> None:
        """A feature whose unit changes; the gate stops the training."""
        self.screen.scene("A unit that changes, and the gate that stops the training")
        self.screen.tell(
            f"For {night} the distances arrive in kilometres. (The story changes the data here, and nowhere else.)"
        )
        self.load(night, self.source.in_kilometres(self.nights[night]))
        self.labels(_before(self.nights, night), quiet=True)
        self.pgslo(*WATCH, trainer=True)
        self.screen.tell("Nothing was trained. A job can ask the gate itself, and use its exit code:")
        self.pgslo("gate", "delay_model")
        self.screen.tell(
            "The night is loaded again with correct data. Its incidents are resolved, and the training is made up for:"
        )
        self.owner.run(f"DELETE FROM features.flight WHERE flight_date = '{night}'")
        self.load(night)
        self.pgslo(*WATCH, trainer=True)
        self.python("predict.py", night)

    def night(self, night: str) -> None:
        """Load, judge, train, predict, and yesterday's labels."""
        self.load(night)
        self.labels(_before(self.nights, night), quiet=True)
        self.pgslo(*WATCH, trainer=True)
        self.python("predict.py", night)

    def look_back(self) -> None:
        """Compare predictions with labels."""
        self.screen.scene("The labels arrive, a day later")
        self.owner.connection.execute("SELECT pgslo.tick()")
        self.owner.connection.execute("SELECT * FROM pgslo.close_batch('serving.delay_prediction')")
        self.owner.run(
            "SELECT batch, rule, verdict, detail FROM pgslo.verdict\n"
            "WHERE definition = 'serving.delay_prediction' AND rule = 'right' ORDER BY batch"
        )
        self.owner.run(
            "SELECT batch, detail FROM pgslo.verdict\n"
            "WHERE definition = 'serving.delay_prediction' AND rule = 'labelled' AND verdict = 'missed' ORDER BY batch"
        )
        self.screen.tell(
            "The features were right, and the gate let each night pass. The world had changed: on the first day of the storm nearly "
            "half of the flights that arrived were late, twice as many as on other days, and more than half of all never arrived, so that they have no label."
        )

    def snapshots(self, new: list[str]) -> None:
        """Show the snapshots and the runs."""
        self.screen.scene("The data of each training")
        self.pgslo("snapshot", "list", first=7)
        self.screen.tell("How the newest training set differs from the first one, column by column:")
        self.pgslo("snapshot", "diff", f"train_{new[0]}", f"train_{new[-1]}")
        self.pgslo("snapshot", "verify", f"train_{new[0]}", f"train_{new[-1]}")
        self.owner.run(
            "SELECT batch, state, attempts, exit_code FROM pgslo.task_run WHERE state <> 'skipped' ORDER BY batch"
        )

    # Parts of the scenes

    def load(self, night: str, rows: Any = None, *, quiet: bool = False) -> None:
        """Load the features of a night, and judge it."""
        text = self.source.csv(self.nights[night] if rows is None else rows)
        with self.owner.connection.cursor().copy("COPY features.flight FROM STDIN (FORMAT csv)") as copy:
            copy.write(text)
        if quiet:
            return
        self.screen.typed("=>", f"COPY features.flight FROM STDIN (FORMAT csv);  -- {night}")
        self.owner.show_notices()
        self.screen.came(f"COPY {text.count(chr(10))}")
        self.owner.connection.execute("SELECT * FROM pgslo.close_batch('features.flight')")

    def labels(self, night: str, *, quiet: bool = False) -> None:
        """Write the delays of the flights of a day."""
        del quiet
        rows = self.nights[night].dropna(subset="late")
        known = f"{rows['flight_date'].max():%Y-%m-%d}T23:59:00Z"
        with self.owner.connection.cursor().copy("COPY serving.delay_label FROM STDIN") as copy:
            for flight, late in zip(rows["flight_id"], rows["late"], strict=True):
                copy.write_row((int(flight), bool(late), known))

    def pgslo(
        self, *arguments: str, trainer: bool = False, shown: bool = True, first: int | None = None
    ) -> None:
        """Run the command line and show its output."""
        output = self._run("-m", "pgslo", *arguments, trainer=trainer)
        if shown:
            words = " ".join(f"'{word}'" if " " in word else word for word in arguments)
            self.screen.typed("trainer$" if trainer else "$", f"pgslo {words}")
            self.screen.came(output, first=first)

    def python(self, *arguments: str) -> None:
        """Run one of the jobs as the trainer, and show its output."""
        self.screen.typed("trainer$", f"python {' '.join(arguments)}")
        self.screen.came(self._run(*arguments, trainer=True))

    def _run(self, *arguments: str, trainer: bool) -> str:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # The jobs call "python" and "pgslo" as they would anywhere.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=HERE,
            env=inherited | {"NO_COLOR": "1", "PATH": path} | (self.trainer if trainer else self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return (
            done.stdout
            if done.returncode == 0
            else f"{done.stdout.rstrip()}\n(exit code {done.returncode})\n"
        )


def _before(nights: dict[str, Any], night: str) -> str:
    """The night before."""
    names = [*nights]
    return names[names.index(night) - 1]


def main() -> int:
    """Run the story."""
    parser = argparse.ArgumentParser(description="Retrain a model behind the gate on real flights.")
    parser.add_argument(
        "--quick", action="store_const", const=QUICK, default=WHOLE, dest="last", help="end after the storm"
    )
    arguments = parser.parse_args()
    screen = Screen()
    screen.console.print("pgslo: a model that is retrained on healthy data only", style="bold")
    try:
        with embedded.serve(settings=HASTE) as server, tempfile.TemporaryDirectory() as models:
            Path(models).chmod(0o700)
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE flight_delay")
            Story(screen, server.dsn("flight_delay"), models, arguments.last).play()
    except PgsloError as exc:
        screen.console.print(f"\n{exc}", style="red")
        return 1
    except KeyboardInterrupt:
        screen.console.print("\ninterrupted", style="red")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
