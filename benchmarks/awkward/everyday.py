"""Tables as other trades have them: stock of the same items each day, rides that follow the weather, tickets that take weeks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from benchmarks.awkward.nature import OFFICE, SHOP, Day, Table, of_week


class Stock(Table):
    """What a shop has of each item at the end of each working day: most numbers are those of yesterday, or near them."""

    name = "stock"
    columns = """
        day date NOT NULL, item integer NOT NULL, shelf text NOT NULL, pieces integer NOT NULL, received integer NOT NULL, sold_ever bigint NOT NULL,
        price numeric(8, 2) NOT NULL, supplier text, counted_at timestamptz NOT NULL, snapshot_no integer NOT NULL, PRIMARY KEY (day, item)"""
    others = """
        CREATE TABLE item (item integer PRIMARY KEY, shelf text NOT NULL, pieces integer NOT NULL, received integer NOT NULL DEFAULT 0, sold bigint NOT NULL,
            pace float8 NOT NULL, price numeric(8, 2) NOT NULL, supplier text);
        INSERT INTO item SELECT 100 + i, 'S' || i % 12, 20 + 40 * random(), 0, 4000 * random(), 0.4 + 5 * random() ^ 2, round((1.99 + 30 * random() ^ 2)::numeric, 2),
            CASE WHEN i % 30 <> 0 THEN 'supplier ' || i % 9 END FROM generate_series(1, 240) AS i;"""
    nulls = ("supplier",)
    numbers = ("price",)

    def days(self) -> Iterator[Day]:
        listed, changed = self.every(6, 14), self.every(25, 40)
        items, n, number = 240, 0, 4100
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            if day.weekday() == 6:
                continue
            number += 1
            busy = of_week(day, SHOP) * self.rng.uniform(0.85, 1.2)
            upkeep = [
                """UPDATE item SET received = CASE WHEN pieces < 8 + 3 * pace THEN 30 + floor(3 * pace)::integer * 10 ELSE 0 END""",
                f"""UPDATE item i SET pieces = greatest(i.pieces + i.received - s.sold, 0), sold = i.sold + s.sold
                    FROM (SELECT item, poisson({busy:.3f} * pace) AS sold FROM item) AS s WHERE s.item = i.item""",
            ]
            rare = []
            if next(listed):
                items += 1
                upkeep.append(
                    f"INSERT INTO item VALUES ({100 + items}, 'S' || {items} % 12, 40, 0, 0, 1.5, {self.rng.randint(2, 30)}.49, 'supplier 3')"
                )
                rare.append("an item is new")
            if next(changed):
                supplier = self.rng.randrange(9)
                upkeep.append(
                    f"UPDATE item SET price = round(price * 1.04, 2) WHERE supplier = 'supplier {supplier}'"
                )
                rare.append("a supplier raises prices")
            load = f"""
                INSERT INTO staged (day, item, shelf, pieces, received, sold_ever, price, supplier, counted_at, snapshot_no)
                SELECT DATE '{day}', i.item, i.shelf, i.pieces, i.received, i.sold, i.price, i.supplier,
                       DATE '{day}' + interval '20 hours' + random() * interval '40 minutes', {number} FROM item i"""
            yield Day(str(day), (load,), tuple(upkeep), ", ".join(rare))

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {
            "day": f"DATE '{day.batch}'",
            "item": "b.item",
            "counted_at": "b.counted_at + interval '1 day'",
            "snapshot_no": "b.snapshot_no + 1",
        }


class Rides(Table):
    """Rides of hired bicycles: rain halves them for some days, an app has a release now and then, a few rides come a day late."""

    name = "rides"
    columns = """
        ride_id uuid NOT NULL DEFAULT gen_random_uuid(), began timestamptz NOT NULL, ended timestamptz, bike integer NOT NULL, station text NOT NULL,
        station_to text, metres integer NOT NULL, fare numeric(6, 2), pass text NOT NULL, app text NOT NULL, rain_mm numeric(4, 1) NOT NULL,
        rating integer, PRIMARY KEY (began, ride_id)"""
    batch = "{by: began, every: 1 day}"
    nulls = ("station_to", "fare")
    numbers = ("fare", "metres")

    def days(self) -> Iterator[Day]:
        released = self.every(20, 35)
        n, version, adopted, wet = 0, 14, 1.0, 0.0
        rained = 0.0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            wet = max(0.6 * wet + self.rng.gauss(0, 1), 0)
            rain = round(wet * 4, 1) if wet > 0.8 else 0.0
            rare = ["rain"] if rain > 6 else []
            adopted = min(1.0, adopted * 1.5 + 0.02)
            if next(released):
                version, adopted = version + 1, 0.04
                rare.append("a release")
            mean = 320 * of_week(day, OFFICE) / (1 + rain / 9)

            def load(
                rows: int, of: dt.date, rain: float = rain, version: int = version, adopted: float = adopted
            ) -> str:
                return f"""
                INSERT INTO staged (began, ended, bike, station, station_to, metres, fare, pass, app, rain_mm, rating)
                SELECT r.began, CASE WHEN random() > 0.01 THEN r.began + r.metres / 4.1 * interval '1 second' END, 2000 + floor(180 * random())::integer,
                       'P' || floor(40 * random() ^ 1.4), CASE WHEN random() > 0.03 THEN 'P' || floor(40 * random() ^ 1.4) END, r.metres,
                       CASE WHEN random() > 0.02 THEN CASE WHEN r.pass = 'year' THEN 0 ELSE round((1 + r.metres * 0.0006)::numeric, 1) END END, r.pass,
                       CASE WHEN random() < {adopted:.3f} THEN '{version}.0' ELSE '{version - 1}.0' END, {rain}, CASE WHEN random() < 0.25 THEN 5 - least(poisson(0.7), 4) END
                FROM (SELECT '{of} 00:00Z'::timestamptz + waking() AS began, round(400 + 1800 * random() ^ 2 + lasting(700))::integer AS metres,
                             pick('{{year,month,single}}', '{{45,35,20}}') AS pass FROM generate_series(1, {rows})) AS r"""

            late = self.count(mean * 0.03, 0.1)
            upkeep = (
                f"""CREATE TEMP TABLE late ON COMMIT DROP AS SELECT * FROM rides WHERE false;
                {load(late, day - dt.timedelta(days=1), rained).replace("staged", "late").replace("(began,", "(ride_id, began,").replace("SELECT r.began,", "SELECT gen_random_uuid(), r.began,")};
                INSERT INTO rides SELECT * FROM late""",
            )
            yield Day(f"{day}T00:00:00+00:00", (load(self.count(mean, 0.06), day),), upkeep, ", ".join(rare))
            rained = rain

    def fresh(self, day: Day) -> Mapping[str, str]:
        del day
        return {"began": "b.began + interval '1 day'", "ride_id": "gen_random_uuid()"}


class Tickets(Table):
    """Tickets of a help desk: many on Mondays, closed over two weeks, with the month and the agents' shift list in columns of their own."""

    name = "tickets"
    columns = """
        ticket bigint NOT NULL DEFAULT nextval('number'), opened date NOT NULL, month text NOT NULL, topic text NOT NULL, priority integer NOT NULL,
        state text NOT NULL DEFAULT 'open', agent text, minutes integer, answers integer NOT NULL DEFAULT 0, closed_on date, satisfied boolean, customer integer,
        subject_length integer NOT NULL, PRIMARY KEY (opened, ticket)"""
    batch = "{by: opened}"
    nulls = ("customer",)
    numbers = ("subject_length",)

    def days(self) -> Iterator[Day]:
        outage = self.every(30, 60)
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            down = next(outage)
            mean = 170 * (1.5, 1.1, 1.0, 1.0, 0.9, 0.4, 0.35)[day.weekday()] * (2.2 if down else 1)
            upkeep = (
                f"""UPDATE tickets SET state = 'closed', closed_on = DATE '{day}', answers = 1 + poisson(1.5), minutes = ceil(lasting(25)),
                        satisfied = CASE WHEN random() < 0.3 THEN random() < 0.8 END, agent = coalesce(agent, 'a' || floor(14 * random()))
                    WHERE opened BETWEEN DATE '{day}' - 14 AND DATE '{day}' - 1 AND state = 'open' AND random() < 0.35""",
            )
            load = f"""
                INSERT INTO staged (opened, month, topic, priority, agent, customer, subject_length)
                SELECT DATE '{day}', '{day:%Y-%m}', CASE WHEN random() < {0.55 if down else 0.04} THEN 'outage' ELSE pick('{{billing,login,bug,question}}', '{{30,25,20,25}}') END,
                       1 + least(poisson(1), 3), CASE WHEN random() < 0.6 THEN 'a' || floor(14 * random()) END, CASE WHEN random() > 0.04 THEN 1 + floor(9000 * random()) END,
                       8 + poisson(24)
                FROM generate_series(1, {self.count(mean, 0.07)})"""
            yield Day(str(day), (load,), upkeep, "an outage" if down else "")

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"opened": f"DATE '{day.batch}'", "month": f"'{day.batch[:7]}'"}
