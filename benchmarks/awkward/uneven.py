"""Tables whose batches do not come every day, or differ by the calendar of a business."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping

from benchmarks.awkward.nature import SHOP, Day, Table, of_week


class Promotions(Table):
    """Sales, three times as many on days of a promotion, which come every two or three weeks and last a day or two."""

    name = "promotions"
    columns = """
        sale_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, sku text NOT NULL, category text NOT NULL, quantity integer NOT NULL,
        price numeric(8, 2) NOT NULL, discount numeric(4, 2) NOT NULL, coupon text, channel text, customer_id integer, PRIMARY KEY (day, sale_id)"""
    nulls = ("channel", "customer_id")
    numbers = ("price",)

    def days(self) -> Iterator[Day]:
        promotion = self.every(12, 24)
        left, n = 0, 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            if left:
                left -= 1
            if next(promotion):
                left = self.rng.choice((1, 1, 2))
            factor = self.rng.uniform(2.6, 3.4) if left else 1.0
            load = f"""
                INSERT INTO staged (day, sku, category, quantity, price, discount, coupon, channel, customer_id)
                SELECT DATE '{day}', 'S' || (1000 + r.sku), (ARRAY['shoes', 'shirts', 'bags', 'home', 'toys'])[1 + r.sku % 5], 1 + poisson({0.5 if left else 0.3}),
                       round(((8 + r.sku % 37) * (1 - r.discount))::numeric, 2), r.discount,
                       CASE WHEN random() < {0.35 if left else 0.06} THEN pick('{{SAVE,CLUB,NEWS}}', '{{50,30,20}}') END,
                       CASE WHEN random() > 0.02 THEN pick('{{web,app,store}}', '{{45,30,25}}') END, CASE WHEN random() > 0.05 THEN 1 + floor(30000 * random()) END
                FROM (SELECT floor(240 * random() ^ 1.6)::integer AS sku, CASE WHEN random() < {0.7 if left else 0.08} THEN (ARRAY[0.1, 0.2, 0.3])[1 + floor(3 * random())::integer] ELSE 0 END AS discount
                      FROM generate_series(1, {self.count(210 * factor * of_week(day, SHOP), 0.07)})) AS r"""
            yield Day(str(day), (load,), rare="a promotion" if left else "")


class Weekdays(Table):
    """Trades from Monday to Friday, none on holidays; rates go up and down at random."""

    name = "weekdays"
    columns = """
        trade_id bigint NOT NULL DEFAULT nextval('number'), day date NOT NULL, desk text NOT NULL, pair text NOT NULL, side text NOT NULL,
        notional numeric(14, 2) NOT NULL, rate numeric(10, 5) NOT NULL, trader text, executed_at timestamptz NOT NULL, PRIMARY KEY (day, trade_id)"""
    nulls = ("trader",)
    numbers = ("notional",)

    def days(self) -> Iterator[Day]:
        rates = {"EURUSD": 1.08, "GBPUSD": 1.26, "USDJPY": 147.2}
        n = 0
        while True:
            day = self.start + dt.timedelta(days=n)
            n += 1
            if day.weekday() >= 5 or (day.month, day.day) in ((12, 25), (12, 26), (1, 1), (5, 1)):
                continue
            rates = {pair: rate * math.exp(self.rng.gauss(0, 0.005)) for pair, rate in rates.items()}
            listed = ", ".join(f"('{pair}', {rate:.5f}::float8)" for pair, rate in rates.items())
            load = f"""
                INSERT INTO staged (day, desk, pair, side, notional, rate, trader, executed_at)
                SELECT DATE '{day}', pick('{{fx,corporate,retail}}', '{{50,30,20}}'), r.pair, pick('{{buy,sell}}', '{{51,49}}'),
                       round((25000 * exp(1.3 * normal()))::numeric, -2), round((q.rate * (1 + 0.0012 * normal()))::numeric, 5),
                       CASE WHEN random() > 0.01 THEN 't' || floor(24 * random()) END, DATE '{day}' + interval '8 hours' + random() * interval '9 hours'
                FROM (SELECT pick('{{EURUSD,GBPUSD,USDJPY}}', '{{60,25,15}}') AS pair FROM generate_series(1, {self.count(300, 0.05)})) AS r
                JOIN (VALUES {listed}) AS q (pair, rate) USING (pair)"""
            yield Day(str(day), (load,))


class Monthly(Table):
    """Invoices of a service, a batch a month: customers and prices grow, some are paid by the end of the month."""

    name = "monthly"
    columns = """
        invoice_id bigint NOT NULL DEFAULT nextval('number'), month date NOT NULL, customer_id integer NOT NULL, plan text NOT NULL, country text NOT NULL,
        amount numeric(10, 2) NOT NULL, vat numeric(10, 2), issued_on date NOT NULL, due_on date NOT NULL, paid_on date, method text,
        PRIMARY KEY (month, invoice_id)"""
    batch = "{by: month}"
    nulls = ("method", "vat")
    numbers = ("amount",)

    def days(self) -> Iterator[Day]:
        customers, price, raised = 200.0, 20.0, self.every(14, 26)
        n = 0
        while True:
            month = dt.date(2006 + n // 12, n % 12 + 1, 1)
            n += 1
            rare = ""
            customers *= 1 + self.rng.gauss(0.004, 0.006)
            if next(raised):
                price, rare = round(price * self.rng.uniform(1.02, 1.06), 2), "prices rise"
            load = f"""
                INSERT INTO staged (month, customer_id, plan, country, amount, vat, issued_on, due_on, paid_on, method)
                SELECT DATE '{month}', r.customer, r.plan, r.country, r.amount, CASE WHEN random() > 0.01 THEN round(r.amount * 0.19, 2) END, r.issued, r.issued + 14,
                       CASE WHEN random() < 0.8 THEN r.issued + 1 + least(floor(lasting(6))::integer, 20) END,
                       CASE WHEN random() > 0.02 THEN pick('{{debit,card,transfer}}', '{{50,30,20}}') END
                FROM (SELECT p.*, round(({price} * CASE p.plan WHEN 'basic' THEN 1 WHEN 'pro' THEN 2.5 ELSE 9 END + 6 * random())::numeric, 2) AS amount
                      FROM (SELECT i AS customer, pick('{{basic,pro,team}}', '{{60,30,10}}') AS plan, pick('{{DE,AT,CH}}', '{{70,15,15}}') AS country,
                                   DATE '{month}' + floor(28 * random() ^ 1.5)::integer AS issued
                            FROM generate_series(1, {round(customers + self.rng.gauss(0, 3))}) AS i WHERE random() > 0.01) AS p) AS r"""
            yield Day(str(month), (load,), rare=rare)

    def fresh(self, day: Day) -> Mapping[str, str]:
        return {"month": f"DATE '{day.batch}'"}
