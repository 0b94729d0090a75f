"""`pgslo drift` and `pgslo status` look up the newest batch of a table without running code of its owner as who runs them."""

from __future__ import annotations

from typing import Any

import pytest

from pgslo.database import operations

World = Any

DEFINITION = """
table: evil.tab
key: [id]
writes: bulk
batch: {by: day}
columns: {a: [range: {min: 0, max: 100, on_breach: flag}]}
"""


@pytest.fixture
def scene(world: World) -> World:
    """A guarded table of mallory's, with functions of hers that note each other role as which they run."""
    world.run("superuser", "GRANT $mallory TO $installer; GRANT USAGE, CREATE ON SCHEMA features TO $mallory")
    world.run(
        "mallory",
        """
        CREATE TABLE evil.loot (who text);
        GRANT USAGE ON SCHEMA evil TO PUBLIC;
        GRANT INSERT ON evil.loot TO PUBLIC;
        CREATE TABLE evil.tab (id int PRIMARY KEY, day date, a int);
        CREATE INDEX ON evil.tab (day);
        INSERT INTO evil.tab SELECT n, '2026-01-01', n FROM generate_series(1, 100) n;
        """,
    )
    world.apply(DEFINITION)
    world.run(
        "mallory",
        """
        CREATE FUNCTION evil.look(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
            IF current_user <> '$mallory' THEN
                RAISE WARNING 'looted as %', current_user;
            END IF;
            RETURN n;
        END$$;
        CREATE INDEX ON evil.tab ((id + evil.look(1)));
        CREATE INDEX ON evil.tab (a) WHERE evil.look(2) = 2;
        ALTER TABLE evil.tab ADD CHECK (evil.look(3) = 3);
        """,
    )
    return world


def warnings_of(connection, query) -> list[str]:
    said: list[str] = []

    def note(diagnostic) -> None:
        said.append(diagnostic.message_primary or "")

    connection.add_notice_handler(note)
    query()
    connection.remove_notice_handler(note)
    return [one for one in said if "looted" in one]


def test_no_code_of_the_owner_runs_as_a_superuser(scene: World) -> None:
    # The server would run it: planning a query over the table is enough.
    read = warnings_of(scene.admin, lambda: scene.admin.execute("SELECT max(day) FROM evil.tab"))
    assert read
    assert not warnings_of(scene.admin, lambda: operations.examine(scene.admin))


def test_rows_that_came_in_unseen_are_found_all_the_same(scene: World) -> None:
    scene.run(
        "mallory",
        """
        ALTER TABLE evil.tab DISABLE TRIGGER USER;
        INSERT INTO evil.tab VALUES (1000, '2026-02-01', 1);
        ALTER TABLE evil.tab ENABLE TRIGGER USER;
        """,
    )
    for part in ("superuser", "installer"):
        connection = scene.admin if part == "superuser" else scene.session(part)
        assert newest(connection) == 1769904000, part


def newest(connection) -> object:
    (row,) = operations.database.fetch(connection, "recorded_rows")
    return operations._newest_place(connection, row)


def test_a_table_that_was_given_to_another_role_is_not_read(scene: World) -> None:
    scene.run("superuser", "CREATE TABLE features.own (id int PRIMARY KEY, day date, a int)")
    scene.run("superuser", "ALTER TABLE features.own OWNER TO $installer")
    scene.run("installer", "CREATE INDEX ON features.own (day)")
    scene.apply(DEFINITION.replace("evil.tab", "features.own"))
    rows = operations.database.fetch(scene.admin, "recorded_rows")
    (row,) = [one for one in rows if one["definition"] == "features.own"]
    scene.run("installer", "INSERT INTO features.own VALUES (1, '2026-01-01', 1)")
    assert operations._newest_place(scene.admin, row) is not None
    scene.run("superuser", "ALTER TABLE features.own OWNER TO $mallory")
    scene.run("mallory", "CREATE INDEX ON features.own ((id + evil.look(1)))")
    assert not warnings_of(scene.admin, lambda: operations.examine(scene.admin))
    assert operations._newest_place(scene.admin, row) is None


def test_a_part_of_another_role_is_not_read(scene: World) -> None:
    scene.run(
        "installer",
        "CREATE TABLE features.own (id int, day date, a int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    )
    scene.run(
        "installer",
        "CREATE TABLE features.part PARTITION OF features.own FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    )
    scene.run("installer", "CREATE INDEX ON features.own (day)")
    scene.apply(DEFINITION.replace("evil.tab", "features.own").replace("key: [id]", "key: [id, day]"))
    scene.run("superuser", "ALTER TABLE features.part OWNER TO $mallory")
    scene.run("mallory", "CREATE INDEX ON features.part ((id + evil.look(1)))")
    scene.run("superuser", "REVOKE $mallory FROM $installer")
    assert warnings_of(scene.admin, lambda: scene.admin.execute("SELECT max(day) FROM features.own"))
    assert not warnings_of(scene.admin, lambda: operations.examine(scene.admin))
