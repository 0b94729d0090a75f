"""What authors get wrong: an error with its place and what to do, and nothing changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from pgslo.cli import main, root

Run = Callable[..., Result]

TABLES = """
CREATE SCHEMA features;
CREATE TABLE features.stats (id integer PRIMARY KEY, age integer, country text, "größe" integer, "sel""ect" integer, at timestamptz);
CREATE TABLE features.keyless (age integer);
CREATE VIEW features.seen AS SELECT * FROM features.stats;
CREATE FUNCTION features.rolled() RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT 4';
"""


@pytest.fixture
def run(
    empty_dsn: str, empty_connection: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line in an empty project, on a database with tables and no runtime."""
    empty_connection.execute(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    Path("slos").mkdir()
    return lambda *args, **extra: CliRunner().invoke(main, [str(arg) for arg in args], **extra)


def write(text: str) -> None:
    Path("slos/a.yml").write_text(text, encoding="utf-8")


def catalogue(connection: psycopg.Connection[Any]) -> set[str]:
    """Every row of the catalogues that say what a database is made of."""
    rows = set()
    for table in (
        *("class", "attribute", "proc", "trigger", "namespace", "constraint", "type", "rewrite", "index"),
        *("description", "depend", "default_acl", "attrdef"),
    ):
        query = sql.SQL("SELECT c.xmin::text || c::text FROM {} c").format(
            sql.Identifier("pg_catalog", f"pg_{table}")
        )
        rows |= {f"{table} {row[0]}" for row in connection.execute(query)}
    return rows


def expression(text: str) -> str:
    return f'table: features.stats\nrules:\n  - fine: {{expression: "{text}"}}\n'


BODY_QUOTE = "$pg" + "slo$"

#: What is written, the line and column that are named, words of the error, and whether a hint is given.
BAD = {
    "unknown table": ("table: features.stat\n", (1, 8), "does not exist", True),
    "unknown schema": ("table: feature.stats\n", (1, 8), "does not exist", True),
    "unknown column": ("table: features.stats\ncolumns:\n  agee: [not_null]\n", (3, None), "agee", True),
    "unknown column in an expression": (expression("agee > 3"), (3, None), "agee", True),
    "unknown kind": ("table: features.stats\ncolumns:\n  age: [not_nul]\n", (3, 9), '"not_nul"', True),
    "unknown key": ("table: features.stats\nowners: me\n", (2, 1), '"owners"', True),
    "unknown parameter": (
        "table: features.stats\ncolumns:\n  age:\n    - range: {mini: 3}\n",
        (4, 15),
        '"mini"',
        True,
    ),
    "wrong type of a parameter": (
        "table: features.stats\ncolumns:\n  country:\n    - length: {min: many}\n",
        (4, 21),
        "many",
        False,
    ),
    "a kind that does not fit the column's type": (
        "table: features.stats\ncolumns:\n  age:\n    - pattern: '^a'\n",
        (4, None),
        "age",
        False,
    ),
    "a bound that does not fit the column's type": (
        "table: features.stats\ncolumns:\n  age:\n    - range: {min: abc}\n",
        (4, None),
        "",
        False,
    ),
    "an expression that is no condition": (expression("age + 1"), (3, None), "", False),
    "an operator that is not there": (expression("age > at"), (3, None), "operator does not exist", True),
    "sub-query": (expression("age = (SELECT 3)"), (3, None), "sub-quer", True),
    "volatile function": (expression("random() > 0.5"), (3, None), "random", False),
    "function that changes": (
        expression("set_config('a', 'b', false) = 'b'"),
        (3, None),
        "set_config",
        False,
    ),
    "own function": (expression("features.rolled() = 4"), (3, None), "qualified names are not allowed", True),
    "several statements": (expression("true; DROP TABLE features.stats"), (3, None), "", False),
    "comment": (expression("age > 3 -- fine"), (3, None), "comment", False),
    "comment of C": (expression("age > 3 /* fine */"), (3, None), "comment", False),
    "body quote": (expression(f"country <> '{BODY_QUOTE}'"), (3, None), BODY_QUOTE, True),
    "a table without a key": ("table: features.keyless\n", (1, 8), "no primary key", True),
    "a key that is not there": ("table: features.keyless\nkey: [id]\n", (2, None), "id", False),
    "a view": ("table: features.seen\n", (1, 8), "is a view", True),
    "duplicate keys": ("table: features.stats\nowner: a\nowner: b\n", (3, 1), "twice", False),
    "alias bomb": (
        "a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\ntable: features.stats\n",
        (1, None),
        "anchors are not allowed",
        True,
    ),
    "a name that is too long": (f"table: features.{'x' * 64}\n", (1, 8), "", False),
    "no table": ("owner: me\n", (1, 1), 'no "table"', True),
    "an empty file": ("", (1, 1), "empty", True),
    "not YAML": ("table: [\n", (None, None), "not YAML", False),
    "a list": ("- table: features.stats\n", (1, None), "expected keys and values", True),
    "deep nesting": ("table: " + "[" * 100 + "]" * 100 + "\n", (1, None), "nested deeper", False),
    "a control character": ("table: features.stats\nowner: a\x07\n", (2, 9), "U+0007", True),
    "a reader that is no role": (
        "table: features.stats\nreaders: [no_such_role]\n",
        (2, None),
        "no_such_role",
        False,
    ),
    "a reference to nowhere": (
        "table: features.stats\ncolumns:\n  age:\n    - references: {table: features.gone, column: id, on_breach: reject}\n",
        (4, None),
        "features.gone",
        False,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_has_its_place_and_nothing_is_changed(
    run: Run, empty_connection: psycopg.Connection[Any], name: str
) -> None:
    text, (line, column), words, has_hint = BAD[name]
    write(text)
    before = catalogue(empty_connection)
    for args in (("plan",), ("apply", "--yes")):
        result = run(*args)
        assert result.exit_code == root.ERROR, result.output
        assert result.stdout == ""
        first = result.stderr.splitlines()[0]
        place = re.match(r"slos/a\.yml:(\d+):(\d+): error: (.+)$", first)
        assert place, result.stderr
        assert line is None or int(place[1]) == line, first
        assert column is None or int(place[2]) == column, first
        assert words in result.stderr
        assert not has_hint or "\nhint: " in result.stderr, result.stderr
        assert "Traceback" not in result.stderr
        assert "internal error" not in result.stderr
    assert catalogue(empty_connection) == before


def test_every_error_is_told_at_once(run: Run) -> None:
    write("table: features.stats\ncolumns:\n  agee: [not_null]\n  age: [{pattern: x}]\n  größ: [not_null]\n")
    result = run("plan")
    assert result.exit_code == root.ERROR
    assert len(re.findall(r"^slos/a\.yml:[345]:\d+: error: ", result.stderr, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("schema", "table", "column"),
    [
        ("select", "table", "user"),
        ('a"b', "c'd", 'e"f'),
        ("größe", "表", "имя"),
        ("x" * 63, "y" * 63, "z" * 63),
        ("é" * 31, "ü" * 31, "ö" * 31),
        ("A b", "C.d", "E f"),
        ("with\\back", "50% {{off}}", "%s"),
        ("__", "a__b", "_c_"),
    ],
)
def test_names_that_need_quotes_are_only_names(
    run: Run, empty_connection: psycopg.Connection[Any], schema: str, table: str, column: str
) -> None:
    names = {"s": sql.Identifier(schema), "t": sql.Identifier(schema, table), "c": sql.Identifier(column)}
    empty_connection.execute(sql.SQL("CREATE SCHEMA {s}").format(**names))
    empty_connection.execute(
        sql.SQL("CREATE TABLE {t} (id integer PRIMARY KEY, {c} integer)").format(**names)
    )

    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def yaml(name: str) -> str:
        return "'" + name.replace("'", "''") + "'"

    whole = yaml(f"{quoted(schema)}.{quoted(table)}")
    write(
        f"table: {whole}\ncolumns:\n  {yaml(column)}:\n"
        "    - range: {min: 0, on_breach: quarantine}\n    - not_null: {on_breach: reject}\n    - unique: {on_breach: reject}\n    - repair: {clip: [null, 9]}\n"
    )
    before = catalogue(empty_connection)
    applied = run("apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert run("plan").exit_code == 0
    empty_connection.execute(sql.SQL("INSERT INTO {t} VALUES (1, -1), (2, 3), (3, 10)").format(**names))
    found = empty_connection.execute(sql.SQL("SELECT {c} FROM {t} ORDER BY id").format(**names)).fetchall()
    assert found == [(3,), (9,)]
    assert run("status").exit_code == 0
    assert run("quarantine", "release", 1, "--set", f"{column}=1").exit_code == (
        0 if "=" not in column else 1
    )
    gone = run("uninstall", f"{schema}.{table}", "--yes")
    assert gone.exit_code == 0, gone.output
    names_after = {
        re.sub(r"^(\w+ )\d+", r"\1", row)
        for row in catalogue(empty_connection)
        if row.startswith(("namespace", "proc", "trigger"))
    }
    names_before = {
        re.sub(r"^(\w+ )\d+", r"\1", row)
        for row in before
        if row.startswith(("namespace", "proc", "trigger"))
    }
    assert names_after == names_before


def test_a_role_without_rights_changes_nothing(
    run: Run, empty_connection: psycopg.Connection[Any], empty_dsn: str, role: Callable[[str], str]
) -> None:
    name = role("nobody")
    empty_connection.execute(f"ALTER ROLE {name} LOGIN PASSWORD 'hush'")
    dsn = psycopg.conninfo.make_conninfo(empty_dsn, user=name, password="hush")
    write("table: features.stats\n")
    before = catalogue(empty_connection)
    for args in (("plan",), ("apply", "--yes"), ("uninstall", "--all", "--yes")):
        result = run(*args, "--dsn", dsn)
        assert result.exit_code in (0, root.ERROR, root.CHANGES)
        assert "hush" not in result.output
        assert "Traceback" not in result.output
    refused = run("apply", "--yes", "--dsn", dsn)
    assert refused.exit_code == root.ERROR
    assert "error: permission denied" in refused.stderr or "slos/a.yml:1:8: error: " in refused.stderr
    assert "\nhint: " in refused.stderr
    assert catalogue(empty_connection) == before


def test_an_old_server_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write("table: features.stats\n")
    monkeypatch.setattr("pgslo.database.runtime.OLDEST_SERVER", 990000)
    for args in (("plan",), ("apply", "--yes"), ("status",)):
        result = run(*args)
        assert result.exit_code == root.ERROR
        assert re.match(r"error: PostgreSQL \d+ is too old\n", result.stderr)
        assert "hint: pgslo supports PostgreSQL 14 to 18\n" in result.stderr


def test_a_runtime_of_a_newer_library_is_refused(run: Run, empty_connection: psycopg.Connection[Any]) -> None:
    write("table: features.stats\n")
    assert run("apply", "--yes").exit_code == 0
    empty_connection.execute(
        "INSERT INTO pgslo_catalog.migration (name, sha256, library_version) VALUES ('9999_future', 'x', '99')"
    )
    before = catalogue(empty_connection)
    for args in (("plan",), ("apply", "--yes")):
        result = run(*args)
        assert result.exit_code == root.ERROR
        assert "newer pgslo" in result.stderr
        assert "hint: upgrade the library\n" in result.stderr
    assert catalogue(empty_connection) == before


def test_no_server_is_one_error(run: Run) -> None:
    write("table: features.stats\n")
    for args in (
        ("plan",),
        ("apply", "--yes"),
        ("status",),
        ("uninstall", "--all", "--yes"),
        ("quarantine", "list"),
    ):
        result = run(*args, "--dsn", "host=127.0.0.1 port=1 user=me password=hush")
        assert result.exit_code == root.ERROR
        assert result.stderr.startswith("error: cannot connect to the database\ndetail: ")
        assert "hush" not in result.output


def test_what_pgslo_ships_is_ascii() -> None:
    """Databases of any encoding can hold it."""
    top = Path(__file__).parents[3]
    for path in (*(top / "sql").rglob("*.*"), *(top / "migrations").glob("*.sql")):
        assert path.read_bytes().isascii(), path
