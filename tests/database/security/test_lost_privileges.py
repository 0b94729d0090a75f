"""After a restore without privileges PostgreSQL lets every role call pgslo's functions: it is reported, and migrate fixes it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgslo.database import operations, runtime
from pgslo.errors import RuntimeMismatch

World = Any

#: As in pg_dump --no-acl: functions have PostgreSQL's default.
LOST = """
UPDATE pg_proc SET proacl = NULL WHERE pronamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace, 'pgslo_gen'::regnamespace);
UPDATE pg_namespace SET nspacl = NULL WHERE nspname LIKE 'pgslo%';
"""
PUBLIC = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace IN ('pgslo'::regnamespace, 'pgslo_catalog'::regnamespace, 'pgslo_gen'::regnamespace)
  AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0) ORDER BY 1
"""
#: By the owner of the table, as whom it is read; a score that is processed as it is read.
DEFINITIONS = (
    "{table: evil.tab, key: [id], writes: bulk, batch: {by: day}, columns: {a: [range: {min: 0, on_breach: quarantine}]}}",
    """
table: features.p
key: [id]
kind: predictions
predictions: {score: p, at: day}
post_process: {apply: on_read, raw: given, trail: steps, steps: [{clip: [0, 1]}]}
readers: [$reader]
""",
)


def test_migrate_takes_from_everybody_what_a_restore_gave(world: World) -> None:
    world.run("superuser", "GRANT $mallory TO $installer")
    world.run("mallory", "CREATE TABLE evil.tab (id int PRIMARY KEY, day date, a int)")
    world.run("installer", "CREATE TABLE features.p (id int PRIMARY KEY, day date, p float8)")
    for text in DEFINITIONS:
        world.apply(text)
    before = world.run("superuser", PUBLIC)
    assert not runtime.read(world.admin).is_open
    world.run("superuser", LOST)
    world.run("superuser", "GRANT USAGE ON SCHEMA pgslo TO $writer")
    world.run("writer", "SELECT pgslo.pause('evil.tab')")

    installer = world.session("installer")
    with pytest.raises(RuntimeMismatch, match="every role may call pgslo's functions"):
        runtime.check(installer)
    found = [one for one in operations.find_drift(installer) if one.what == "rights"]
    assert [(one.definition, one.to_do) for one in found] == [("pgslo", "pgslo migrate")]
    assert runtime.install(installer)
    assert world.run("superuser", PUBLIC) == before
    assert not runtime.install(installer)
    assert [one for one in operations.find_drift(installer) if one.what == "rights"] == []
    for text in ("SELECT pgslo.resume('evil.tab')", "SELECT pgslo.tick()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.run("writer", text)
    world.run("installer", "SELECT pgslo.resume('evil.tab')")
    world.run("mallory", "INSERT INTO evil.tab VALUES (1, '2026-01-01', 1)")
