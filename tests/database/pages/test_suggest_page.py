"""The definition on the page about a table you have is the one that ``pgslo suggest`` writes for such a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.sessions import run

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "start-from-a-table.md"
#: 41 days of some 990 rows, of which the last one ended yesterday.
TABLE = """
CREATE SCHEMA shop; CREATE SCHEMA dim;
CREATE TABLE dim.country (code text PRIMARY KEY);
INSERT INTO dim.country VALUES ('at'), ('de'), ('fr'), ('us');
CREATE TABLE shop.orders (
    user_id bigint NOT NULL, created_at timestamptz, country_code text, status text,
    amount numeric, discount_pct numeric, email text, session text, note text
);
INSERT INTO shop.orders
SELECT i, date_trunc('day', now(), 'UTC') - interval '41 days' + i * interval '87.264 seconds',
       (ARRAY['de', 'fr', 'us'])[1 + i % 3], (ARRAY['paid', 'paid', 'sent', 'new', 'no', 'paid'])[1 + i % 6],
       (i * 7919 % 100000) / 100.0, i * 31 % 101, 'user' || i || '@example.com', md5(i::text),
       CASE WHEN i % 3 = 0 THEN 'gift ' || i END
FROM generate_series(1, 40000) AS i
"""


def test_the_page_shows_a_proposal(
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    dsn: str,
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute(TABLE)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    proposed = run("pgslo suggest shop.orders")
    head, _, rest = PAGE.read_text(encoding="utf-8").partition("```yaml\n")
    shown, _, rest = rest.partition("```\n")
    if pytestconfig.getoption("update_goldens"):
        PAGE.write_text(f"{head}```yaml\n{proposed}```\n{rest}", encoding="utf-8")
        return
    assert proposed == shown
