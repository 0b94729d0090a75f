"""False alarms on ordinary but awkward tables: `python -m benchmarks.awkward [--table NAME] [--seed N]`.

Each of twenty tables is filled as its jobs would fill it. 60 batches are there before the definition, which sets no threshold, and are learned at
once. Then 120 batches without a fault are loaded one after another and closed, and alarms are not answered. Then come plain faults, each of
which is corrected, and followed by a good batch. The same seed gives the same tables.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from benchmarks import harness
from benchmarks.awkward import HELD, TABLES
from benchmarks.awkward.nature import Table
from benchmarks.awkward.replay import Alarm, Result, run

from pgslo import embedded

SETTINGS = {"fsync": "off", "synchronous_commit": "off", "shared_buffers": "128MB", "autovacuum": "off"}


def main() -> None:
    """Run the tables, print the reports of each, then a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", action="append", choices=sorted(TABLES | HELD), help="only this one; may be repeated"
    )
    parser.add_argument("--held", action="store_true", help="the held tables instead of the others")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", type=int, default=60, help="batches that are learned at once")
    parser.add_argument("--batches", type=int, default=120, help="batches without a fault after them")
    parser.add_argument("--jobs", type=int, default=2, help="tables at a time")
    parser.add_argument("--quiet", action="store_true", help="leave out what was reported")
    asked = parser.parse_args()
    chosen = [(TABLES | HELD)[name](asked.seed) for name in asked.table or (HELD if asked.held else TABLES)]
    with embedded.serve(settings=SETTINGS) as server:

        def one(table: Table) -> Result:
            with harness.connect(server, table.name) as conn:
                result = run(conn, table, seed=asked.seed, history=asked.history, batches=asked.batches)
            print(f"{table.name}: {result.seconds:.0f} s", file=sys.stderr, flush=True)
            if not asked.quiet:
                with told:
                    tell(result)
            return result

        told = Lock()
        with ThreadPoolExecutor(asked.jobs) as pool:
            results = list(pool.map(one, chosen))
    show(results)


def show(results: Sequence[Result]) -> None:
    """Print a line for each table, and the goals."""
    rows = [
        (
            one.table,
            str(one.batches),
            str(one.pages),
            str(len(one.alarms)),
            str(one.later_pages),
            str(len(one.later_alarms)),
            f"{len(one.found)} of {len(one.found) + len(one.lost)}",
        )
        for one in results
    ]
    harness.show_table(
        "Without a fault; then plain faults, and good batches between them",
        (
            "table",
            "batches",
            "false pages",
            "false alarms",
            "pages between",
            "alarms between",
            "faults found",
        ),
        rows,
    )
    harness.show_goals(
        [
            harness.Goal("most false pages of a table", max(one.pages for one in results), 1, unit="pages"),
            harness.Goal("plain faults not found", sum(len(one.lost) for one in results), 0, unit="faults"),
        ]
    )


def tell(result: Result) -> None:
    """Print the reports of a table, alike alarms in one line."""
    print(f"\n{result.table}")
    for title, alarms in (("without a fault", result.alarms), ("between faults", result.later_alarms)):
        for text in grouped(alarms):
            print(f"  {title}: {text}")
    for words, alarms in result.lost:
        print(
            f"  NOT FOUND: {words}" + (f"; reported instead: {'; '.join(grouped(alarms))}" if alarms else "")
        )
    for words, alarms in result.found:
        print(f"  found: {words}: {'; '.join(grouped(alarms))}")
    sys.stdout.flush()


def grouped(alarms: Iterable[Alarm]) -> list[str]:
    """Alarms by column and kind of message, the most first: how many, the scores, and one of the messages."""
    groups: dict[tuple[str, str], list[Alarm]] = defaultdict(list)
    for one in alarms:
        groups[", ".join(one.columns) or "(the table)", kind_of(one.said)].append(one)
    texts = []
    for (column, _), alike in sorted(groups.items(), key=lambda item: -len(item[1])):
        worst = max(alike, key=lambda one: one.score)
        scores = f"score {worst.score:.3g}" if len(alike) == 1 else f"scores up to {worst.score:.3g}"
        batches = sorted({one.batch for one in alike})
        span = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
        texts.append(f"{len(alike)} x {column}: {worst.said} ({scores}; {span}; {worst.on})")
    return texts


def kind_of(said: str) -> str:
    """A message without its numbers."""
    inner = re.search(r"\(([^:()]+):", said) if said.startswith("median ") and "usually" in said else None
    return inner[1] if inner else said.split(":", maxsplit=1)[0]


if __name__ == "__main__":
    main()
