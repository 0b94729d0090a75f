"""Held tables of things and people: sensors that fall silent, pallets, quotes, admissions, lunches, and meters where clocks change."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from benchmarks.awkward.nature import Day, Table, of_week

#: A hospital admits by appointment on working days; a depot rests on Sundays.
HOSPITAL = (1.15, 1.12, 1.08, 1.05, 0.95, 0.5, 0.45)
DEPOT = (1.1, 1.0, 1.0, 1.05, 1.2, 0.5, 0.0)


class Sensors(Table):
    """A reading an hour of each sensor: some fall silent, one gets stuck, batteries are changed, firmware spreads; it gets colder and warmer."""

    name = "sensors"
    columns = """
        at timestamptz NOT NULL, sensor integer NOT NULL, site text NOT NULL, celsius numeric(9, 2), humidity integer, battery integer NOT NULL,
        firmware text NOT NULL, uptime_hours integer NOT NULL, sequence bigint NOT NULL, signal integer NOT NULL, PRIMARY KEY (at, sensor)"""
    batch = "{by: at, every: 1 day}"
    others = """
        CREATE TABLE sensor (sensor integer PRIMARY KEY, site text NOT NULL, bias float8 NOT NULL, battery float8 NOT NULL, drain float8 NOT NULL,
            firmware text NOT NULL DEFAULT '2.4', booted date NOT NULL DEFAULT DATE '2023-06-01', is_alive boolean NOT NULL DEFAULT true, stuck numeric(9, 2), sent bigint NOT NULL);
        INSERT INTO sensor (sensor, site, bias, battery, drain, sent) SELECT 40 + i, 'hall ' || i % 3, normal(), 20 + 80 * random(), 0.3 + 0.5 * random(), 20000 * random()
            FROM generate_series(1, 16) AS i;"""
    nulls = ("celsius", "humidity")
    numbers = ("celsius",)

    def days(self) -> Iterator[Day]:
        dies, joins, released = self.every(12, 30), self.every(25, 50), self.every(50, 80)
        n, weather, sensors, minor = 0, 0.0, 16, 4
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            weather = 0.75 * weather + self.rng.gauss(0, 1.5)
            mean = 11 - 9 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365) + weather
            rare = []
            upkeep = [
                "UPDATE sensor SET battery = CASE WHEN battery - drain < 8 THEN 100 ELSE battery - drain END, sent = sent + 24",
                f"UPDATE sensor SET is_alive = true, booted = DATE '{day}', sent = 0 WHERE NOT is_alive AND random() < 0.08",
                f"UPDATE sensor SET firmware = '2.{minor}', booted = DATE '{day}' WHERE firmware <> '2.{minor}' AND random() < 0.3",
                "UPDATE sensor SET stuck = CASE WHEN stuck IS NULL AND random() < 0.3 THEN 19.5 END WHERE sensor = 45 OR stuck IS NOT NULL",
            ]
            if next(dies):
                upkeep.append(
                    f"UPDATE sensor SET is_alive = false WHERE sensor = {41 + self.rng.randrange(sensors)}"
                )
                rare.append("a sensor is silent")
            if next(joins):
                sensors += 1
                upkeep.append(
                    f"INSERT INTO sensor (sensor, site, bias, battery, drain, booted, firmware, sent) VALUES ({40 + sensors}, 'hall {sensors % 3}', 0.3, 100, 0.5, '{day}', '2.{minor}', 0)"
                )
                rare.append("a sensor is new")
            if next(released):
                minor += 1
                rare.append("a firmware")
            load = f"""
                INSERT INTO staged (at, sensor, site, celsius, humidity, battery, firmware, uptime_hours, sequence, signal)
                SELECT TIMESTAMPTZ '{day} 00:00Z' + h * interval '1 hour' + s.sensor * interval '7 seconds', s.sensor, s.site,
                       CASE WHEN random() > 0.02 THEN coalesce(s.stuck, round(({mean:.3f} + s.bias - 4 * cos(2 * pi() * (h - 3) / 24) + 0.4 * normal())::numeric, 2)) END,
                       CASE WHEN random() > 0.02 THEN least(greatest(round(70 - 1.1 * {mean:.3f} + 4 * normal()), 5), 100) END, round(s.battery), s.firmware,
                       (DATE '{day}' - s.booted) * 24 + h, s.sent + h, -60 - s.sensor % 20 - poisson(3)
                FROM sensor s, generate_series(0, 23) AS h WHERE s.is_alive AND random() > 0.01"""
            yield Day(f"{day}T00:00:00+00:00", (load,), tuple(upkeep), ", ".join(rare))

    def fresh(self, day: Day) -> Mapping[str, str]:
        del day
        return {"at": "b.at + interval '1 day'", "sensor": "b.sensor"}


class Pallets(Table):
    """Movements of pallets: none on Sundays, ships bring twice as many for two days, a stock-take on the last working day of a month."""

    name = "pallets"
    columns = """
        movement bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, pallet integer NOT NULL, kind text NOT NULL, bay text NOT NULL, truck text,
        kilos integer, boxes integer NOT NULL, article text NOT NULL, checked_by text, moved_at timestamptz NOT NULL, corrected_at timestamptz,
        PRIMARY KEY (day, movement)"""
    nulls = ("truck", "checked_by", "kilos")
    numbers = ("kilos",)

    def days(self) -> Iterator[Day]:
        ship = self.every(16, 27)
        left, n, pallet = 0, 0, 310_000
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            left = 2 if next(ship) else left - 1
            if day.weekday() == 6:
                continue
            counting = (day + dt.timedelta(days=1)).month != day.month
            factor = self.rng.uniform(1.8, 2.4) if left > 0 else 1.0
            rows = self.count(240 * of_week(day, DEPOT) * factor, 0.06)
            pallet += rows // 2
            share = "{35,35,20,10}" if counting else "{48,48,0,4}"
            upkeep = (
                f"UPDATE {self.name} SET boxes = boxes - 1, corrected_at = DATE '{day}' + interval '7 hours' WHERE day = DATE '{day}' - 1 AND boxes > 2 AND random() < 0.03",
            )
            load = f"""
                INSERT INTO staged (day, pallet, kind, bay, truck, kilos, boxes, article, checked_by, moved_at)
                SELECT DATE '{day}', {pallet} - floor(900 * random()), pick('{{in,out,count,move}}', '{share}'), 'B' || floor(26 * random() ^ 1.2),
                       CASE WHEN random() > 0.06 THEN 'T-' || floor(60 * random()) END, CASE WHEN random() > 0.02 THEN round(40 + r.boxes * 11.5 + 9 * normal()) END,
                       r.boxes, 'A' || floor(180 * random() ^ 1.5), CASE WHEN random() > 0.04 THEN pick('{{kim,ola,pat,sam}}', '{{30,30,25,15}}') END,
                       DATE '{day}' + interval '6 hours' + random() * interval '{12 if left > 0 else 9} hours'
                FROM (SELECT 4 + poisson({20 if left > 0 else 16}) AS boxes FROM generate_series(1, {rows})) AS r"""
            rare = ", ".join([*(["a ship"] if left > 0 else []), *(["stock-take"] if counting else [])])
            yield Day(str(day), (load,), upkeep, rare)


class Quotes(Table):
    """Official rates of the same forty currencies each working day, at random walks; some are pegged, and one is revalued now and then."""

    name = "quotes"
    columns = """
        day date NOT NULL, currency text NOT NULL, tenor integer NOT NULL, rate numeric(14, 6) NOT NULL, bid numeric(14, 6), ask numeric(14, 6), unit integer NOT NULL,
        change_percent numeric(6, 3), source text, fixed_at timestamptz NOT NULL, bulletin integer NOT NULL, PRIMARY KEY (day, currency, tenor)"""
    others = """
        CREATE TABLE currency (currency text PRIMARY KEY, rate float8 NOT NULL, before float8 NOT NULL, wild float8 NOT NULL, unit integer NOT NULL);
        INSERT INTO currency SELECT chr(65 + i % 26) || chr(65 + i * 7 % 26) || chr(65 + i * 3 % 26), r.rate, r.rate, CASE WHEN i % 9 = 0 THEN 0 ELSE 0.003 + 0.006 * random() END,
            CASE WHEN i % 8 = 0 THEN 100 ELSE 1 END FROM (SELECT i, exp(3 * normal()) AS rate FROM generate_series(1, 40) AS i) AS r;"""
    nulls = ("bid", "source")
    numbers = ("rate", "bid")

    def days(self) -> Iterator[Day]:
        n, bulletin = 0, self.rng.randint(100, 200)
        revalued = self.every(40, 70)
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            if day.weekday() >= 5 or (day.month, day.day) in ((12, 25), (12, 26), (1, 1), (11, 1)):
                continue
            bulletin += 1
            common = self.rng.gauss(0, 0.003)
            upkeep = [
                f"UPDATE currency SET before = rate, rate = rate * exp(CASE WHEN wild > 0 THEN {common:.5f} ELSE 0 END + wild * normal())"
            ]
            rare = ""
            if next(revalued):
                upkeep.append(
                    f"UPDATE currency SET rate = rate * 1.3 WHERE currency = (SELECT currency FROM currency ORDER BY currency OFFSET {self.rng.randrange(40)} LIMIT 1)"
                )
                rare = "a currency falls"
            load = f"""
                INSERT INTO staged (day, currency, tenor, rate, bid, ask, unit, change_percent, source, fixed_at, bulletin)
                SELECT DATE '{day}', c.currency, t, r.rate, CASE WHEN random() > 0.02 THEN r.rate * 0.999 END, r.rate * 1.001, c.unit,
                       round((100 * (c.rate / c.before - 1))::numeric, 3), CASE WHEN random() > 0.03 THEN CASE WHEN c.wild = 0 THEN 'peg' ELSE 'market' END END,
                       DATE '{day}' + interval '14 hours' + t * interval '1 minute' + random() * interval '50 seconds', {bulletin}
                FROM currency c CROSS JOIN unnest(ARRAY[0, 30, 90]) AS t
                CROSS JOIN LATERAL (SELECT round((c.rate * c.unit * (1 + 0.0001 * t * c.wild * 10))::numeric, 6) AS rate) r"""
            yield Day(str(day), (load,), tuple(upkeep), rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {
            "day": f"DATE '{day.batch}'",
            "currency": "b.currency",
            "tenor": "b.tenor",
            "fixed_at": "b.fixed_at + interval '1 day'",
            "bulletin": "b.bulletin + 1",
        }


class Admissions(Table):
    """Admissions of a hospital: half on weekends, waves of influenza, discharged over two weeks, coded a week later; a ward opens."""

    name = "admissions"
    columns = """
        admission bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, patient integer NOT NULL, age integer, ward text NOT NULL, urgency integer NOT NULL,
        reason text NOT NULL, admitted_at timestamptz NOT NULL, discharged_on date, nights integer, code text, weight numeric(6, 3), insurer text, PRIMARY KEY (day, admission)"""
    nulls = ("age", "insurer")
    numbers = ("age",)

    def days(self) -> Iterator[Day]:
        n, wave, wards = 0, 0.1, 9
        opens = self.every(70, 110)
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            season = 0.5 + 0.5 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 30) / 365)
            wave = max(0.02, min(0.6, wave * math.exp(self.rng.gauss(0.06 if season > 0.6 else -0.04, 0.06))))
            rare = ""
            if next(opens):
                wards, rare = wards + 1, "a ward opens"
            free = day.weekday() >= 5 or (day.month, day.day) in ((12, 25), (12, 26), (1, 1))
            rows = self.count(120 * of_week(day, HOSPITAL) * (1 + 0.4 * wave), 0.06)
            upkeep = (
                f"""UPDATE {self.name} SET discharged_on = DATE '{day}', nights = DATE '{day}' - day
                    WHERE day BETWEEN DATE '{day}' - 18 AND DATE '{day}' - 1 AND discharged_on IS NULL AND random() < {0.14 if free else 0.28}""",
                f"""UPDATE {self.name} SET code = pick('{{E10,J44,I21,S72,K35}}', '{{25,30,15,15,15}}') || '.' || floor(6 * random()), weight = round((0.4 + lasting(0.7))::numeric, 3)
                    WHERE day BETWEEN DATE '{day}' - 25 AND DATE '{day}' - 5 AND discharged_on IS NOT NULL AND code IS NULL AND random() < {0 if free else 0.5}""",
            )
            load = f"""
                INSERT INTO staged (day, patient, age, ward, urgency, reason, admitted_at, insurer)
                SELECT DATE '{day}', 100000 + floor(80000 * random()), CASE WHEN random() > 0.01 THEN least(greatest(round(58 + 21 * normal()), 0), 101) END,
                       'W' || (1 + floor({wards} * random() ^ 1.3))::integer, CASE WHEN random() < {0.75 if free else 0.4} THEN 1 + least(poisson(0.7), 2) ELSE 4 END,
                       CASE WHEN random() < {wave * 0.5:.3f} THEN 'influenza' ELSE pick('{{planned,fall,heart,birth,other}}', '{{{12 if free else 45},15,14,8,18}}') END,
                       DATE '{day}' + waking(), CASE WHEN random() > 0.03 THEN 'I' || floor(14 * random() ^ 2) END
                FROM generate_series(1, {rows})"""
            yield Day(str(day), (load,), upkeep, rare)


class Lunches(Table):
    """Lunches at schools on school days: a week or two without in each holiday, pupils by class, menus that come round every three weeks."""

    name = "lunches"
    columns = """
        lunch bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, school integer NOT NULL, form integer NOT NULL, school_year text NOT NULL, week integer NOT NULL,
        menu text NOT NULL, price numeric(9, 2) NOT NULL, is_free boolean NOT NULL, paid_with text, allergy text, served_at timestamptz NOT NULL, PRIMARY KEY (day, lunch)"""
    nulls = ("paid_with",)
    numbers = ("price",)

    def days(self) -> Iterator[Day]:
        n = 0
        breaks = (
            ((10, 9), (10, 20)),
            ((12, 21), (12, 31)),
            ((1, 1), (1, 5)),
            ((2, 12), (2, 16)),
            ((3, 25), (4, 5)),
            ((7, 1), (8, 20)),
        )
        trips = self.every(20, 40)
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            if day.weekday() >= 5 or any(a <= (day.month, day.day) <= b for a, b in breaks):
                continue
            year = day.year - (day.month < 8)
            rare, away = ("a trip", 0.8) if next(trips) else ("", 1.0)
            week = day.isocalendar().week
            load = f"""
                INSERT INTO staged (day, school, form, school_year, week, menu, price, is_free, paid_with, allergy, served_at)
                SELECT DATE '{day}', r.school, r.form, '{year}/{(year + 1) % 100:02}', {week}, CASE WHEN r.a < 0.3 THEN 'V' ELSE 'M' END || {3 * (week % 3)} || '-{day:%a}',
                       CASE WHEN r.b < 0.2 THEN 0 WHEN r.form > 6 THEN 4.2 ELSE 3.6 END, r.b < 0.2, CASE WHEN random() > 0.03 THEN pick('{{card,account,cash}}', '{{50,40,10}}') END,
                       CASE WHEN random() < 0.08 THEN pick('{{nuts,milk,wheat}}', '{{4,4,2}}') END, DATE '{day}' + interval '11 hours' + random() * interval '2 hours'
                FROM (SELECT floor(12 * random())::integer AS school, 1 + floor(10 * random())::integer AS form, random() AS a, random() AS b
                      FROM generate_series(1, {self.count(310 * away * (0.85 if day.weekday() == 4 else 1), 0.04)})) AS r"""
            yield Day(str(day), (load,), rare=rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        date = dt.date.fromisoformat(day.batch)
        return {
            "day": f"DATE '{day.batch}'",
            "week": str(date.isocalendar().week),
            "served_at": "b.served_at + interval '1 day'",
        }


class ClockMeters(Table):
    """Half hours of meters by local days: 46 or 50 of them where clocks change; the hour of the day is written as local and as UTC."""

    name = "clock_meters"
    columns = """
        day date NOT NULL, meter integer NOT NULL, slot integer NOT NULL, local_hour integer NOT NULL, began_at timestamptz NOT NULL, kwh numeric(8, 3),
        total numeric(12, 3) NOT NULL, tariff text NOT NULL, quality text, is_summer boolean NOT NULL, PRIMARY KEY (day, meter, slot)"""
    others = """
        CREATE TABLE meter (meter integer PRIMARY KEY, size float8 NOT NULL, total float8 NOT NULL);
        INSERT INTO meter SELECT 9000 + i, exp(0.5 * normal()), 30000 * random() FROM generate_series(1, 7) AS i;"""
    nulls = ("kwh", "quality")
    numbers = ("kwh",)

    def days(self) -> Iterator[Day]:
        zone = ZoneInfo("Europe/Warsaw")
        n, cold = 0, 0.0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            first, last = (
                dt.datetime.combine(d, dt.time(), zone).astimezone(dt.UTC)
                for d in (day, day + dt.timedelta(days=1))
            )
            slots = int((last - first).total_seconds() // 1800)
            cold = 0.8 * cold + self.rng.gauss(0, 0.06)
            level = (
                1
                + 0.25 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)
                + cold
                + (0.1 if day.weekday() >= 5 else 0)
            )
            summer = bool(dt.datetime.combine(day, dt.time(12), zone).dst())
            load = f"""
                INSERT INTO staged (day, meter, slot, local_hour, began_at, kwh, total, tariff, quality, is_summer)
                SELECT DATE '{day}', u.meter, u.slot, u.hour, u.at, CASE WHEN random() > 0.02 THEN u.kwh END, u.total + sum(u.kwh) OVER (PARTITION BY u.meter ORDER BY u.slot),
                       CASE WHEN u.hour BETWEEN 6 AND 21 THEN 'day' ELSE 'night' END, CASE WHEN random() > 0.02 THEN pick('{{A,E}}', '{{95,5}}') END, {str(summer).lower()}
                FROM (SELECT m.meter, m.total, s AS slot, extract(hour FROM l.at AT TIME ZONE 'Europe/Warsaw')::integer AS hour, l.at,
                             round((m.size * {level:.4f} * (0.3 + 0.2 * sin(pi() * extract(hour FROM l.at AT TIME ZONE 'Europe/Warsaw')::float8 / 24) ^ 2) * exp(0.3 * normal()))::numeric, 3) AS kwh
                      FROM meter m CROSS JOIN generate_series(0, {slots - 1}) AS s
                      CROSS JOIN LATERAL (SELECT TIMESTAMPTZ '{first:%Y-%m-%d %H:%M}Z' + s * interval '30 minutes' AS at) l) AS u"""
            upkeep = (
                f"UPDATE meter m SET total = t.total FROM (SELECT c.meter, max(c.total) AS total FROM {self.name} c WHERE c.day = DATE '{day}' - 1 GROUP BY c.meter) t WHERE t.meter = m.meter",
            )
            yield Day(str(day), (load,), upkeep, "clocks change" if slots != 48 else "")

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {
            "day": f"DATE '{day.batch}'",
            "meter": "b.meter",
            "slot": "b.slot",
            "began_at": "b.began_at + interval '1 day'",
        }
