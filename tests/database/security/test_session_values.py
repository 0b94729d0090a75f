"""Settings that pgslo sets in a writer's session show no value of a row to a writer without SELECT."""

from __future__ import annotations

import re

import pytest

SECRET = "0.1234567"
TABLE = f"""
    CREATE TABLE features.p (id int, at timestamptz, d date, region int, score {{type}}, raw {{type}}, trail text[]) PARTITION BY LIST (region);
    CREATE TABLE features.p1 PARTITION OF features.p FOR VALUES IN (1);
    CREATE TABLE features.p2 PARTITION OF features.p FOR VALUES IN (2);
    CREATE INDEX ON features.p (region, at);
    INSERT INTO features.p (id, at, d, region, score) VALUES (7654321, now(), '2026-01-01', 1, {SECRET});
"""
DEFINITION = """
table: features.p
kind: predictions
key: [id]
batch: {by: d}
predictions: {score: score, at: at}
post_process:
  raw: raw
  trail: trail
  steps: [{default: {last: [region], else: 0.1}}, {calibrate: {platt: [-2, 1]}}]
"""
SENT = "SELECT current_setting('pgslo.sent', true)"


def predictions(world, type_: str = "float8"):
    world.run("installer", TABLE.format(type=type_))
    world.apply(DEFINITION)
    world.run("installer", "GRANT UPDATE (region), INSERT ON features.p TO $writer")
    session = world.session("writer")
    session.autocommit = False
    return session


def set_by(session, statement: str) -> str:
    """The setting after a statement, in whose text no value of a row is."""
    session.execute(statement.encode())
    ((sent,),) = session.execute(SENT).fetchall()
    session.rollback()
    # It is set, as a random number and the bits of a value that is not told from any other.
    nonce, _, bits = sent.partition(" ")
    assert nonce
    assert len(bits) == 256
    assert set(bits) == {"0", "1"}
    for value in (SECRET, "7654321", "id"):
        assert value not in sent
    return sent


@pytest.mark.parametrize("processed", [False, True])
def test_a_row_that_moves_shows_no_value(world, processed):
    writer = predictions(world)
    if processed:
        world.run("installer", f"UPDATE features.p SET score = 1; UPDATE features.p SET score = {SECRET}")
    first = set_by(writer, "UPDATE features.p SET region = 2")
    second = set_by(writer, "UPDATE features.p SET region = 2")
    # The same values are never sealed alike, or two writes would show whether they are.
    assert first.partition(" ")[2] != second.partition(" ")[2]


def test_a_default_shows_no_score_of_another_row(world):
    writer = predictions(world)
    world.run("installer", f"UPDATE features.p SET score = 1; UPDATE features.p SET score = {SECRET}")
    set_by(writer, "INSERT INTO features.p VALUES (8, now(), '2026-01-01', 1, NULL)")


def test_bits_of_one_write_open_nothing_in_another(world):
    """A writer who copies the setting for a row that moved learns nothing by writing it into a row of its own."""
    writer = predictions(world)
    world.run("installer", "GRANT SELECT (id, score, raw), UPDATE (score) ON features.p TO $writer")
    writer.execute("INSERT INTO features.p VALUES (8, now(), '2026-01-01', 1, 0.5)")
    writer.execute("UPDATE features.p SET region = 2")
    ((sent,),) = writer.execute(SENT).fetchall()
    for score in (0.25, 0.75):
        writer.execute("SELECT set_config('pgslo.sent', %s, true)", (sent,))
        writer.execute("UPDATE features.p SET score = %s WHERE id = 8", (score,))
        assert writer.execute("SELECT raw FROM features.p WHERE id = 8").fetchall() == [(score,)]


@pytest.mark.parametrize(
    "score", ["0.3", "1e-300", "-2.2250738585072014e-308", "'NaN'", "NULL", "repeat('1', 90)::numeric / 7"]
)
@pytest.mark.parametrize("type_", ["float8", "numeric"])
def test_on_conflict_processes_a_score_once(world, type_, score):
    if type_ == "numeric" and score.startswith("-2"):
        score = "0.0000000000000000000000000000000000000000001"
    world.run(
        "installer",
        f"""CREATE TABLE features.p (id int PRIMARY KEY, at timestamptz DEFAULT now(), d date DEFAULT '2026-01-01', region int,
                score {type_}, raw {type_}, trail text[]);
            GRANT SELECT, INSERT, UPDATE ON features.p TO $writer; CREATE INDEX ON features.p (region, at)""",
    )
    world.apply(DEFINITION)
    world.run("writer", "INSERT INTO features.p (id, score) VALUES (1, 0.9)")
    world.run(
        "writer",
        f"INSERT INTO features.p (id, score) VALUES (1, {score}) ON CONFLICT (id) DO UPDATE SET score = excluded.score",
    )
    query = (
        f"SELECT raw IS NOT DISTINCT FROM ({score})::{type_}, raw IS NOT DISTINCT FROM score FROM features.p"
    )
    assert world.run("installer", query) == [(True, False)]


def test_touched_groups_show_no_value(world):
    """What notes that a transaction touched groups of an assertion holds where that is kept, and no group."""
    world.run(
        "installer",
        f"""CREATE TABLE features.p (id int, grp text, region int) PARTITION BY LIST (region);
            CREATE TABLE features.p1 PARTITION OF features.p FOR VALUES IN (1);
            CREATE TABLE features.p2 PARTITION OF features.p FOR VALUES IN (2);
            CREATE INDEX ON features.p (grp); INSERT INTO features.p VALUES (7654321, '{SECRET}', 1)""",
    )
    world.apply(
        "{table: features.p, batch: statement, key: [id], assertions: [few: {count: {max: 1}, group_by: grp, on_breach: reject}]}"
    )
    world.run("installer", "GRANT UPDATE (grp) ON features.p TO $writer")
    writer = world.session("writer")
    writer.autocommit = False
    writer.execute("UPDATE features.p SET grp = lower('A')")
    ((touched,),) = writer.execute("SELECT current_setting('pgslo.touched', true)").fetchall()
    assert re.fullmatch(r"\(\d+,\d+\)\w+", touched)
    assert SECRET not in touched
    assert "7654321" not in touched
