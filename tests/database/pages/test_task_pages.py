"""Sessions on the pages about training, the gate and snapshots, equal the output of the commands.

``--update-goldens`` writes the output of blocks without ``…`` to the pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.sessions import Sessions, apply, run

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]

DEFINITION = """\
table: features.user_stats
batch: {by: feature_date}
columns:
  age: [completeness: {min: 0.9}]
  country: [accepted_values: {values: [us, de]}]
tasks:
  churn:
    reads: [age, country]
    view: serving.churn_features
    window: 90 days
    gate:
      batches: 3
      suspects: pass
      training: {snapshot: churn_train_*, max_age: 1 day}
      evaluation: {snapshot: churn_test_*, max_age: 7 days}
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsn: str, connection: Connection) -> Connection:
    """Five closed days of 1,000 rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    Path("slos").mkdir()
    Path("slos/user_stats.yml").write_text(DEFINITION)
    connection.execute("""
        CREATE SCHEMA features;
        CREATE TABLE features.user_stats (
            user_id int, feature_date date, age int, country text, PRIMARY KEY (user_id, feature_date)
        )
    """)
    apply()
    for day in range(20, 25):
        connection.execute(f"""
            INSERT INTO features.user_stats
            SELECT i, '2026-11-{day}', 20 + i % 50, 'us'
            FROM generate_series(1, 1000) AS i
        """)
        connection.execute("SELECT pgslo.close_batch('features.user_stats', %s)", [f"2026-11-{day}"])
    return connection


def test_gate(pytestconfig: pytest.Config, table: Connection) -> None:
    table.execute(
        "UPDATE features.user_stats SET age = NULL WHERE feature_date = '2026-11-20' AND user_id % 2 = 0"
    )
    table.execute("SELECT pgslo.close_batch('features.user_stats', '2026-11-20')")
    where = "--view guarded.user_stats --where"
    run(f"pgslo snapshot create churn_train_24 {where} \"feature_date >= '2026-11-22'\"")
    run(f"pgslo snapshot create churn_test_20 {where} \"feature_date <= '2026-11-20'\"")
    Sessions("how-to/gate-a-training-job.md", pytestconfig.getoption("update_goldens")).check(
        "pgslo gate churn"
    )


def test_snapshots(pytestconfig: pytest.Config, table: Connection) -> None:
    page = Sessions("how-to/take-a-snapshot.md", pytestconfig.getoption("update_goldens"))
    run("pgslo snapshot create october --view guarded.user_stats")
    table.execute("""
        UPDATE features.user_stats SET age = age + 25, country = CASE WHEN user_id % 8 > 0 THEN country END
        WHERE feature_date > '2026-11-22'
    """)
    page.check(
        "pgslo snapshot create november --view guarded.user_stats --where \"feature_date >= '2026-11-22'\""
    )
    run("pgslo snapshot create december --view guarded.user_stats --reference")
    page.check("pgslo snapshot diff october november")
    table.execute("DELETE FROM features.user_stats WHERE feature_date = '2026-11-23' AND user_id = 1")
    page.check("pgslo snapshot verify november december")
