"""Every role may NOTIFY: a stranger cannot make ``pgslo watch`` tick without bound."""

from __future__ import annotations

import os
import subprocess
import sys
import time

#: Counts, and keeps the count whatever is rolled back.
COUNTED = """
CREATE SEQUENCE features.ticks;
GRANT USAGE ON SEQUENCE features.ticks TO PUBLIC;
CREATE OR REPLACE FUNCTION pgslo.tick() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$BEGIN
    PERFORM nextval('features.ticks');
    PERFORM pg_sleep(0.2);
END$$;
"""


def test_a_flood_of_notifications_ticks_once_a_second(world, world_dsn, tmp_path):
    world.run("superuser", COUNTED)
    mallory = world.session("mallory")
    watch = subprocess.Popen(
        [sys.executable, "-m", "pgslo", "watch", "--tick", "--every", "60"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PGSLO_DSN": world_dsn},
    )
    try:
        assert watch.stderr is not None
        assert watch.stderr.readline() == "watching\n"
        began = time.monotonic()
        while time.monotonic() < began + 5:
            mallory.execute("NOTIFY pgslo_incident_v1, 'x'")
            time.sleep(0.02)
        ((ticks,),) = world.run("superuser", "SELECT last_value FROM features.ticks")
        # It hears of what changes, and at most once a second.
        assert 3 <= ticks <= 7
    finally:
        watch.kill()
        watch.communicate()
