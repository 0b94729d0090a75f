"""``pgslo learn``: profiles of the batches of a table, and the baselines learned from them."""

from __future__ import annotations

from typing import Any

import click

from pgslo import database
from pgslo.cli import output
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import definition_of
from pgslo.database import Connection

#: Batches that are taken in one transaction: few enough that ticks need not wait long.
_AT_ONCE = 20
#: What a column of a batch takes on a usual machine, and what each of its rows adds; more rows than that are sampled.
_SECONDS, _SECONDS_A_ROW, _SAMPLED = 0.004, 0.00001, 2_000


@click.command()
@click.argument("table")
@click.option(
    "--from-table/--show",
    "from_table",
    default=True,
    help="Take the batches of the table (the default), or only show the state.",
)
@click.option(
    "--batches",
    type=click.IntRange(1, 10_000),
    default=400,
    show_default=True,
    help="How many of the newest batches.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@pass_session
def learn(session: Session, table: str, *, from_table: bool, batches: int, as_json: bool) -> int:
    """Learn bounds from existing rows.

    TABLE is a table with a definition that was applied, or its definition file. The newest batches are read and their profiles kept, a few batches in a transaction; writers and
    readers are not held up. Then it shows the baseline of each column, or why it has none yet, and how many batches are needed.
    Opens no incident.
    """
    with session.connect(writes=from_table) as conn:
        name = definition_of(conn, session, table)
        taken = _take(conn, name, batches) if from_table else None
        known = database.fetch(conn, "learned", {"definition": name})
        unwatched = [_why(row) for row in database.fetch(conn, "unwatched", {"definition": name})]
    if as_json:
        output.document(definition=name, taken=taken, columns=known, unwatched=unwatched)
        return 0
    if taken is not None:
        output.say(f"{name}: learned from {output.counted(taken, 'batch', 'batches')}")
    _tell(known, unwatched)
    return 0


def _take(conn: Connection, name: str, batches: int) -> int:
    taken = 0
    with database.errors(), output.Counter("batch") as progress:
        found = database.fetch(conn, "history", {"definition": name, "batches": batches})
        if found:
            columns = len(database.fetch(conn, "learned", {"definition": name}))
            seconds = sum(columns * (_SECONDS + _SECONDS_A_ROW * min(one["rows"], _SAMPLED)) for one in found)
            output.message(
                f"learning from {output.counted(len(found), 'batch', 'batches')}; this takes {output.about(seconds)}"
            )
        for start in range(0, len(found), _AT_ONCE):
            part = found[start : start + _AT_ONCE]
            with conn.transaction():
                (row,) = database.fetch(
                    conn,
                    "learn_batches",
                    {
                        "definition": name,
                        "batches": [one["batch"] for one in part],
                        "largest": max(one["rows"] for one in part),
                    },
                )
            taken += row["learned"]
            progress.at(start + len(part), len(found))
    return taken


def _why(row: dict[str, Any]) -> dict[str, str]:
    if row["names_batch"]:
        reason = "it names the batch, so it is the same in all of its rows"
    elif row["is_virtual"]:
        reason = "it is generated when it is read"
    else:
        reason = "the definition does not have it watched"
    return {"column_name": row["column_name"], "reason": reason}


def _tell(known: list[dict[str, Any]], unwatched: list[dict[str, str]]) -> None:
    output.table(
        ("column", "batches", "still needed", "state", "usual in the last 28"),
        [
            (
                "(the table)" if row["column_name"] == "*" else row["column_name"],
                str(row["batches"]),
                str(row["needed"] or ""),
                row["state"],
                row["usual"] or "",
            )
            for row in known
        ],
        numbers=frozenset({1, 2}),
    )
    for one in unwatched:
        output.say(f"{one['column_name']}: nothing is learned: {one['reason']}")
    needed = max((row["needed"] for row in known), default=0)
    if needed:
        output.say(
            f"{output.counted(needed, 'more batch', 'more batches')}, and every column has bounds; until then their verdicts are unknown"
        )
