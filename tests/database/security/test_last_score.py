"""The last good score, which a trigger of pgslo's owner looks up, is read with the rights of the table's owner."""

from __future__ import annotations

import psycopg
import pytest

PRED = """
table: evil.pred
kind: predictions
key: [id]
batch: {by: day}
predictions: {score: s, at: at}
post_process: {apply: on_write, raw: raw, trail: trail, steps: [{default: {last: [u], else: 0.2}}]}
"""
#: Planning a query on the table runs it as whoever plans.
TAKE = """
CREATE FUNCTION evil.v() RETURNS void VOLATILE LANGUAGE plpgsql AS $$BEGIN
  GRANT USAGE ON SCHEMA features, pgslo_catalog TO $mallory;
  GRANT ALL ON ALL TABLES IN SCHEMA features, pgslo_catalog TO $mallory;
END$$;
CREATE FUNCTION evil.spy(int) RETURNS int IMMUTABLE COST 0.0001 LANGUAGE plpgsql AS $$BEGIN
  IF current_user = '$installer' THEN PERFORM evil.v(); END IF;
  RETURN $1;
END$$;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""
#: What the owner of a table can make run when somebody reads it.
CODE = {
    "predicate": "CREATE INDEX ON evil.pred (u) WHERE evil.spy(1) > 0",
    "check": "ALTER TABLE evil.pred ADD CHECK (evil.spy(2) > 0)",
    "policy": """CREATE FUNCTION evil.pol(int) RETURNS boolean STABLE LANGUAGE plpgsql AS $$BEGIN RETURN evil.spy(1) > 0; END$$;
                 CREATE POLICY p ON evil.pred USING (evil.pol(id));
                 ALTER TABLE evil.pred ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY""",
    "view": """ALTER TABLE evil.pred RENAME TO was;
               CREATE VIEW evil.pred AS SELECT w.id, evil.spy(w.u) AS u, w.day, w.s, w.raw, w.trail, w.at FROM evil.was w;
               GRANT ALL ON evil.was TO $writer""",
}


@pytest.fixture
def pred(world):
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run(
        "installer",
        "CREATE TABLE features.secret (v text); INSERT INTO features.secret VALUES ('top secret')",
    )
    world.run(
        "mallory",
        TAKE
        + """
        CREATE TABLE evil.pred (id int PRIMARY KEY, u int, day date, s float8, raw float8, trail text[], at timestamptz);
        CREATE INDEX ON evil.pred (u, at);
        GRANT ALL ON evil.pred TO $writer;
        """,
    )
    world.apply(PRED)
    return world


@pytest.mark.parametrize("code", CODE)
def test_code_of_the_owner_does_not_run_as_pgslo_s_owner(pred, code):
    pred.run("mallory", CODE[code])
    table = "evil.was" if code == "view" else "evil.pred"
    for number, score in ((1, "0.5"), (2, "NULL"), (3, "'NaN'")):
        pred.run(
            "writer",
            f"INSERT INTO {table} (id, u, day, s, at) VALUES ({number}, 1, current_date, {score}, now())",
        )
    for secret in ("features.secret", "pgslo_catalog.missed_batch"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            pred.run("mallory", f"SELECT * FROM {secret}")


def test_the_last_good_score_is_found(pred):
    pred.run(
        "writer",
        """INSERT INTO evil.pred (id, u, day, s, at) VALUES (1, 1, '2026-01-01', 0.5, '2026-01-01'), (2, 1, '2026-01-02', 0.7, '2026-01-02');
           INSERT INTO evil.pred (id, u, day, s, at) VALUES (3, 1, '2026-01-03', NULL, '2026-01-03'), (4, 2, '2026-01-03', 'NaN', '2026-01-03'), (5, NULL, '2026-01-03', NULL, NULL)""",
    )
    assert pred.run("mallory", "SELECT id, s, trail[2] FROM evil.pred WHERE id > 2 ORDER BY id") == [
        (3, 0.7, "default"),
        (4, 0.2, "default"),
        (5, 0.2, "default"),
    ]
    assert pred.run("installer", "SELECT error_message FROM pgslo_catalog.rule_break") == []
