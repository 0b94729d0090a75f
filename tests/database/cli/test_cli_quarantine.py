"""``pgslo quarantine``: rows are listed, shown with exact values, released and dropped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import Result

from pgslo.cli import root
from pgslo.cli.operating.quarantine import _document

Run = Callable[..., Result]


@pytest.mark.usefixtures("held")
def test_list(run: Run) -> None:
    result = run("quarantine", "list")
    assert result.exit_code == 0
    heading, newest, *_ = (re.split(r"  +", line.strip()) for line in result.stdout.splitlines())
    assert heading == ["row", "table", "key", "breaks", "by", "at", "state"]
    assert newest[:4] == ["3", "features.stats", "(id) = (9)", "age_range, age_compare"]
    assert newest[-1] == "held"
    assert run("quarantine", "list", "--table", "events").stdout == "no rows in quarantine\n"
    limited = run("quarantine", "list", "--table", "stats", "--limit", 2)
    assert len(limited.stdout.splitlines()) == 3
    assert limited.stderr == "there are more than 2; see more with --limit\n"
    document = json.loads(run("quarantine", "list", "--limit", 2, "--json").stdout)
    assert document["more"] is True
    assert [row["quarantine_id"] for row in document["rows"]] == [3, 2]
    assert "image" not in document["rows"][0]


@pytest.mark.usefixtures("held")
def test_show_tells_every_reason_and_exact_values(run: Run) -> None:
    result = run("quarantine", "show", 1)
    assert result.exit_code == 0
    assert "  age_range: age = -3; expected: age between 0 and 120\n" in result.stdout
    assert re.search(r"  amount: +0\.10000000000000000000000000000001\n", result.stdout)
    assert '"amount": 0.10000000000000000000000000000001' in run("quarantine", "show", 1, "--json").stdout
    assert run("quarantine", "show", 2).stdout.count("; expected: ") == 2
    document = json.loads(run("quarantine", "show", 2, "--json").stdout)
    assert document["version"] == 1
    assert document["row"]["image"]["age"] == 130
    assert set(document["row"]["failing"]) == {"age", "amount"}
    missing = run("quarantine", "show", 99)
    assert missing.exit_code == root.ERROR
    assert missing.stderr.startswith("error: row 99 is not in quarantine\n")


def test_values_cannot_command_the_terminal(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO features.stats VALUES (7, -3, E'\\x1b]0;owned\\x07\\n\\u202e', 5, '2026-01-01')"
    )
    result = run("quarantine", "show", 1)
    assert "\x1b" not in result.output
    assert "  country: \\x1b]0;owned\\x07 \\u202e\n" in result.stdout


@pytest.mark.usefixtures("held")
def test_release_judges_again_and_tells_of_each(run: Run, connection: psycopg.Connection[Any]) -> None:
    result = run("quarantine", "release", 1, 2, 99, 2)
    assert result.exit_code == root.ERROR
    assert result.stdout == ""
    assert result.stderr.count("error: row ") == 3
    assert "error: row 1 still cannot be written to features.stats\n" in result.stderr
    assert (
        "hint: change it on the way: pgslo quarantine release 1 --set column=value, or give it up: pgslo quarantine drop 1\n"
        in result.stderr
    )
    assert "error: row 99 is not held in quarantine\n" in result.stderr

    mended = run("quarantine", "release", 2, 99, 3, "--set", "age=3", "--set", "country=fr")
    assert mended.exit_code == root.ERROR, "99 is not there"
    assert mended.stdout == "row 2 written to features.stats\nrow 3 written to features.stats\n"
    assert "warning: rows written to features.stats violate country_accepted_values" in mended.stderr
    assert connection.execute("SELECT id, age, country FROM features.stats ORDER BY id").fetchall() == [
        (8, 3, "fr"),
        (9, 3, "fr"),
    ]
    again = run("quarantine", "release", 2)
    assert again.exit_code == root.ERROR
    assert "It was released at " in again.stderr
    assert "released" in run("quarantine", "list", "--state", "released").stdout
    assert len(run("quarantine", "list", "--state", "all").stdout.splitlines()) == 4


@pytest.mark.usefixtures("held")
def test_release_for_programs(run: Run) -> None:
    result = run("quarantine", "release", 1, 2, "--set", "age=3", "--json")
    assert result.exit_code == root.ERROR
    document = json.loads(result.stdout)
    assert [(row["row"], row["done"]) for row in document["rows"]] == [(1, False), (2, True)]
    assert run("quarantine", "release", 1, "--set", "nope=3").stderr.startswith(
        'error: column "nope" of features.stats does not exist'
    )


@pytest.mark.parametrize(
    ("change", "document"),
    [
        ("age=3", '{"age": 3}'),
        ("age=null", '{"age": null}'),
        ("country=us", '{"country": "us"}'),
        ('country="null"', '{"country": "null"}'),
        ("country=", '{"country": ""}'),
        ("zip=01234", '{"zip": "01234"}'),
        ("x=0.10000000000000000000000000000001", '{"x": 0.10000000000000000000000000000001}'),
        ("x=NaN", '{"x": "NaN"}'),
        ("x=-Infinity", '{"x": "-Infinity"}'),
        ("x=" + "9" * 5000, '{"x": ' + "9" * 5000 + "}"),
        ("day=2026-01-01", '{"day": "2026-01-01"}'),
        ("a=b=c", '{"a": "b=c"}'),
        ('x={"a": [1, 2]}', '{"x": {"a": [1, 2]}}'),
        ("x=" + "[" * 100_000, '{"x": "' + "[" * 100_000 + '"}'),
        ('na"me=1', '{"na\\"me": 1}'),
    ],
)
def test_a_change_is_json_or_text(change: str, document: str) -> None:
    assert _document([change]) == document


@pytest.mark.usefixtures("held")
def test_drop_asks_and_erases(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgslo.cli.output.can_ask", lambda: True)
    declined = run("quarantine", "drop", 1, input="n\n")
    assert declined.exit_code == root.ERROR
    assert "Erase 1 row for good? [y/N]" in declined.stderr
    result = run("quarantine", "drop", 1, 99, 2, "--yes")
    assert result.exit_code == root.ERROR
    assert result.stdout == "row 1 discarded\nrow 2 discarded\n"
    assert connection.execute(
        "SELECT count(*) FROM pgslo_catalog.quarantine WHERE image IS NULL"
    ).fetchone() == (2,)
    assert "  erased\n" in run("quarantine", "show", 1).stdout
    assert json.loads(run("quarantine", "show", 1, "--json").stdout)["row"]["image"] is None
    assert json.loads(run("quarantine", "drop", 3, "--yes", "--json").stdout)["rows"][0]["done"] is True


@pytest.mark.usefixtures("held")
def test_the_server_going_away_is_one_error(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgslo import database

    fetch = database.fetch

    def end(conn: database.Connection, *args: Any) -> Any:
        rows = fetch(conn, *args)
        connection.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
        return rows

    monkeypatch.setattr("pgslo.database.fetch", end)
    result = run("quarantine", "release", 1, 2)
    assert result.exit_code == root.ERROR
    assert result.stderr.count("error:") == 1
    assert "Traceback" not in result.stderr
