"""A mute ends, is shown with the role that set it, and stops no command."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys

import psycopg
import pytest
from nightly import NIGHTLY

pytestmark = pytest.mark.slow

PAY = """
CREATE TABLE features.pay (id int PRIMARY KEY, day date, a int);
GRANT ALL ON features.pay TO $writer;
GRANT SELECT ON features.pay TO $reader;
"""
OF_PAY = """
table: features.pay
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag, name: soft}]}
"""


@pytest.fixture
def missed(world):
    """A table with an open incident."""
    world.run("installer", PAY)
    world.apply(OF_PAY)
    world.run("writer", "INSERT INTO features.pay VALUES (1, '2026-01-01', 500)")
    return world


@pytest.fixture
def command(world_dsn, tmp_path):
    def run(part, *words):
        return subprocess.run(
            [sys.executable, "-m", "pgslo", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PGSLO_DSN": world_dsn, "PGOPTIONS": f"-c role={part}"},
        )

    return run


@pytest.mark.parametrize("call", ["mute(1, {})", "mute_rule('features.pay', 'soft', {})"])
def test_a_mute_ends_within_a_year(missed, call):
    for until, said in (
        ("'infinity'", "a mute ends within a year"),
        ("'20000-01-01'", "a mute ends within a year"),
        ("now() + interval '367 days'", "a mute ends within a year"),
        ("'-infinity'", "-infinity is over"),
        ("'2026-01-01 10:00Z'", "2026-01-01 10:00 UTC is over"),
        ("'0100-01-01 10:00Z BC'", "is over"),
    ):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=said) as refused:
            missed.run("operator", f"SELECT pgslo.{call.format(until)}")
        assert "for example now() + interval '2 days'" in (refused.value.diag.message_hint or "")
    missed.run("operator", f"SELECT pgslo.{call.format('now() + interval $$360 days$$')}")


def test_a_mute_of_a_rule_is_shown_with_the_role(missed, command):
    shown = "SELECT muted_until > now(), muted_at > now() - interval '1 hour', muted_by FROM pgslo.rule WHERE rule = 'soft'"
    assert missed.run("reader", shown) == [(None, None, None)]
    missed.run("operator", "SELECT pgslo.mute_rule('features.pay', 'soft', now() + interval '2 days')")
    operator = missed.names["operator"]
    assert missed.run("reader", shown) == [(True, True, operator)]
    out = command(missed.names["auditor"], "status")
    assert out.returncode == 4, out.stderr
    assert "features.pay: rule soft is muted" in out.stdout
    assert f"by:         {operator}, 20" in out.stdout
    document = json.loads(command(missed.names["auditor"], "status", "--json").stdout)
    assert [(one["rule"], one["muted_by"]) for one in document["muted_rules"]] == [("soft", operator)]
    # The last act, and its role, stay on record once the mute is ended.
    missed.run("installer", "SELECT pgslo.mute_rule('features.pay', 'soft', NULL)")
    assert missed.run("reader", shown) == [(None, True, missed.names["installer"])]
    assert "is muted" not in command(missed.names["auditor"], "status").stdout


@pytest.mark.parametrize(
    "time", ["infinity", "0100-01-01 BC", *(("-infinity", "20000-01-01") if NIGHTLY else ())]
)
def test_no_time_stops_commands(missed, command, time):
    missed.run("superuser", f"UPDATE pgslo_catalog.incident SET opened_at = '{time}', muted_until = '{time}'")
    missed.run("superuser", f"UPDATE pgslo_catalog.fragment SET written_at = '{time}'")
    missed.run("superuser", f"UPDATE pgslo_catalog.rule SET muted_until = '{time}'")
    for words in (["status"], ["status", "--json"], ["incidents"], ["incidents", "show", "1"], ["drift"]):
        out = command(missed.names["auditor"], *words)
        assert out.returncode != 1, (words, out.stderr)
        assert "Traceback" not in out.stderr


def test_a_time_that_python_can_hold_is_read_as_it_is():
    from pgslo.database.connections import _MomentLoader

    loader = _MomentLoader(0)
    assert loader.load(b"2026-01-01 10:00:00+00") == dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)
    assert loader.load(b"infinity").year == 9999
    assert loader.load(b"20000-01-01 00:00:00+00").year == 9999
    assert [loader.load(text).year for text in (b"-infinity", b"0100-01-01 00:00:00+00 BC")] == [1, 1]
