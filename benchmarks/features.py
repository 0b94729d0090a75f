"""The table that the benchmarks write to and read from, and the same rules for it in several forms."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.harness import Connection, guard

COLUMNS = """
    user_id bigint,
    feature_date date,
    country text,
    plan text,
    email text,
    device text,
    age integer,
    sessions_7d integer,
    clicks_7d integer,
    orders_28d integer,
    spend_28d numeric(12, 2),
    score double precision,
    click_rate real,
    embedding_norm double precision,
    is_active boolean,
    signed_up_at timestamptz,
    last_event_at timestamptz,
    label_at timestamptz,
    session_id uuid,
    attributes jsonb
"""

#: One row for each n, all of them within the rules. Batches are days, 250,000 users a day.
ROWS = """
SELECT n % 250000 AS user_id,
       date '2026-01-01' + n / 250000 AS feature_date,
       (ARRAY['us', 'de', 'fr', 'gb', 'es', 'it', 'pl', 'nl', 'se', 'jp', 'br', 'in'])[1 + n % 12] AS country,
       (ARRAY['free', 'basic', 'pro'])[1 + n % 3] AS plan,
       format('user%s@mail%s.example', n % 250000, n % 50) AS email,
       (ARRAY['ios', 'android', 'web', 'desktop'])[1 + n % 4] AS device,
       18 + n % 70 AS age,
       n % 40 AS sessions_7d,
       n % 500 AS clicks_7d,
       n % 30 AS orders_28d,
       (n % 100000) / 100.0 AS spend_28d,
       hashint4(n)::float8 / 4294967296 + 0.5 AS score,
       (n % 1000) / 1000.0::real AS click_rate,
       1 + hashint4(n + 1)::float8 / 4294967296 AS embedding_norm,
       n % 5 > 0 AS is_active,
       timestamptz '2020-01-01 00:00+00' + n % 2000 * interval '1 day' AS signed_up_at,
       timestamptz '2026-01-01 00:00+00' + n % 86400 * interval '1 second' AS last_event_at,
       CASE WHEN n % 3 = 0 THEN timestamptz '2026-01-03 00:00+00' END AS label_at,
       md5(n::text)::uuid AS session_id,
       jsonb_build_object('source', n % 7, 'tags', n % 11) AS attributes
FROM generate_series({first}, {last}) AS n
"""

_TABLE = """
table: features.{table}
owner: benchmarks
key: [user_id, feature_date]
writes: {writes}
batch: {{by: feature_date}}
"""

#: A definition as people write one: most rules warn, what must never be stored is rejected.
_RULES = """
columns:
  country:
    - accepted_values: {values: [us, de, fr, gb, es, it, pl, nl, se, jp, br, in]$share}
  plan:
    - accepted_values: {values: [free, basic, pro], on_breach: reject}
  email:
    - pattern: {matches: '^[^@ ]+@[^@ ]+[.][^@ ]+$', on_breach: flag}
  device:
    - length: {min: 1, max: 40}
  age:
    - range: {min: 0, max: 120, on_breach: $divert}
  sessions_7d:
    - range: {min: 0, max: 10000}
  clicks_7d:
    - range: {min: 0}
  orders_28d:
    - range: {min: 0, max: 1000, on_breach: $divert}
  spend_28d:
    - range: {min: 0, max: 1000000, on_breach: $divert}
  score:
    - range: {min: 0, max: 1, on_breach: reject}
    - not_null: {enabled: true$share}
  click_rate:
    - range: {min: 0, max: 1}
  embedding_norm:
    - range: {min: 0, max: 100, on_breach: flag}
  is_active:
    - not_null: {enabled: true$share}
  session_id:
    - not_null: {}
  attributes:
    - not_null: {on_breach: flag}
rules:
  - signed_up_before_event: {expression: "signed_up_at <= last_event_at", on_breach: reject}
  - label_follows_event: {expression: "label_at IS NULL OR label_at >= last_event_at", on_breach: reject}
