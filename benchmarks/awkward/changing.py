"""Tables whose rows come late, change after their load, or are loaded again."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping

from benchmarks.awkward.nature import OFFICE, SHOP, Day, Table, of_week


class MaturingOrders(Table):
    """Orders come in as new; they are paid, shipped and delivered on the following days."""

    name = "maturing_orders"
    columns = """
        order_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, customer_id integer NOT NULL, status text NOT NULL,
        items integer NOT NULL, amount numeric(10, 2) NOT NULL, country text, coupon text, placed_at timestamptz NOT NULL,
        paid_at timestamptz, shipped_at timestamptz, delivered_at timestamptz, PRIMARY KEY (day, order_id)"""
    nulls = ("country",)
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        customers = 4000
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            customers += self.rng.randint(2, 12)
            # Warehouses rest on Sundays, couriers on both days of the weekend.
            ship, deliver = (0.0 if day.weekday() == 6 else 0.6), (0.0 if day.weekday() >= 5 else 0.45)
            move = f"""
                UPDATE {self.name} t
                SET status = m.next, paid_at = CASE m.next WHEN 'paid' THEN m.at ELSE t.paid_at END,
                    shipped_at = CASE m.next WHEN 'shipped' THEN m.at ELSE t.shipped_at END,
                    delivered_at = CASE m.next WHEN 'delivered' THEN m.at ELSE t.delivered_at END
                FROM (
                    SELECT s.day, s.order_id, DATE '{day}' + waking() AS at,
                           CASE WHEN s.status = 'new' AND s.r < 0.75 THEN 'paid' WHEN s.status = 'new' AND s.r > 0.97 THEN 'cancelled'
                                WHEN s.status = 'paid' AND s.r < {ship} THEN 'shipped' WHEN s.status = 'paid' AND s.r > 0.99 THEN 'cancelled'
                                WHEN s.status = 'shipped' AND s.r < {deliver} THEN 'delivered'
                                WHEN s.status = 'delivered' AND s.r < 0.006 THEN 'returned' END AS next
                    FROM (SELECT o.day, o.order_id, o.status, random() AS r FROM {self.name} o
                          WHERE o.day BETWEEN DATE '{day}' - 6 AND DATE '{day}' - 1) AS s
                ) AS m
                WHERE t.day = m.day AND t.order_id = m.order_id AND m.next IS NOT NULL"""
            load = f"""
                INSERT INTO staged (day, customer_id, status, items, amount, country, coupon, placed_at, paid_at)
                SELECT DATE '{day}', 1 + floor({customers} * sqrt(r.a)), CASE WHEN r.b < 0.3 THEN 'paid' ELSE 'new' END, r.items,
                       round((r.items * 18 * exp(0.55 * r.z))::numeric, 2),
                       CASE WHEN r.c > 0.02 THEN pick('{{DE,FR,NL,AT,IT,ES}}', '{{45,20,12,9,8,6}}') END,
                       CASE WHEN r.d < 0.1 THEN pick('{{WELCOME10,FRIEND,AUTUMN}}', '{{5,3,2}}') END,
                       r.at, CASE WHEN r.b < 0.3 THEN r.at + lasting(90) * interval '1 second' END
                FROM (SELECT random() AS a, random() AS b, random() AS c, random() AS d, normal() AS z, 1 + poisson(1.1) AS items,
                             DATE '{day}' + waking() AS at
                      FROM generate_series(1, {self.count(230 * of_week(day, SHOP), 0.07)})) AS r"""
            yield Day(str(day), (load,), (move,))


class LateEvents(Table):
    """Events of a day come on that day (80 %), on the next (14 %) and on the one after (6 %), late ones more often from phones."""

    name = "late_events"
    columns = """
        event_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, user_id integer NOT NULL, kind text NOT NULL,
        device text NOT NULL, country text, duration_ms integer, amount numeric(8, 2), occurred_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL, PRIMARY KEY (day, event_id)"""
    nulls = ("country",)
    numbers = ("duration_ms",)

    def days(self) -> Iterator[Day]:
        totals: list[int] = []
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            totals.append(self.count(360 * of_week(day, OFFICE), 0.05))
            parts = []
            for age, (share, phones) in enumerate(((0.8, 55), (0.14, 85), (0.06, 92))):
                if age < len(totals):
                    rows = round(totals[-1 - age] * share * math.exp(self.rng.gauss(0, 0.06)))
                    parts.append(f"({age}, {rows}, {phones})")
            load = f"""
                INSERT INTO staged (day, user_id, kind, device, country, duration_ms, amount, occurred_at, received_at)
                SELECT DATE '{day}' - r.age, 1 + floor(9000 * r.a ^ 2), r.kind, r.device,
                       CASE WHEN r.b > 0.03 THEN pick('{{US,GB,DE,IN,BR}}', '{{50,18,14,10,8}}') END,
                       CASE WHEN r.kind <> 'install' THEN round(900 * exp(0.9 * r.z)) END,
                       CASE WHEN r.kind = 'purchase' THEN round((12 * exp(0.6 * normal()))::numeric, 2) END,
                       r.at, CASE WHEN r.age = 0 THEN r.at + lasting(40) * interval '1 second'
                                  ELSE DATE '{day}' + random() * interval '24 hours' END
                FROM (SELECT p.age, random() AS a, random() AS b, normal() AS z, DATE '{day}' - p.age + waking() AS at,
                             pick('{{view,click,purchase,install}}', '{{70,22,6,2}}') AS kind,
                             pick('{{phone,web,tablet}}', ARRAY[p.phones, (100 - p.phones) * 0.85, (100 - p.phones) * 0.15]) AS device
                      FROM (VALUES {", ".join(parts)}) AS p (age, rows, phones), generate_series(1, p.rows)) AS r"""
            yield Day(str(day), (load,))

    def fresh(self, day: Day) -> Mapping[str, str]:
        del day
        return {"day": "b.day + 1"}


class Hourly(Table):
    """Requests are loaded every hour into batches of a day; now and then an hour comes with the next one."""

    name = "hourly"
    columns = """
        request_id bigint NOT NULL DEFAULT nextval('number'), at timestamptz NOT NULL, path text NOT NULL, status integer NOT NULL,
        ms numeric(10, 1) NOT NULL, bytes bigint NOT NULL, country text, agent text, PRIMARY KEY (at, request_id)"""
    batch = "{by: at, every: 1 day}"
    nulls = ("country",)
    numbers = ("ms",)

    def days(self) -> Iterator[Day]:
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            level = 16 * of_week(day, OFFICE) * math.exp(self.rng.gauss(0, 0.05))
            loads, parts = [], []
            for hour in range(24):
                rows = self.count(level * (1 + 0.8 * math.sin((hour - 9) * math.pi / 12)) + 1, 0.05)
                parts.append(f"({hour}, {rows})")
                if hour < 23 and self.rng.random() < 0.01:
                    continue
                loads.append(
                    f"""
                    INSERT INTO staged (at, path, status, ms, bytes, country, agent)
                    SELECT DATE '{day}' + (p.hour + random()) * interval '1 hour',
                           pick('{{/,/search,/item,/cart,/login,/api}}', '{{30,22,25,8,7,8}}'),
                           pick('{{200,301,404,500}}', '{{940,25,30,5}}')::integer, round((45 * exp(0.7 * normal()))::numeric, 1),
                           round(5200 * exp(1.1 * normal())), CASE WHEN random() > 0.04 THEN pick('{{US,DE,JP,BR}}', '{{55,25,12,8}}') END,
                           CASE WHEN random() > 0.06 THEN pick('{{chrome,safari,firefox,bot}}', '{{58,25,10,7}}') END
                    FROM (VALUES {", ".join(parts)}) AS p (hour, rows), generate_series(1, p.rows)"""
                )
                parts = []
            yield Day(f"{day}T00:00:00+00:00", tuple(loads))

    def fresh(self, day: Day) -> Mapping[str, str]:
        del day
        return {"at": "b.at + interval '1 day'"}


class Reruns(Table):
    """A day is loaded again when its source was corrected, and a week is filled again now and then, with new load numbers."""

    name = "reruns"
    columns = """
        line_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, account_id integer NOT NULL, entry text NOT NULL,
        amount numeric(12, 2) NOT NULL, currency text NOT NULL, note text, load_id integer NOT NULL, loaded_at timestamptz NOT NULL,
        PRIMARY KEY (day, line_id)"""
    nulls = ("note",)
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        again, fill = self.every(9, 20), self.every(30, 55)
        load_id = 4100
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            upkeep, rare = [], ""
            first = None
            if next(fill) and n > 8:
                first, rare = 7, "a week is filled again"
            elif next(again) and n > 3:
                first, rare = self.rng.randint(1, 3), "a day is loaded again"
            if first is not None:
                last = 1 if first == 7 else first
                for back in range(first, last - 1, -1):
                    load_id += 1
                    upkeep.append(
                        f"""
                        CREATE TEMP TABLE again ON COMMIT DROP AS SELECT * FROM {self.name} WHERE day = DATE '{day}' - {back};
                        DELETE FROM {self.name} WHERE day = DATE '{day}' - {back};
                        INSERT INTO {self.name} (day, account_id, entry, amount, currency, note, load_id, loaded_at)
                        SELECT a.day, a.account_id, a.entry, CASE WHEN random() < 0.01 THEN a.amount + 1 ELSE a.amount END, a.currency,
                               a.note, {load_id}, TIMESTAMPTZ '{day} 09:00Z' + lasting(200) * interval '1 second'
                        FROM again a WHERE random() > 0.002"""
                    )
            load_id += 1
            load = f"""
                INSERT INTO staged (day, account_id, entry, amount, currency, note, load_id, loaded_at)
                SELECT DATE '{day}', 1000 + floor(700 * random()), pick('{{fee,transfer,interest,refund}}', '{{40,45,5,10}}'),
                       round((120 * exp(1.2 * normal()))::numeric, 2), pick('{{EUR,USD,GBP}}', '{{70,20,10}}'),
                       CASE WHEN random() < 0.92 THEN 'ref ' || floor(100000 + 900000 * random()) END, {load_id},
                       DATE '{day}' + 1 + interval '2 hours' + {self.rng.randint(0, 900)} * interval '1 second'
                FROM generate_series(1, {self.count(240 * of_week(day, OFFICE), 0.06)})"""
            yield Day(str(day), (load,), tuple(upkeep), rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {
            "day": f"DATE '{day.batch}'",
            "load_id": "b.load_id + 1",
            "loaded_at": "b.loaded_at + interval '1 day'",
        }
