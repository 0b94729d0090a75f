"""Tables with columns that move from batch to batch: versions, dates, numbers that grow, tenants that come."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping

from benchmarks.awkward.nature import OFFICE, SHOP, Day, Table, of_week


class Releases(Table):
    """Predictions of a model that is replaced now and then, for an app whose versions spread over some days."""

    name = "releases"
    columns = """
        prediction_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, user_id integer NOT NULL, app_version text NOT NULL,
        platform text, model text NOT NULL, model_version integer NOT NULL, latency_ms numeric(8, 1), score real NOT NULL,
        shown boolean NOT NULL, PRIMARY KEY (day, prediction_id)"""
    nulls = ("latency_ms", "platform")
    numbers = ("latency_ms",)

    def days(self) -> Iterator[Day]:
        release, model = self.every(10, 20), self.every(20, 40)
        # Versions with the days since they came out, and how fast their users take them up.
        versions = [("4.11.0", 60, 0.8), ("4.12.0", 22, 0.7)]
        minor, patch, number, shift = 12, 0, 7, 0.0
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            rare = []
            versions = [(name, age + 1, speed) for name, age, speed in versions]
            if next(release):
                minor, patch = (minor, patch + 1) if self.rng.random() < 0.4 else (minor + 1, 0)
                versions.append((f"4.{minor}.{patch}", 0, self.rng.uniform(0.5, 1.1)))
                rare.append("a release")
            if next(model):
                number += 1
                shift = self.rng.gauss(0, 0.06)
                rare.append("a model")
            left, weights = 1.0, []
            for _, age, speed in reversed(versions):
                taken = 0.97 / (1 + math.exp(4 - speed * age))
                weights.append(left * taken)
                left *= 1 - taken
            weights[-1] += left
            listed = [
                (name, weight)
                for (name, _, _), weight in zip(reversed(versions), weights, strict=True)
                if weight > 0.002
            ]
            names = ",".join(name for name, _ in listed)
            shares = ",".join(f"{weight:.5f}" for _, weight in listed)
            load = f"""
                INSERT INTO staged (day, user_id, app_version, platform, model, model_version, latency_ms, score, shown)
                SELECT DATE '{day}', 1 + floor(20000 * random()), pick('{{{names}}}', '{{{shares}}}'),
                       pick('{{android,ios,web}}', '{{50,35,15}}'), 'ranker-v{number}', {number},
                       CASE WHEN random() > 0.01 THEN round((38 * exp(0.45 * normal()))::numeric, 1) END, s.score, random() < s.score
                FROM (SELECT 1 / (1 + exp(1.1 - {shift:.4f} - 0.9 * normal())) AS score
                      FROM generate_series(1, {self.count(320 * of_week(day, OFFICE), 0.04)})) AS s"""
            yield Day(str(day), (load,), rare=", ".join(rare))

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'"}


class Calendar(Table):
    """Sales with the parts of their date in columns of their own."""

    name = "calendar"
    columns = """
        sale_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, year integer NOT NULL, month integer NOT NULL,
        day_of_month integer NOT NULL, iso_week integer NOT NULL, year_month text NOT NULL, quarter text NOT NULL,
        weekday text NOT NULL, days_to_month_end integer NOT NULL, store text NOT NULL, amount numeric(10, 2), units integer NOT NULL,
        PRIMARY KEY (day, sale_id)"""
    nulls = ("amount",)
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            load = f"""
                INSERT INTO staged (day, year, month, day_of_month, iso_week, year_month, quarter, weekday, days_to_month_end, store,
                                    amount, units)
                SELECT d.day, extract(year FROM d.day), extract(month FROM d.day), extract(day FROM d.day), extract(week FROM d.day),
                       to_char(d.day, 'YYYY-MM'), to_char(d.day, '"Q"Q YYYY'), to_char(d.day, 'FMDay'),
                       (date_trunc('month', d.day) + interval '1 month')::date - d.day, pick('{{north,south,east,west}}', '{{35,30,20,15}}'),
                       CASE WHEN random() > 0.01 THEN round((26 * exp(0.6 * normal()))::numeric, 2) END, 1 + poisson(0.8)
                FROM (SELECT DATE '{day}' AS day) AS d, generate_series(1, {self.count(260 * of_week(day, SHOP), 0.04)})"""
            yield Day(str(day), (load,))

    def fresh(self, day: Day) -> Mapping[str, str]:
        date = f"DATE '{day.batch}'"
        return {
            "day": date,
            "year": f"extract(year FROM {date})",
            "month": f"extract(month FROM {date})",
            "day_of_month": f"extract(day FROM {date})",
            "iso_week": f"extract(week FROM {date})",
            "year_month": f"to_char({date}, 'YYYY-MM')",
            "quarter": f"""to_char({date}, '"Q"Q YYYY')""",
            "weekday": f"to_char({date}, 'FMDay')",
            "days_to_month_end": f"(date_trunc('month', {date}) + interval '1 month')::date - {date}",
        }


class GrowingIds(Table):
    """Payments with numbers from sequences, which a load that was rolled back or repeated uses up."""

    name = "growing_ids"
    columns = """
        payment_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, order_no text NOT NULL, customer_id bigint NOT NULL,
        session_id bigint NOT NULL, amount numeric(10, 2) NOT NULL, method text, fee numeric(8, 3) NOT NULL, PRIMARY KEY (payment_id)"""
    others = "CREATE SEQUENCE session START 58000000; SELECT setval('number', 731204);"
    nulls = ("method",)
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        lost, again = self.every(12, 30), self.every(18, 40)
        customers = 21000
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            customers += self.rng.randint(5, 40)
            rows = self.count(270 * of_week(day, SHOP), 0.06)
            rare, upkeep = "", []
            if next(lost):
                # Rolled back, and begun again: the sequences do not give numbers back.
                times = self.rng.randint(1, 3)
                rare = "a load was rolled back"
                upkeep.append(
                    f"SELECT setval('number', nextval('number') + {rows * times}), setval('session', nextval('session') + {4 * rows * times})"
                )
            elif next(again) and n > 2:
                rare = "a day is loaded again"
                upkeep.append(
                    f"""
                    CREATE TEMP TABLE again ON COMMIT DROP AS SELECT * FROM {self.name} WHERE day = DATE '{day}' - 1;
                    DELETE FROM {self.name} WHERE day = DATE '{day}' - 1;
                    INSERT INTO {self.name} (day, order_no, customer_id, session_id, amount, method, fee)
                    SELECT a.day, a.order_no, a.customer_id, a.session_id, a.amount, a.method, a.fee FROM again a"""
                )
            load = f"""
                INSERT INTO staged (day, order_no, customer_id, session_id, amount, method, fee)
                SELECT DATE '{day}', 'SO-' || lpad((9 * {n} * 270 + floor(9 * 270 * random()))::text, 9, '0'),
                       1 + floor({customers} * r.a ^ 0.6), setval('session', nextval('session') + 1 + poisson(3)), r.amount,
                       CASE WHEN random() > 0.015 THEN pick('{{card,paypal,invoice,debit}}', '{{55,25,12,8}}') END, round(r.amount * 0.014 + 0.25, 3)
                FROM (SELECT random() AS a, round((41 * exp(0.7 * normal()))::numeric, 2) AS amount FROM generate_series(1, {rows})) AS r"""
            yield Day(str(day), (load,), tuple(upkeep), rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'"}


class Counters(Table):
    """Meters that count on: their readings, the day as a number, the number of the load. A meter is exchanged now and then."""

    name = "counters"
    columns = """
        meter_id integer NOT NULL, day date NOT NULL, reading_kwh numeric(12, 1) NOT NULL, used_kwh numeric(8, 1), epoch_day integer NOT NULL,
        load_id integer NOT NULL, firmware text NOT NULL, signal_db numeric(5, 1), read_at timestamptz NOT NULL, PRIMARY KEY (day, meter_id)"""
    others = """
        CREATE TABLE meter (meter_id integer PRIMARY KEY, reading float8 NOT NULL, usual float8 NOT NULL, used float8 NOT NULL DEFAULT 0,
                            firmware text NOT NULL, signal float8 NOT NULL);
        INSERT INTO meter (meter_id, reading, usual, firmware, signal)
        SELECT 10000 + 3 * i, 90000 * random() ^ 2, 9 * exp(0.5 * normal()), pick('{2.1.4,2.1.7}', '{30,70}'), -60 - 15 * random()
        FROM generate_series(1, 210) AS i;"""
    nulls = ("used_kwh",)
    numbers = ("reading_kwh", "used_kwh")

    def days(self) -> Iterator[Day]:
        exchanged, joined = self.every(25, 50), self.every(12, 30)
        cold, load_id, meters = 0.0, 880, 210
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            load_id += 1
            cold = 0.75 * cold + self.rng.gauss(0, 0.05)
            heat = (
                1
                + 0.45 * math.cos((day.timetuple().tm_yday - 20) * 2 * math.pi / 365)
                + cold
                + (0.08 if day.weekday() >= 5 else 0)
            )
            upkeep = [
                f"UPDATE meter SET used = usual * {max(heat, 0.2):.4f} * exp(0.25 * normal())",
                "UPDATE meter SET reading = reading + used",
            ]
            rare = []
            if next(exchanged):
                upkeep.append(
                    f"UPDATE meter SET reading = used, firmware = '2.2.0' WHERE meter_id = {10000 + 3 * self.rng.randint(1, 210)}"
                )
                rare.append("a meter is exchanged")
            if next(joined):
                meters += 1
                upkeep.append(
                    f"INSERT INTO meter VALUES ({10000 + 3 * meters}, 0, {9 * math.exp(self.rng.gauss(0, 0.5)):.3f}, 0, '2.2.0', -65)"
                )
                rare.append("a meter is new")
            load = f"""
                INSERT INTO staged (meter_id, day, reading_kwh, used_kwh, epoch_day, load_id, firmware, signal_db, read_at)
                SELECT m.meter_id, DATE '{day}', round(m.reading::numeric, 1), CASE WHEN random() > 0.01 THEN round(m.used::numeric, 1) END,
                       DATE '{day}' - DATE '1970-01-01', {load_id}, m.firmware, round((m.signal + 2 * normal())::numeric, 1),
                       DATE '{day}' + interval '23 hours' + random() * interval '50 minutes'
                FROM meter m WHERE random() > {self.rng.uniform(0.005, 0.03):.4f}"""
            yield Day(str(day), (load,), tuple(upkeep), ", ".join(rare))

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {
            "day": f"DATE '{day.batch}'",
            "epoch_day": f"DATE '{day.batch}' - DATE '1970-01-01'",
            "load_id": "b.load_id + 1",
            "meter_id": "b.meter_id",
        }


class NewTenants(Table):
    """Usage of tenants of a service: new ones begin small and grow, some leave."""

    name = "new_tenants"
    columns = """
        usage_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, tenant text NOT NULL, tenant_no integer NOT NULL, plan text NOT NULL,
        region text, users integer NOT NULL, calls integer NOT NULL, seconds numeric(10, 2), billed numeric(10, 4) NOT NULL,
        PRIMARY KEY (day, usage_id)"""
    nulls = ("seconds", "region")
    numbers = ("billed",)

    def days(self) -> Iterator[Day]:
        plans, regions = ("free", "team", "enterprise"), ("eu", "us", "ap")
        come, leave = self.every(3, 9), self.every(25, 60)
        number, tenants = 40, []
        for _ in range(14):
            number += 1
            tenants.append(
                [
                    number,
                    self.rng.paretovariate(1.2),
                    400,
                    self.rng.choice(plans),
                    self.rng.choices(regions, (5, 4, 1))[0],
                ]
            )
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            rare = []
            if next(come):
                number += 1
                tenants.append(
                    [
                        number,
                        self.rng.paretovariate(1.5),
                        0,
                        self.rng.choice(plans),
                        self.rng.choices(regions, (5, 4, 1))[0],
                    ]
                )
                rare.append("a tenant is new")
            if next(leave) and len(tenants) > 8:
                tenants.remove(self.rng.choice(tenants))
                rare.append("a tenant leaves")
            parts = []
            for tenant in tenants:
                tenant[2] += 1
                weight = tenant[1] * (1 - math.exp(-(tenant[2] + 2) / 25))
                size = 2 + 9 * tenant[1]
                parts.append(f"({tenant[0]}, {weight:.5f}, '{tenant[3]}', '{tenant[4]}', {size:.3f})")
            rows = self.count(
                14
                * sum(t[1] * (1 - math.exp(-(t[2] + 2) / 25)) for t in tenants)
                / sum(t[1] for t in tenants[:14])
                * 20
                * of_week(day, OFFICE),
                0.05,
            )
            load = f"""
                INSERT INTO staged (day, tenant, tenant_no, plan, region, users, calls, seconds, billed)
                SELECT DATE '{day}', 'tenant-' || r.no, r.no, t.plan, t.region, 1 + poisson(least(t.size, 60)), r.calls,
                       CASE WHEN random() > 0.02 THEN round((r.calls * 0.35 * exp(0.4 * normal()))::numeric, 2) END,
                       round((r.calls * CASE t.plan WHEN 'free' THEN 0 WHEN 'team' THEN 0.002 ELSE 0.0035 END)::numeric, 4)
                FROM (SELECT pick((SELECT array_agg(v.no::text) FROM (VALUES {", ".join(parts)}) AS v (no, weight, plan, region, size)),
                                  (SELECT array_agg(v.weight::float8) FROM (VALUES {", ".join(parts)}) AS v (no, weight, plan, region, size)))::integer AS no,
                             round(60 * exp(1.0 * normal()))::integer + 1 AS calls
                      FROM generate_series(1, {rows})) AS r
                JOIN (VALUES {", ".join(parts)}) AS t (no, weight, plan, region, size) ON t.no = r.no"""
            yield Day(str(day), (load,), rare=", ".join(rare))
