"""What a table of this benchmark is, and the chance that its values come from."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

#: Everything is in this schema, which is in the search path of the session that loads.
SCHEMA = "awkward"
#: Where a load is made before it is inserted, and what the load of the day before brought.
STAGED, BEFORE = "staged", "before"

#: Functions of chance; the session's seed determines what they return.
FUNCTIONS = """
CREATE FUNCTION normal() RETURNS float8 LANGUAGE sql VOLATILE AS
    'SELECT sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())';
CREATE FUNCTION lasting(mean float8) RETURNS float8 LANGUAGE sql VOLATILE AS
    'SELECT -ln(1 - random()) * mean';
CREATE FUNCTION poisson(mean float8) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    least float8 := exp(-mean);
    product float8 := random();
    n integer := 0;
BEGIN
    WHILE product > least LOOP
        product := product * random();
        n := n + 1;
    END LOOP;
    RETURN n;
END $$;
CREATE FUNCTION pick(names text[], weights float8[]) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    left_over float8 := random() * (SELECT sum(w) FROM unnest(weights) AS w);
BEGIN
    FOR i IN 1..cardinality(names) LOOP
        left_over := left_over - weights[i];
        IF left_over <= 0 THEN
            RETURN names[i];
        END IF;
    END LOOP;
    RETURN names[cardinality(names)];
END $$;
-- A moment of a day on which people are awake: most in the afternoon and in the evening.
CREATE FUNCTION waking() RETURNS interval LANGUAGE sql VOLATILE AS
    $$ SELECT least(greatest(15 + 4.2 * normal(), 0), 23.9997) * interval '1 hour' $$;
"""


@dataclass(frozen=True)
class Day:
    """What one run of a job does, or the runs of one batch.

    Attributes:
        batch: The batch that is complete afterwards, as its key reads.
        loads: Statements that each fill the staging table with what one run brings.
        upkeep: Transactions on existing rows, before the loads.
        rare: What happens on this day besides, in words; empty on an ordinary day.
    """

    batch: str
    loads: tuple[str, ...]
    upkeep: tuple[str, ...] = ()
    rare: str = ""


class Table:
    """A table, how it fills, and which plain faults its load may have.

    Attributes:
        name: Its name; it is also the name of the kind.
        columns: Its columns and constraints as DDL.
        batch: What the definition says of its batches.
        others: DDL of what the job keeps besides, such as a list of meters.
        nulls: Columns of which half may come without a value.
        numbers: Columns that may come in another unit.
        fresh: Of columns that a stale copy does not copy: what the job writes there for the new day.
    """

    name: str
    columns: str
    batch: str = "{by: day}"
    others: str = ""
    nulls: tuple[str, ...]
    numbers: tuple[str, ...]

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"{self.name}/{seed}")
        #: In summer or in early autumn, so that the history ends before the turn of the year that comes later.
        self.start = dt.date(2023, 8, 28) + dt.timedelta(days=self.rng.randrange(28))

    def days(self) -> Iterator[Day]:
        """One day after the other, without an end."""
        raise NotImplementedError

    def fresh(self, day: Day) -> Mapping[str, str]:
        """Expressions over a row of the day before for what a stale copy does not copy."""
        return {"day": f"DATE '{day.batch}'"}

    # --- chance

    def count(self, mean: float, noise: float) -> int:
        """A number of rows: Poisson's, around a mean that differs from day to day."""
        mean *= math.exp(self.rng.gauss(0, noise))
        return max(round(self.rng.gauss(mean, math.sqrt(mean))), 1)

    def every(self, least: int, most: int) -> Iterator[bool]:
        """Whether a periodic event, with its period in days, happens today."""
        wait = self.rng.randint(1, most)
        while True:
            wait -= 1
            yield wait == 0
            if wait == 0:
                wait = self.rng.randint(least, most)


def of_week(day: dt.date, factors: Sequence[float]) -> float:
    """The factor of a day of the week, Monday first."""
    return factors[day.weekday()]


#: Shops sell more towards the end of the week, offices do less on weekends.
SHOP = (0.95, 0.92, 0.95, 1.0, 1.1, 1.2, 0.95)
OFFICE = (1.05, 1.05, 1.03, 1.02, 0.95, 0.72, 0.7)
