"""Held tables of services: seats of flights, charges, experiments, events of many types, clicks of campaigns."""

from __future__ import annotations

import calendar
import datetime as dt
import math
from collections.abc import Iterator, Mapping

from benchmarks.awkward.nature import OFFICE, SHOP, Day, Table, of_week


class Seats(Table):
    """Flights of a day by the timetable: the same numbers each week, another timetable twice a year, larger aircraft at times."""

    name = "seats"
    columns = """
        day date NOT NULL, flight integer NOT NULL, season text NOT NULL, origin text NOT NULL, destination text NOT NULL, aircraft text NOT NULL,
        seats integer NOT NULL, booked integer NOT NULL, revenue numeric(10, 2), gate text, departs_at timestamptz NOT NULL, off_blocks timestamptz,
        delay_minutes integer, cancelled boolean NOT NULL, PRIMARY KEY (day, flight)"""
    others = """
        CREATE TABLE leg (flight integer PRIMARY KEY, days integer[] NOT NULL, origin text NOT NULL, destination text NOT NULL, minute integer NOT NULL,
            small boolean NOT NULL, pull float8 NOT NULL);
        INSERT INTO leg SELECT 100 + i, CASE WHEN i % 5 = 0 THEN ARRAY[1, 3, 5] WHEN i % 7 = 0 THEN ARRAY[6, 7] ELSE ARRAY[1, 2, 3, 4, 5, 6, 7] END,
            pick('{HUB,OSL,LIS}', '{70,15,15}'), pick('{HUB,OSL,LIS,ATH,KRK,DUB,NCE}', '{30,15,15,10,10,10,10}'), 330 + floor(16 * 60 * random() / 5)::integer * 5,
            random() < 0.4, 0.55 + 0.4 * random() FROM generate_series(1, 210) AS i;"""
    nulls = ("gate", "revenue")
    numbers = ("revenue", "booked")

    def days(self) -> Iterator[Day]:
        storm = self.every(25, 60)
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            summer = 4 <= day.month <= 10
            pull = 1 + 0.12 * math.sin(2 * math.pi * (day.timetuple().tm_yday - 110) / 365)
            late, rare = (70, "a storm") if next(storm) else (11, "")
            upkeep = ("UPDATE leg SET small = NOT small WHERE random() < 0.004",)
            load = f"""
                INSERT INTO staged (day, flight, season, origin, destination, aircraft, seats, booked, revenue, gate, departs_at, off_blocks, delay_minutes, cancelled)
                SELECT DATE '{day}', l.flight, '{"S" if summer else "W"}{day.year % 100}', l.origin, l.destination, CASE WHEN l.small THEN 'A319' ELSE 'A321' END,
                       l.seats, l.booked, CASE WHEN random() > 0.01 THEN round((l.booked * (60 + 40 * l.pull + 8 * normal()))::numeric, 2) END,
                       CASE WHEN random() > 0.03 THEN pick('{{A,B,C}}', '{{4,3,3}}') || floor(1 + 18 * random()) END, l.departs_at,
                       CASE WHEN l.off > 0.012 THEN l.departs_at + l.late * interval '1 minute' END, CASE WHEN l.off > 0.012 THEN l.late END, l.off <= 0.012
                FROM (SELECT g.*, least(greatest(round(g.seats * g.pull * {pull:.3f} * (1 + 0.1 * normal())), 4), g.seats)::integer AS booked,
                             DATE '{day}' + (g.minute - {60 if summer else 0}) * interval '1 minute' AS departs_at, random() AS off,
                             greatest(round(lasting({late}) - 5), -9)::integer AS late
                      FROM (SELECT *, CASE WHEN small THEN 144 ELSE 212 END AS seats FROM leg
                            WHERE {day.isoweekday()} = ANY (days) AND {"true" if summer else "flight % 6 <> 0"}) AS g) AS l"""
            yield Day(str(day), (load,), upkeep, rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'", "flight": "b.flight"}


class Charges(Table):
    """Charges of subscriptions on their day of the month: most on the first and the fifteenth, those of the 31st on shorter months' last."""

    name = "charges"
    columns = """
        charge_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, account integer NOT NULL, plan text NOT NULL, period text NOT NULL,
        attempt integer NOT NULL, amount numeric(8, 2) NOT NULL, tax numeric(8, 2), currency text NOT NULL, method text, state text NOT NULL DEFAULT 'pending',
        failure text, settled_on date, PRIMARY KEY (day, charge_id)"""
    nulls = ("method", "tax")
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        accounts, n = 4200.0, 0
        raised = self.every(80, 140)
        price = 1.0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            accounts *= 1 + self.rng.gauss(0.0008, 0.0006)
            last = calendar.monthrange(day.year, day.month)[1]
            due = [day.day, *range(last + 1, 32)] if day.day == last else [day.day]
            share = sum({1: 0.085, 15: 0.06}.get(d, 0.029 if d < 29 else 0.024) for d in due)
            rare = "many are due" if share > 0.05 else ""
            if next(raised):
                price, rare = price * 1.05, rare + " prices rise"
            upkeep = (
                f"""UPDATE {self.name} SET state = CASE WHEN random() < 0.93 THEN 'settled' ELSE 'failed' END, settled_on = DATE '{day}'
                    WHERE day BETWEEN DATE '{day}' - 3 AND DATE '{day}' - 2 AND state = 'pending' AND random() < 0.8""",
                f"""UPDATE {self.name} SET failure = pick('{{funds,expired,limit}}', '{{60,25,15}}')
                    WHERE day BETWEEN DATE '{day}' - 4 AND DATE '{day}' AND state = 'failed' AND failure IS NULL""",
            )
            retries = self.count(accounts * 0.0022, 0.1)
            load = f"""
                INSERT INTO staged (day, account, plan, period, attempt, amount, tax, currency, method)
                SELECT DATE '{day}', 1 + floor({accounts:.0f} * random()), r.plan, '{day:%Y-%m}', r.attempt, r.amount,
                       CASE WHEN random() > 0.01 THEN round(r.amount * 0.2, 2) END, r.currency, CASE WHEN random() > 0.02 THEN pick('{{card,debit,wallet}}', '{{6,3,1}}') END
                FROM (SELECT p.*, round(({price:.4f} * CASE p.plan WHEN 'lite' THEN 4.9 WHEN 'plus' THEN 12.9 ELSE 49 END)::numeric, 2) AS amount
                      FROM (SELECT pick('{{lite,plus,max}}', '{{60,32,8}}') AS plan, pick('{{EUR,CHF,SEK}}', '{{80,12,8}}') AS currency,
                                   CASE WHEN i <= {retries} THEN 2 + least(poisson(0.6), 2) ELSE 1 END AS attempt
                            FROM generate_series(1, {self.count(accounts * share, 0.03) + retries}) AS i) AS p) AS r"""
            yield Day(str(day), (load,), upkeep, rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'", "period": f"'{day.batch[:7]}'"}


class Exposures(Table):
    """Visitors of experiments: those come and go, are widened in steps, and a flag of the whole site is switched now and then."""

    name = "exposures"
    columns = """
        exposure_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, visitor integer NOT NULL, experiment text NOT NULL, variant text NOT NULL,
        rollout_percent integer NOT NULL, dark_mode boolean NOT NULL, is_new_checkout boolean NOT NULL, build integer NOT NULL, seconds numeric(8, 1),
        pages integer NOT NULL, bought boolean NOT NULL, country text, PRIMARY KEY (day, exposure_id)"""
    nulls = ("country", "seconds")
    numbers = ("seconds",)

    def days(self) -> Iterator[Day]:
        begins, flips, builds = self.every(9, 17), self.every(30, 60), self.every(2, 6)
        running: list[list[int]] = [[31, 50], [32, 100]]
        number, n, build, is_on = 32, 0, 5120, False
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            rare = []
            if next(builds):
                build += self.rng.randint(1, 9)
            if next(flips):
                is_on = not is_on
                rare.append("the checkout is switched")
            if next(begins):
                number += 1
                running = [*running[-2:], [number, 5]]
                rare.append("an experiment begins")
            elif n % 3 == 0:
                running = [[e, {5: 20, 20: 50, 50: 100}.get(p, p)] for e, p in running]
            parts = ", ".join(f"('exp-{e}', {p})" for e, p in running)
            rows = self.count(290 * of_week(day, OFFICE), 0.06)
            load = f"""
                INSERT INTO staged (day, visitor, experiment, variant, rollout_percent, dark_mode, is_new_checkout, build, seconds, pages, bought, country)
                SELECT DATE '{day}', 1 + floor(60000 * r.a), e.experiment, CASE WHEN r.a < 0.5 THEN 'control' ELSE 'test' END, e.percent, random() < 0.35,
                       {str(is_on).lower()}, {build}, CASE WHEN random() > 0.02 THEN round((lasting(95) + 2)::numeric, 1) END, 1 + poisson(2.4), random() < 0.04,
                       CASE WHEN random() > 0.02 THEN pick('{{PL,CZ,SK,HU,RO}}', '{{45,22,10,12,11}}') END
                FROM (SELECT random() AS a, random() AS b FROM generate_series(1, {rows})) AS r
                CROSS JOIN LATERAL (
                    SELECT w.experiment, w.percent FROM (
                        SELECT v.*, sum(v.percent) OVER (ORDER BY v.experiment) AS until, sum(v.percent) OVER () AS whole
                        FROM (VALUES {parts}) AS v (experiment, percent)) AS w
                    WHERE r.b * w.whole <= w.until ORDER BY w.until LIMIT 1) AS e"""
            yield Day(str(day), (load,), rare=", ".join(rare))


class Messages(Table):
    """Events with a document: types are added every few weeks, keys as well, and the version of the schema counts."""

    name = "messages"
    columns = """
        message uuid NOT NULL DEFAULT gen_random_uuid(), day date NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, schema_version integer NOT NULL,
        producer text NOT NULL, partition_no integer NOT NULL, log_offset bigint NOT NULL, body jsonb NOT NULL, bytes integer, trace text,
        PRIMARY KEY (day, message)"""
    nulls = ("trace", "bytes")
    numbers = ("bytes",)

    def days(self) -> Iterator[Day]:
        added, kinds = self.every(14, 28), 6
        n, offset = 0, 880_000
        shares = [30.0, 25.0, 18.0, 12.0, 9.0, 6.0]
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            rare = ""
            if next(added):
                kinds, rare = kinds + 1, "a type is new"
                shares.append(0.4)
            # A new type is taken up over two weeks.
            shares = [share if i < 6 else min(share * 1.25, 5.0) for i, share in enumerate(shares)]
            names = ",".join(f"kind_{i + 1}" for i in range(kinds))
            rows = self.count(340 * of_week(day, OFFICE), 0.05)
            load = f"""
                INSERT INTO staged (day, at, kind, schema_version, producer, partition_no, log_offset, body, bytes, trace)
                SELECT DATE '{day}', DATE '{day}' + waking(), r.kind, {kinds + 8}, pick('{{api,worker,edge}}', '{{50,35,15}}'), floor(8 * random()), {offset} + r.i,
                       jsonb_build_object('user', floor(9000 * random())::integer, 'price', round((4 + lasting(20))::numeric, 2))
                           || CASE WHEN r.kind >= 'kind_4' THEN jsonb_build_object('step', floor(5 * random())::integer, 'kind', r.kind) ELSE '{{}}' END
                           || CASE WHEN {kinds} > 7 AND random() < 0.6 THEN jsonb_build_object('tenant', 't' || floor(20 * random())) ELSE '{{}}' END,
                       CASE WHEN random() > 0.01 THEN 180 + poisson(60) END, CASE WHEN random() < 0.9 THEN md5(random()::text) END
                FROM (SELECT i, pick('{{{names}}}', '{{{",".join(f"{s:.3f}" for s in shares)}}}') AS kind FROM generate_series(1, {rows}) AS i) AS r"""
            offset += rows + self.rng.choice((0, 0, 0, 12))
            yield Day(str(day), (load,), rare=rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'", "message": "gen_random_uuid()"}


class Clicks(Table):
    """Clicks on advertisements, loaded every four hours: campaigns overlap, run for one to three weeks, and their budgets run out at night."""

    name = "clicks"
    columns = """
        click_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, at timestamptz NOT NULL, campaign integer NOT NULL, placement text NOT NULL,
        cost numeric(8, 4), bid numeric(8, 4) NOT NULL, device text NOT NULL, region text, is_bot boolean, load_no integer NOT NULL, PRIMARY KEY (day, click_id)"""
    nulls = ("region", "cost")
    numbers = ("cost",)

    def days(self) -> Iterator[Day]:
        begins = self.every(5, 11)
        running = {701: 12, 702: 6, 703: 3}
        number, n, loads = 703, 0, 40
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            running = {one: left - 1 for one, left in running.items() if left > 0}
            rare = ""
            if next(begins) or not running:
                number, rare = number + 1, "a campaign begins"
                running[number] = self.rng.randint(7, 22)
            listed = ",".join(str(one) for one in running)
            weights = ",".join(f"{1 + one % 4}" for one in running)
            mean = 260 * of_week(day, SHOP) * (1 + 0.08 * len(running)) * math.exp(self.rng.gauss(0, 0.05))
            statements = []
            for part, weight in enumerate((0.05, 0.08, 0.22, 0.25, 0.25, 0.15)):
                loads += 1
                statements.append(f"""
                INSERT INTO staged (day, at, campaign, placement, cost, bid, device, region, is_bot, load_no)
                SELECT DATE '{day}', DATE '{day}' + {4 * part} * interval '1 hour' + random() * interval '4 hours', r.campaign::integer,
                       pick('{{feed,search,video}}', '{{50,35,15}}'), CASE WHEN random() > 0.03 THEN round((r.bid * (0.6 + 0.4 * random()))::numeric, 4) END, r.bid,
                       pick('{{phone,desktop}}', '{{72,28}}'), CASE WHEN random() > 0.02 THEN 'r' || floor(16 * random() ^ 1.3) END,
                       CASE WHEN random() < 0.97 THEN random() < 0.05 END, {loads}
                FROM (SELECT p.campaign, round(((0.2 + 0.11 * (p.campaign::integer % 7)) * exp(0.3 * normal()))::numeric, 4) AS bid
                      FROM (SELECT pick('{{{listed}}}', '{{{weights}}}') AS campaign FROM generate_series(1, {self.count(mean * weight, 0.05)})) AS p) AS r""")
            yield Day(str(day), tuple(statements), rare=rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"day": f"DATE '{day.batch}'", "at": "b.at + interval '1 day'"}
