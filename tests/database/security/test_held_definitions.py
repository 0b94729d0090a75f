"""Definition files that were tried and are refused, at lint or at plan."""

from __future__ import annotations

import pytest

from pgslo.errors import PgsloError


@pytest.mark.parametrize(
    "text",
    [
        "table: features.ex\nguarded: pg_catalog\nreaders: [$reader]\n",
        "table: features.ex\nguarded: pgslo\nreaders: [$reader]\n",
        "table: features.ex\nguarded: pgslo_catalog\nreaders: [$reader]\n",
        "table: features.ex\nguarded: pgslo_gen\nreaders: [$reader]\n",
        "table: features.ex\nguarded: pg_temp\nreaders: [$reader]\n",
        "table: features.ex\nguarded: information_schema\nreaders: [$reader]\n",
        "table: features.ex\nreaders: [public]\n",
        "table: features.ex\nreaders: [PUBLIC]\n",
        "table: pg_catalog.pg_authid\n",
        "table: pg_authid\n",
        "table: pgslo_catalog.incident\n",
        "table: information_schema.tables\n",
    ],
)
def test_names_that_are_refused(world, text):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    before = world.run("superuser", "SELECT count(*) FROM pg_class")
    with pytest.raises(PgsloError):
        world.apply(text, by="superuser")
    assert world.run("superuser", "SELECT count(*) FROM pg_class") == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; DROP TABLE features.ex",
        "DELETE FROM features.ex RETURNING 1",
        "WITH w AS (DELETE FROM features.ex RETURNING 1) SELECT * FROM w",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_sleep(1)",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT lo_import('/etc/passwd')",
        "SELECT dblink('x', 'y')",
        "SELECT 1 FROM features.ex FOR UPDATE",
        "SELECT 1 INTO evil.x",
        "COPY features.ex TO PROGRAM 'id'",
        "SELECT query_to_xml('DELETE FROM features.ex', true, true, '')",
        "SELECT nextval('evil.s')",
        "SELECT pg_terminate_backend(1)",
        "VALUES (pg_advisory_lock(1))",
        "DO $x$BEGIN END$x$",
        "SELECT 1 -- $pgslo$",
    ],
)
def test_queries_that_are_refused(world, query):
    world.run("installer", "CREATE TABLE features.ex (id int PRIMARY KEY, day date, a int)")
    quoted = query.replace("'", "''")
    with pytest.raises(PgsloError):
        world.apply(
            f"table: features.ex\nbatch: {{by: day}}\nrules: [q: {{query: '{quoted}'}}]\n", by="superuser"
        )
    assert world.run("superuser", "SELECT count(*) FROM pgslo_catalog.rule") == [(0,)]
