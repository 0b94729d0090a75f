"""``pgslo backtest``: a table's own history with known faults put in, and how good the alerts were."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgslo import backtest as measured
from pgslo import database
from pgslo.backtest import RARE, WHOLE, Judged, Report
from pgslo.cli import output
from pgslo.cli.files import put
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.cli.tables import definition_to_try
from pgslo.database import Connection
from pgslo.errors import PgsloError
from pgslo.report.backtest import as_html, as_svg, percent

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

_PROGRESS = re.compile(r"batch (\d+) of (\d+)\Z")
#: Fewer are known than learned bounds need to say anything.
_LEAST = 22
#: False alarms that are shown in full.
_SHOWN = 5
#: Why it is refused on a standby.
_WRITES = "The replay stores its profiles in the database until it is rolled back."
#: Below it a kind of fault is reported as missed.
_LOW = 0.5
#: What a column of a batch takes to be replayed with and without faults, on a usual machine.
_SECONDS = 0.06


@click.command()
@click.argument("table")
@click.option(
    "--batches",
    type=click.IntRange(_LEAST, 2_000),
    default=120,
    show_default=True,
    help="How many of the newest batches.",
)
@click.option("--faults", metavar="NAMES", help="Only these faults, with commas; without it all that fit.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Which faults; the same give the same result."
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="Share of batches with a fault that precision is computed for.",
)
@click.option(
    "--sensitivity", type=click.FloatRange(0, min_open=True), help="Replay with this, not the definition's."
)
@click.option("--tune", is_flag=True, help="Find the sensitivity that meets --recall, and replay with it.")
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Share of the faults that --tune has to find.",
)
@click.option(
    "--feedback/--no-feedback",
    default=True,
    help="Whether false alarms are resolved as false, as a person would (the default).",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw it: FILE.svg, or FILE.html.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@session_options
@pass_session
def backtest(
    session: Session,
    table: str,
    *,
    batches: int,
    faults: str | None,
    seed: int,
    rate: float,
    sensitivity: float | None,
    tune: bool,
    recall: float,
    feedback: bool,
    plot: Path | None,
    as_json: bool,
) -> int:
    """Measure how good the alerts are on a table.

    TABLE is a table with a definition, or a definition file, applied or not. Its newest batches are learned again,
    one by one, in a transaction that is rolled back. In each batch a known fault is put into every column, one at a
    time, and evaluated with the learned bounds of the database. Neither the table nor its state is changed. Your
    own rules are not replayed. It runs on the primary, not on a standby.
    """
    if plot is not None and plot.suffix not in (".svg", ".html"):
        raise click.UsageError("--plot requires a name that ends in .svg or .html")
    asked = {
        "batches": batches,
        "seed": seed,
        "faults": [name.strip().replace("-", "_") for name in faults.split(",")] if faults else None,
        "feedback": feedback,
    }
    with (
        session.connect(writes=True, reason=_WRITES) as conn,
        definition_to_try(conn, session, table) as name,
        database.errors(),
    ):
        (row,) = database.fetch(conn, "sensitivity", {"definition": name})
        used = sensitivity or float(row["sensitivity"])
        judged = _replay(conn, {**asked, "definition": name, "sensitivity": used})
        result = _reported(judged, rate, name)
        tuned: tuple[float, Report] | None = None
        if tune:
            times = measured.times_for(judged, recall=recall)
            if times is not None:
                better = measured.two_digits_up(used * times)
                again = _replay(conn, {**asked, "definition": name, "sensitivity": better})
                tuned = better, measured.report(again, rate=rate)
    if as_json:
        _document(name, seed, used, rate, result, tuned)
    else:
        _tell(name, seed, used, rate, result)
        if tune:
            _tell_tuned(recall, rate, used, result, tuned)
    if plot is not None:
        shown, at = (result, used) if tuned is None else (tuned[1], tuned[0])
        svg = as_svg(shown, table=name, sensitivity=at, rate=rate)
        text = svg if plot.suffix == ".svg" else as_html(svg, table=name)
        put(plot, text)
        output.message(f"{plot} written")
    return 0


def _replay(conn: Connection, parameters: dict[str, Any]) -> list[Judged]:
    columns = len(database.fetch(conn, "learned", {"definition": parameters["definition"]}))
    with output.Counter("batch") as progress:

        def heard(said: Diagnostic) -> None:
            match = _PROGRESS.match(said.message_primary or "")
            if not match:
                return
            # The first is reported when it begins: only then is it known how many there are.
            number, total = int(match[1]) - 1, int(match[2])
            if number == 0:
                batches = output.counted(total, "batch", "batches")
                output.message(f"replaying {batches}; this takes {output.about(_SECONDS * columns * total)}")
            progress.at(number, total)

        conn.add_notice_handler(heard)
        try:
            conn.execute("SET pgslo.progress = 'on'")
            return [Judged(**row) for row in database.fetch(conn, "backtest", parameters)]
        finally:
            conn.remove_notice_handler(heard)


def _reported(judged: list[Judged], rate: float, name: str) -> Report:
    result = measured.report(judged, rate=rate)
    if not result.found.of:
        raise PgsloError(
            f"too few batches of {name} to replay",
            detail=f"{result.batches} batches beyond the first {_LEAST - 1} could be judged, and none of them with a fault.",
            hint="the first 21 batches only teach; come back with more, or cut them smaller: batch: {by: …, every: …}",
        )
    return result


def _tell(name: str, seed: int, used: float, rate: float, result: Report) -> None:
    low, high = result.found.interval
    output.say(
        f"{name}: {result.batches} batches judged, {result.first} to {result.last}, and {result.found.of:,} faults put in, one at a time "
        f"(seed {seed}, sensitivity {used:g})",
        bold=True,
    )
    output.say(
        f"  recall       {percent(result.found.value)} of the faults reported on their column ({percent(low)} to {percent(high)})"
    )
    output.say(
        f"  false alarms {result.false_per_100:.1f} in 100 batches without a fault, in {output.counted(result.noisy.hits, 'batch', 'batches')} of {result.noisy.of}"
    )
    output.say(
        f"  precision    {percent(result.precision)} if one batch in {1 / rate:.3g} has a fault (no less than {percent(result.precision_least)}), {percent(result.precision_if_rare)} if one in {1 / RARE:.0f}"
    )
    output.say()
    output.table(
        ("column", "faults", "found", "recall", "95 %", "false in 100", "precision", "gets past"),
        [
            (
                "(the table)" if group.name == WHOLE else group.name,
                str(group.found.of),
                str(group.found.hits),
                percent(group.found.value),
                _interval(group.found),
                f"{100 * (group.false.value or 0):.1f}",
                percent(group.precision),
                ", ".join(
                    f"{fault} {share.hits}/{share.of}"
                    for (column, fault), share in result.cells.items()
                    if column == group.name and (share.value or 0) < _LOW
                ),
            )
            for group in result.columns
        ],
        numbers=frozenset({1, 2, 3, 5, 6}),
    )
    output.say()
    output.table(
        ("fault", "tried", "found", "recall", "95 %"),
        [
            (
                group.name,
                str(group.found.of),
                str(group.found.hits),
                percent(group.found.value),
                _interval(group.found),
            )
            for group in result.faults
        ],
        numbers=frozenset({1, 2, 3}),
    )
    for fault, count in sorted(result.omitted.items()):
        output.say(
            f"Left out: {output.counted(count, 'fault', 'faults')} {fault}, where entities do not recur: they cannot be detected."
        )
    output.say()
    output.table(
        ("score", "tier", "found", "false", f"true if one batch in {1 / rate:.3g}", f"one in {1 / RARE:.0f}"),
        [
            (
                band.name,
                "suspect" if band.low < measured.SUSPECT_BELOW else "missed",
                str(band.found),
                str(band.false),
                percent(band.true_share),
                percent(band.true_share_if_rare),
            )
            for band in result.bands
        ],
        numbers=frozenset({2, 3, 4, 5}),
    )
    if result.false_alarms:
        output.say()
        output.say("Alerts in batches as they are; look whether they are false:")
        for one in result.false_alarms[:_SHOWN]:
            column = "the table" if one.column == WHOLE else one.column
            output.say(f"  {one.batch}  {column}: {one.detail}")
        if len(result.false_alarms) > _SHOWN:
            output.say(f"  and {len(result.false_alarms) - _SHOWN} more; all with --json")
    _advise(result, used)


def _advise(result: Report, used: float) -> None:
    """What to write in the definition against the false alarms."""
    output.say()
    found = measured.advice(result, sensitivity=used)
    if not result.false_alarms:
        output.say("No alert without a fault: nothing has to be set for that.")
        return
    output.say(
        "Columns with such alerts: " + ", ".join(f"{name} {count}" for name, count in _by_column(result))
    )
    if not found:
        output.say("Nothing in the definition would avoid many of them.")
        return
    output.say("If they are false, one of these in the definition avoids some:")
    for one in found:
        output.say(f"  {one.setting}")
        output.say(f"      {one.because}")


def _by_column(result: Report) -> list[tuple[str, int]]:
    groups = [
        ("the table" if group.name == WHOLE else group.name, group.false.hits) for group in result.columns
    ]
    return sorted((one for one in groups if one[1]), key=lambda one: -one[1])


def _interval(share: measured.Share) -> str:
    low, high = share.interval
    return f"{100 * low:.0f}-{100 * high:.0f}" if share.of else ""


def _tell_tuned(
    wanted: float, rate: float, used: float, before: Report, tuned: tuple[float, Report] | None
) -> None:
    output.say()
    if tuned is None:
        output.say(
            f"No sensitivity finds {percent(wanted)} of these faults: some move nothing that is looked at. Rules of your own can."
        )
        return
    better, after = tuned
    output.say(f"Replayed with sensitivity {better:g}, to find {percent(wanted)} of the faults:", bold=True)
    output.say(f"  recall       {percent(before.found.value)} -> {percent(after.found.value)}")
    output.say(f"  false alarms {before.false_per_100:.1f} -> {after.false_per_100:.1f} in 100 batches")
    output.say(
        f"  precision    {percent(before.precision)} -> {percent(after.precision)} if one batch in {1 / rate:.3g} has a fault, "
        f"{percent(before.precision_if_rare)} -> {percent(after.precision_if_rare)} if one in {1 / RARE:.0f}"
    )
    if better == used:
        output.say("It is what the definition says already.")
    else:
        output.say(f"To have it so, write in the definition, and apply it:  sensitivity: {better:g}")


def _document(
    name: str,
    seed: int,
    used: float,
    rate: float,
    result: Report,
    tuned: tuple[float, Report] | None,
) -> None:
    output.document(
        definition=name,
        seed=seed,
        rate=rate,
        sensitivity=used,
        **_data(result, used),
        tuned={"sensitivity": tuned[0], **_data(tuned[1], tuned[0])} if tuned else None,
    )


def _data(result: Report, used: float) -> dict[str, Any]:
    return {
        "batches": {"judged": result.batches, "first": result.first, "last": result.last},
        "faults": result.found.of,
        "found": result.found.hits,
        "recall": result.found.value,
        "recall_95": list(result.found.interval),
        "not_judged": result.unknown,
        "left_out": dict(result.omitted),
        "false_alarms_per_100_batches": result.false_per_100,
        "precision": result.precision,
        "precision_least": result.precision_least,
        "precision_at_1_in_50": result.precision_if_rare,
        "by_column": [
            {
                "column": group.name,
                "faults": group.found.of,
                "found": group.found.hits,
                "recall": group.found.value,
                "false_alarms": group.false.hits,
                "judged": group.false.of,
                "precision": group.precision,
            }
            for group in result.columns
        ],
        "by_fault": [
            {
                "fault": group.name,
                "faults": group.found.of,
                "found": group.found.hits,
                "recall": group.found.value,
            }
            for group in result.faults
        ],
        "by_column_and_fault": [
            {"column": column, "fault": fault, "faults": share.of, "found": share.hits}
            for (column, fault), share in result.cells.items()
        ],
        "by_score": [asdict(band) for band in result.bands],
        "curve": [asdict(point) for point in result.curve],
        "advice": [asdict(one) for one in measured.advice(result, sensitivity=used)],
        "false_alarms": [
            {"batch": one.batch, "column": one.column, "score": one.score, "said": one.detail}
            for one in result.false_alarms
        ],
    }
