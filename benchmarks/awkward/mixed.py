"""Tables that are awkward in several ways at once: windows loaded again each night, sales of some days, years that begin in October."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping

from benchmarks.awkward.nature import Day, Table, of_week

#: A bakery sells on Sundays; a club is visited in the evening of working days.
SUNDAYS = (0.8, 0.8, 0.85, 0.9, 1.05, 1.25, 1.4)
CLUB = (1.15, 1.1, 1.1, 1.05, 0.9, 0.85, 0.85)


class Clearance(Table):
    """Sales with a campaign now and then, of one to four days, each of another name and size."""

    name = "clearance"
    columns = """
        line_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, article integer NOT NULL, campaign text, pieces integer NOT NULL,
        list_price numeric(8, 2) NOT NULL, paid numeric(8, 2), rebate_percent integer NOT NULL, channel text NOT NULL, new_customer boolean NOT NULL,
        postcode text, PRIMARY KEY (day, line_id)"""
    nulls = ("paid", "postcode")
    numbers = ("paid", "list_price")

    def days(self) -> Iterator[Day]:
        campaign = self.every(18, 40)
        left, number, factor, n = 0, 40, 1.0, 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            left -= 1
            if next(campaign):
                left, number, factor = self.rng.randint(1, 4), number + 1, self.rng.uniform(1.8, 4)
            is_on = left > 0
            rows = self.count(180 * (factor if is_on else 1) * of_week(day, SUNDAYS), 0.09)
            load = f"""
                INSERT INTO staged (day, article, campaign, pieces, list_price, paid, rebate_percent, channel, new_customer, postcode)
                SELECT DATE '{day}', r.article, CASE WHEN r.rebate >= 20 THEN 'C{number}' END, 1 + poisson({0.7 if is_on else 0.4}), r.price,
                       CASE WHEN random() > 0.015 THEN round((r.price * (100 - r.rebate) / 100)::numeric, 2) END, r.rebate,
                       pick('{{web,app,shop}}', ARRAY[{60 if is_on else 40}, 30, {10 if is_on else 30}]), random() < {0.3 if is_on else 0.12},
                       CASE WHEN random() > 0.03 THEN lpad((100 * floor(10 + 89 * random() ^ 2))::text, 5, '0') END
                FROM (SELECT 20000 + i.article AS article, 4 + 0.5 * (i.article % 90) + 0.49 AS price,
                             CASE WHEN random() < {0.6 if is_on else 0} THEN 20 + 10 * floor(3 * random())::integer
                                  WHEN random() < 0.05 THEN 5 ELSE 0 END AS rebate
                      FROM (SELECT floor(310 * random() ^ 1.4)::integer AS article FROM generate_series(1, {rows})) AS i) AS r"""
            yield Day(str(day), (load,), rare="a campaign" if is_on else "")

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'"}


class Subscriptions(Table):
    """Trials: some are paid after a week, some deleted; whether a customer stayed is known after two weeks."""

    name = "subscriptions"
    columns = """
        trial_id bigint NOT NULL DEFAULT nextval('number'), started date NOT NULL, state text NOT NULL DEFAULT 'trial', plan text NOT NULL,
        source text, seats integer NOT NULL, price numeric(8, 2), first_paid date, deleted_at timestamptz, stayed boolean, updated_at timestamptz NOT NULL,
        PRIMARY KEY (started, trial_id)"""
    batch = "{by: started}"
    nulls = ("source", "price")
    numbers = ("price",)

    def days(self) -> Iterator[Day]:
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            at = f"(DATE '{day}' + interval '5 hours' + random() * interval '10 minutes')"
            upkeep = (
                f"""UPDATE {self.name} SET state = 'paid', first_paid = DATE '{day}', updated_at = {at}
                    WHERE started = DATE '{day}' - 7 AND state = 'trial' AND random() < 0.4""",
                f"""UPDATE {self.name} SET state = 'ended', updated_at = {at} WHERE started = DATE '{day}' - 8 AND state = 'trial' AND random() < 0.9""",
                f"""UPDATE {self.name} SET deleted_at = {at}, updated_at = {at}
                    WHERE started BETWEEN DATE '{day}' - 3 AND DATE '{day}' - 1 AND deleted_at IS NULL AND random() < 0.02""",
                f"""UPDATE {self.name} SET stayed = random() < CASE state WHEN 'paid' THEN 0.9 ELSE 0.02 END, updated_at = {at}
                    WHERE started = DATE '{day}' - 14 AND deleted_at IS NULL""",
            )
            load = f"""
                INSERT INTO staged (started, plan, source, seats, price, updated_at)
                SELECT DATE '{day}', r.plan, CASE WHEN random() > 0.05 THEN pick('{{search,friend,ad,shop}}', '{{40,25,25,10}}') END, r.seats,
                       CASE WHEN random() > 0.01 THEN round((r.seats * CASE r.plan WHEN 'solo' THEN 9 WHEN 'team' THEN 7.5 ELSE 6 END)::numeric, 2) END,
                       DATE '{day}' + waking()
                FROM (SELECT p.plan, 1 + poisson(CASE p.plan WHEN 'solo' THEN 0 WHEN 'team' THEN 4 ELSE 25 END) AS seats
                      FROM (SELECT pick('{{solo,team,firm}}', '{{55,35,10}}') AS plan FROM generate_series(1, {self.count(150 * of_week(day, CLUB), 0.06)})) AS p) AS r"""
            yield Day(str(day), (load,), upkeep)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"started": f"DATE '{day.batch}'"}


class Fiscal(Table):
    """Bookings from Tuesday to Saturday with the parts of a fiscal year, flags of the day, and the number of the run."""

    name = "fiscal"
    columns = """
        booking_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, fiscal_year integer NOT NULL, period text NOT NULL, week_of_year integer NOT NULL,
        date_key integer NOT NULL, day_name text NOT NULL, is_month_end boolean NOT NULL, run bigint NOT NULL, run_name text NOT NULL, branch text NOT NULL,
        account integer NOT NULL, amount numeric(12, 2), tax_rate numeric(4, 2) NOT NULL, booked_at timestamptz NOT NULL, PRIMARY KEY (day, booking_id)"""
    nulls = ("amount",)
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        run, n = 88120, 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            run += self.rng.choice((1, 1, 1, 2, 5))
            if day.weekday() in (0, 6):
                continue
            load = f"""
                INSERT INTO staged (day, fiscal_year, period, week_of_year, date_key, day_name, is_month_end, run, run_name, branch, account, amount, tax_rate, booked_at)
                SELECT DATE '{day}', {day.year + (day.month >= 10)}, 'P{(day.month - 10) % 12 + 1:02}', {day.isocalendar().week}, {day:%Y%m%d}, '{day:%a}',
                       {"true" if (day + dt.timedelta(days=1)).month != day.month else "false"}, {run}, 'run-{run}', pick('{{A,B,C,D}}', '{{40,30,20,10}}'),
                       4000 + 100 * floor(9 * random()) + 10 * floor(4 * random()), CASE WHEN random() > 0.02 THEN round((75 * exp(normal()))::numeric, 2) END,
                       CASE WHEN random() < 0.8 THEN 0.19 ELSE 0.07 END, DATE '{day}' + interval '7 hours' + random() * interval '11 hours'
                FROM generate_series(1, {self.count(220 * (1.3 if day.weekday() == 5 else 1), 0.05)})"""
            yield Day(str(day), (load,))

    def fresh(self, day: Day) -> Mapping[str, str]:
        date = dt.date.fromisoformat(day.batch)
        return {
            "day": f"DATE '{date}'",
            "fiscal_year": str(date.year + (date.month >= 10)),
            "period": f"'P{(date.month - 10) % 12 + 1:02}'",
            "week_of_year": str(date.isocalendar().week),
            "date_key": f"{date:%Y%m%d}",
            "day_name": f"'{date:%a}'",
            "is_month_end": "true" if (date + dt.timedelta(days=1)).month != date.month else "false",
            "run": "b.run + 1",
            "run_name": "'run-' || b.run + 1",
        }


class Windows(Table):
    """The last three days are loaded again each night, as much as is there by then, under the number of the night's load."""

    name = "windows"
    columns = """
        click_id text NOT NULL, day date NOT NULL, campaign_id integer NOT NULL, device text, clicks integer NOT NULL, cost numeric(10, 4),
        converted integer NOT NULL,
        currency text NOT NULL, load_no integer NOT NULL, loaded_at timestamptz NOT NULL, PRIMARY KEY (day, click_id)"""
    others = """
        CREATE TABLE source (
            click_id text, day date, campaign_id integer, device text, clicks integer, cost numeric(10, 4), converted integer, currency text, known integer);"""
    nulls = ("device", "cost")
    numbers = ("cost",)

    def days(self) -> Iterator[Day]:
        n, load_no = 0, 510
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            load_no += 1
            campaigns = 90 + n // 9
            at = f"DATE '{day}' + 1 + interval '3 hours' + {self.rng.randint(0, 1500)} * interval '1 second'"
            upkeep = (
                f"""
                INSERT INTO source
                SELECT md5('{n}/' || i), DATE '{day}', 1 + floor({campaigns} * random() ^ 1.3), CASE WHEN random() > 0.02 THEN pick('{{m,d,t}}', '{{60,34,6}}') END,
                       1 + poisson(6), CASE WHEN random() > 0.01 THEN round((2.4 * exp(0.8 * normal()))::numeric, 4) END, poisson(0.2), 'EUR',
                       CASE WHEN random() < 0.93 THEN 0 WHEN random() < 0.7 THEN 1 ELSE 2 END
                FROM generate_series(1, {self.count(250 * of_week(day, CLUB), 0.05)}) AS i;
                UPDATE source SET converted = converted + 1 WHERE day >= DATE '{day}' - 2 AND day < DATE '{day}' AND random() < 0.06;
                DELETE FROM windows WHERE day IN (DATE '{day}' - 1, DATE '{day}' - 2);
                INSERT INTO windows SELECT s.click_id, s.day, s.campaign_id, s.device, s.clicks, s.cost, s.converted, s.currency, {load_no}, {at}
                FROM source s WHERE s.day IN (DATE '{day}' - 1, DATE '{day}' - 2) AND s.known <= DATE '{day}' - s.day""",
            )
            load = f"""
                INSERT INTO staged SELECT s.click_id, s.day, s.campaign_id, s.device, s.clicks, s.cost, s.converted, s.currency, {load_no}, {at}
                FROM source s WHERE s.day = DATE '{day}' AND s.known = 0"""
            yield Day(str(day), (load,), upkeep)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {
            "click_id": "md5(b.click_id || 'again')",
            "day": f"DATE '{day.batch}'",
            "load_no": "b.load_no + 1",
            "loaded_at": "b.loaded_at + interval '1 day'",
        }


