"""A batch by a text of a nondeterministic collation is refused: texts that are equal and not the same are of one batch with several names."""

from __future__ import annotations

import psycopg
import pytest

from pgslo.errors import PgsloError

TABLE = """
CREATE TABLE features.ex (id int PRIMARY KEY, region text {collation}, code varchar(9) {collation}, plain text COLLATE "C", a int);
GRANT ALL ON features.ex TO $writer;
"""
DEFINITION = """
{{table: features.ex, key: [id], writes: {writes}, batch: {{by: {by}{shown}}}, columns: {{a: [range: {{min: 0, on_breach: flag}}]}}}}
"""


@pytest.mark.icu
@pytest.mark.parametrize("shown", [", show_names: true", ""])
@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_it_is_refused_by_the_plan(world, shown, writes):
    try:
        world.run(
            "installer",
            "CREATE COLLATION features.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU")
    world.run("installer", TABLE.format(collation="COLLATE features.folded"))
    for by in ("region", "code", "\"region || ''\""):
        with pytest.raises(PgsloError, match="nondeterministic collations are not supported"):
            world.apply(DEFINITION.format(writes=writes, shown=shown, by=by))
    world.apply(DEFINITION.format(writes=writes, shown=shown, by="plain"))


@pytest.mark.parametrize("by", ["region", "code", "plain", "\"region || ''\""])
def test_others_are_not(world, by):
    world.run("installer", TABLE.format(collation=""))
    world.apply(DEFINITION.format(writes="bulk", shown=", show_names: true", by=by))
