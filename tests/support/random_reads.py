"""Random reads of ``guarded.example``, and what an oracle says of them by the bare table ``features.example``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hypothesis import strategies as st

#: Days of the table; reads take some days, one after the other.
DAYS = 12
#: Settings under which PostgreSQL starts workers for a table of any size.
PARALLEL = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "max_parallel_workers_per_gather": "2",
    "enable_indexscan": "off",
    "enable_bitmapscan": "off",
    "enable_indexonlyscan": "off",
}
#: Where rows come from; {v} is the view or the table, {d} the condition on its days.
_SOURCES = {
    "": "{v} x",
    "inner": "{v} x JOIN features.other o USING (id)",
    "left": "{v} x LEFT JOIN features.other o USING (id)",
    "nullable": "features.other o LEFT JOIN {v} x USING (id)",
    "semi": "(SELECT * FROM {v} s WHERE EXISTS (SELECT FROM features.other o WHERE o.id = s.id)) x",
    "twice": "(SELECT * FROM {v} s WHERE s.id % 2 = 0 UNION ALL SELECT * FROM {v} s WHERE s.id % 2 = 1) x",
    "lateral": "features.other o, LATERAL (SELECT * FROM {v} s WHERE s.id = o.id) x",
}
_FORMS = {
    "rows": "SELECT {listed} FROM {source} WHERE {where}",
    "aggregate": "SELECT {sums} FROM {source} WHERE {where}",
    "group": "SELECT x.k, {sums} FROM {source} WHERE {where} GROUP BY x.k",
    "rollup": "SELECT x.k, {sums} FROM {source} WHERE {where} GROUP BY ROLLUP (x.k)",
    "distinct": "SELECT DISTINCT {listed} FROM {source} WHERE {where}",
    "sort": "SELECT {listed} FROM {source} WHERE {where} ORDER BY {listed} LIMIT 5",
    "window": "SELECT sum(x.id) OVER (ORDER BY {listed}) FROM {source} WHERE {where}",
    "subquery": "SELECT (SELECT count(*) FROM (SELECT {listed} FROM {source} WHERE {where} OFFSET 0) q WHERE ({quoted}) IS NOT NULL)",
    "materialized": "WITH q AS MATERIALIZED (SELECT {listed} FROM {source} WHERE {where}) SELECT count(*) FROM q WHERE ({quoted}) IS NOT NULL",
}


@dataclass(frozen=True)
class Read:
    """A query: the columns that it reads, a filter, its days, where its rows come from, and its form."""

    columns: tuple[str, ...]
    filter: tuple[str, int] | None
    days: tuple[int, int]
    source: str
    form: str

    def text(self, view: str, first: str, value: str | None = None) -> str:
        """Return it as SQL: of a view, with its days counted from ``first``; or ``value`` of the same rows."""
        listed = ", ".join(f"x.{name}" for name in self.columns)
        where = f"x.k BETWEEN '{first}'::date + {self.days[0]} AND '{first}'::date + {self.days[1]}"
        if self.filter:
            where += " AND x.{} >= {}".format(*self.filter)
        parts = {
            "listed": listed,
            "quoted": listed.replace("x.", "q."),
            "sums": ", ".join(f"sum(x.{name})" for name in self.columns),
            "source": _SOURCES[self.source].format(v=view),
            "where": where,
        }
        form = _FORMS[self.form] if value is None else f"SELECT {value} FROM {{source}} WHERE {{where}}"
        return form.format(**parts)


Cells = Collection[tuple[str, int]]


def expected(
    count: Callable[[str], int], read: Read, missed: Cells, table: str, first: str
) -> tuple[set[str], set[str]]:
    """Columns whose missed rows the answer needs, and those of which a missed row may have been computed and dropped.

    Args:
        count: Returns the number that a query of the bare table has.
        read: The read.
        missed: Columns and days that are missed.
        table: The bare table.
        first: The day that others are counted from.
    """
    needed, computed = set(), set()
    for name in {*read.columns, *([read.filter[0]] if read.filter else [])}:
        bad = [day for column, day in missed if column == name and read.days[0] <= day <= read.days[1]]
        if not bad:
            continue
        computed.add(name)
        keys = ", ".join(f"'{first}'::date + {day}" for day in bad)
        whole = replace(read, filter=None) if read.filter and read.filter[0] == name else read
        if count(whole.text(table, first, f"count(*) FILTER (WHERE x.k IN ({keys}))")):
            needed.add(name)
    return needed, computed


@st.composite
def reads(draw: st.DrawFn) -> Read:
    """A read of some columns and days."""
    return Read(
        columns=tuple(draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))),
        filter=draw(st.sampled_from([None, None, ("a", 30), ("b", 3), ("c", 1)])),
        days=draw(
            st.tuples(st.integers(0, DAYS - 1), st.integers(0, DAYS - 1)).map(
                lambda two: (min(two), max(two))
            )
        ),
        source=draw(st.sampled_from(["", "", *list(_SOURCES)[1:]])),
        form=draw(st.sampled_from(list(_FORMS))),
    )


@contextmanager
def settings_of(run: Callable[[str], object], settings: dict[str, str]) -> Iterator[None]:
    """Have a session some settings for a while."""
    for name, value in settings.items():
        run(f"SET {name} = '{value}'")
    try:
        yield
    finally:
        for name in settings:
            run(f"RESET {name}")