class Gateways(Table):
    """Measurements of devices, loaded every two hours into batches of the day; devices join, fall silent, and their counters begin again."""

    name = "gateways"
    columns = """
        at timestamptz NOT NULL, device integer NOT NULL, sequence integer NOT NULL, celsius numeric(7, 2), volts numeric(5, 3), uptime_s bigint NOT NULL, firmware text NOT NULL,
        PRIMARY KEY (at, device)"""
    batch = "{by: at, every: 1 day}"
    others = """
        CREATE TABLE gateway (device integer PRIMARY KEY, sequence integer NOT NULL, since timestamptz NOT NULL, celsius float8 NOT NULL, volts float8 NOT NULL, firmware text NOT NULL);
        INSERT INTO gateway SELECT 7000 + i, 20000 * random(), '2023-08-01Z'::timestamptz + random() * interval '20 days', 17 + 3 * normal(), 3.3 + 0.1 * random(), '1.' || i % 3
        FROM generate_series(1, 26) AS i;"""
    nulls = ("celsius", "volts")
    numbers = ("celsius",)

    def days(self) -> Iterator[Day]:
        joined, begun, silent = self.every(10, 25), self.every(8, 20), self.every(15, 30)
        devices, n, warm = 26, 0, 0.0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            warm = 0.8 * warm + self.rng.gauss(0, 0.8)
            upkeep, rare = [], []
            if next(joined):
                devices += 1
                upkeep.append(
                    f"INSERT INTO gateway VALUES ({7000 + devices}, 0, '{day}Z', 17 + 3 * normal(), 3.35, '1.2')"
                )
                rare.append("a device joins")
            if next(begun):
                upkeep.append(
                    f"UPDATE gateway SET sequence = 0, since = '{day} 00:00Z' WHERE device = {7000 + self.rng.randint(1, devices)}"
                )
                rare.append("a counter begins again")
            quiet = 7000 + self.rng.randint(1, devices) if next(silent) else 0
            loads = []
            for part in range(12):
                season = 6 * math.cos((day.timetuple().tm_yday - 200) * 2 * math.pi / 365) + warm
                loads.append(
                    f"""
                    INSERT INTO staged (at, device, sequence, celsius, volts, uptime_s, firmware)
                    SELECT r.at, r.device, g.sequence + {12 * (n % 1000) + part}, CASE WHEN random() > 0.01 THEN
                               round((g.celsius + {season:.3f} + 3 * sin((extract(hour FROM r.at) - 9) * pi() / 12) + 0.4 * normal())::numeric, 2) END,
                           CASE WHEN random() > 0.03 THEN round((g.volts - 0.0002 * {n} + 0.01 * normal())::numeric, 3) END,
                           extract(epoch FROM r.at - g.since), g.firmware
                    FROM (SELECT d.device, '{day} 00:00Z'::timestamptz + {2 * part} * interval '1 hour' + (120 * random()) * interval '1 minute' AS at FROM gateway d
                          WHERE random() > 0.03 AND d.device <> {quiet}) AS r JOIN gateway g USING (device)"""
                )
            yield Day(f"{day}T00:00:00+00:00", tuple(loads), tuple(upkeep), ", ".join(rare))

    def fresh(self, day: Day) -> Mapping[str, str]:
        del day
        return {"at": "b.at + interval '1 day'", "device": "b.device"}