"""

#: The same 18 conditions as a hand would write them for PostgreSQL.
CONDITIONS = {
    "country_known": "country IN ('us', 'de', 'fr', 'gb', 'es', 'it', 'pl', 'nl', 'se', 'jp', 'br', 'in')",
    "plan_known": "plan IN ('free', 'basic', 'pro')",
    "email_form": "email ~ '^[^@ ]+@[^@ ]+[.][^@ ]+$'",
    "device_length": "length(device) >= 1 AND length(device) <= 40",
    "age_range": "age >= 0 AND age <= 120",
    "sessions_range": "sessions_7d >= 0 AND sessions_7d <= 10000",
    "clicks_range": "clicks_7d >= 0",
    "orders_range": "orders_28d >= 0 AND orders_28d <= 1000",
    "spend_range": "spend_28d >= 0 AND spend_28d <= 1000000",
    "score_range": "score >= 0 AND score <= 1",
    "score_known": "score IS NOT NULL",
    "click_rate_range": "click_rate >= 0 AND click_rate <= 1::real",
    "embedding_range": "embedding_norm >= 0 AND embedding_norm <= 100",
    "is_active_known": "is_active IS NOT NULL",
    "session_known": "session_id IS NOT NULL",
    "attributes_known": "attributes IS NOT NULL",
    "signed_up_before_event": "signed_up_at <= last_event_at",
    "label_follows_event": "label_at IS NULL OR label_at >= last_event_at",
}


@dataclass(frozen=True)
class Variant:
    """A way to hold the table to its rules.

    Attributes:
        label: Its name in the table of results.
        writes: Its part of the definition; without it, no definition exists.
        divert: What three of the rules do on a breach.
        share: Whether three of the rules accept a share of failing rows.
        by_hand: SQL that does it without pgslo.
    """

    label: str
    writes: str | None = None
    divert: str = "warn"
    share: bool = False
    by_hand: str | None = None

    def make(self, conn: Connection, table: str) -> None:
        """Make the table and hold it to the rules in this way."""
        create(conn, table)
        if self.by_hand:
            conn.execute(self.by_hand.replace("$table", table).encode())
        if self.writes:
            guard(conn, definition(table, self.writes, divert=self.divert, share=self.share))


def _checks() -> str:
    added = ", ".join(f"ADD CONSTRAINT {name} CHECK ({text})" for name, text in CONDITIONS.items())
    return f"ALTER TABLE features.$table {added}"


def _naive_trigger() -> str:
    looked_at = "\n".join(
        f"IF NOT coalesce({_over_new(text)}, true) THEN RAISE EXCEPTION 'rule {name} is violated'; END IF;"
        for name, text in CONDITIONS.items()
    )
    return f"""
        CREATE FUNCTION features.$table_check() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN {looked_at} RETURN NEW; END $body$;
        CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON features.$table
        FOR EACH ROW EXECUTE FUNCTION features.$table_check()"""


def _over_new(condition: str) -> str:
    names = [line.split()[0] for line in COLUMNS.strip().splitlines()]
    words = condition.replace("(", "( ").replace(")", " )").split(" ")
    return " ".join(f"NEW.{word}" if word in names else word for word in words)


VARIANTS: Mapping[str, Variant] = {
    "none": Variant("no rules"),
    "checks": Variant("18 native CHECKs", by_hand=_checks()),
    "naive": Variant("PL/pgSQL trigger by hand, row by row", by_hand=_naive_trigger()),
    "bulk": Variant("pgslo, writes: bulk", writes="bulk", share=True),
    "stream": Variant("pgslo, writes: stream", writes="stream"),
    "quarantine": Variant(
        "pgslo, writes: bulk, 3 rules quarantine", writes="bulk", divert="quarantine", share=True
    ),
    "share": Variant("pgslo, writes: stream, 3 rules with at_least", writes="stream", share=True),
}


def create(conn: Connection, table: str) -> None:
    """Make the table, empty and without rules."""
    conn.execute("CREATE SCHEMA IF NOT EXISTS features")
    conn.execute(f"CREATE TABLE features.{table} ({COLUMNS}, PRIMARY KEY (user_id, feature_date))".encode())


def definition(table: str, writes: str, *, divert: str = "warn", share: bool = False) -> str:
    """The definition with 18 rules for a table."""
    head = textwrap.dedent(_TABLE).format(table=table, writes=writes)
    return head + _RULES.replace("$divert", divert).replace("$share", ", at_least: 0.95" if share else "")


def fill(conn: Connection, table: str, first: int, last: int) -> None:
    """Insert the rows from first to last, numbered from 0."""
    conn.execute(f"INSERT INTO features.{table} {ROWS.format(first=first, last=last)}".encode())
