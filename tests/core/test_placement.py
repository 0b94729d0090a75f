"""Where pgslo refuses to run: by facts of the catalogue alone, as none of these engines is at hand here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from placed import COPIED, HASHED, HEAD, T, by_day, catalog, refused

from pgslo.catalog import Catalog, Citus, Engine, ForeignKey, Placement
from pgslo.compile import compile_definition, placement
from pgslo.definition import load
from pgslo.errors import DefinitionErrors, PlanError

VERSIONS = {
    "CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu, built 2025/06/05)": "CockroachDB",
    "PostgreSQL 9.4.26 (Greenplum Database 6.27.1 build commit:5def) on x86_64": "Greenplum",
    "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2) on x86_64": "Greenplum",
    "PostgreSQL 14.4 (Apache Cloudberry 2.0.0-incubating build 1) on x86_64": "Cloudberry",
    "PostgreSQL 14.4 (Cloudberry Database 1.6.0 build 1) on x86_64": "Cloudberry",
    "PostgreSQL 16.4-limitless on x86_64": "Aurora PostgreSQL Limitless Database",
}


def accepted(text: str, known: Catalog) -> list[str]:
    made = compile_definition(load(HEAD + text, path="slos/t.yml"), known)
    return [one.kind for one in made.artifacts]


@pytest.mark.parametrize(("version", "name"), VERSIONS.items(), ids=VERSIONS)
def test_engines_that_are_refused_by_their_version(version: str, name: str) -> None:
    error = placement.refused_version(version)
    assert error is not None
    assert error.message == f"pgslo does not run on {name}"


@pytest.mark.parametrize(
    "version",
    [
        "PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc",
        "PostgreSQL 16.4 on aarch64-unknown-linux-gnu, compiled by aarch64-unknown-linux-gnu-gcc (GCC) 9.5.0, 64-bit",
        "PostgreSQL 15.2-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang",
    ],
)
def test_engines_that_are_postgresql(version: str) -> None:
    assert placement.refused_version(version) is None


def test_engines_that_are_refused_by_their_catalogue() -> None:
    assert placement.refused_engine(Engine()) is None
    limitless = placement.refused_engine(Engine(is_limitless=True))
    assert limitless is not None
    assert "Limitless" in limitless.message
    without = placement.refused_engine(Engine(has_plpgsql=False))
    assert without is not None
    assert without.message == "the database has no language plpgsql, in which pgslo's functions are written"
    assert "Aurora DSQL" in (without.hint or "")


def test_a_worker_names_its_coordinator() -> None:
    assert placement.refused_worker(None) is None
    assert placement.refused_worker(Citus(is_worker=False)) is None
    error = placement.refused_worker(Citus(is_worker=True, coordinator="c.example:5432"))
    assert error is not None
    assert error.message == (
        "this is a worker of a Citus cluster; apply and tick run on its coordinator, c.example:5432"
    )
    error = placement.refused_worker(Citus(is_worker=True))
    assert error is not None
    assert error.message.endswith("on its coordinator")


@pytest.mark.parametrize(
    "rule",
    [
        "columns: {a: [range: {min: 0}]}",
        "columns: {a: [range: {min: 0, on_breach: flag}]}",
        "columns: {a: [range: {min: 0, on_breach: quarantine}]}",
        "columns: {a: [range: {min: 0, on_breach: reject}]}",
        "columns: {a: [repair: {clip: [0, 10]}]}",
        "columns: {a: [not_null: {at_least: 0.9}]}",
        "row_count: {min: 10}\nbatch: {by: day}",
    ],
)
def test_rules_by_trigger_on_a_reference_table_or_one_that_its_schema_distributes(rule: str) -> None:
    assert refused(rule, catalog(t=COPIED)) == [
        "each node has a copy of feat.t and would evaluate it alone; only rules that are PostgreSQL constraints can be enforced"
    ]
    assert refused(rule, catalog(t=Placement("distributed", "", 9))) == [
        "feat.t is distributed by its schema: what triggers record on its nodes does not reach the coordinator"
    ]
    accepted(rule, catalog(r=HASHED))


def test_bounds_that_reject_on_a_distributed_table() -> None:
    for text in (
        "writes: bulk\nbatch: {by: day}\ncolumns: {a: [not_null: {at_least: 0.9, reject_below: 0.5}]}",
        "writes: bulk\nbatch: {by: day}\ncolumns: {a: [completeness: {min: 0.9, reject_below: 0.5}]}",
    ):
        (message,) = refused(text, by_day(t=HASHED))
        assert message == (
            "feat.t is distributed: no node knows the whole batch before the next tick; the rule cannot reject"
        )
        accepted(text, by_day())


def test_assertions_on_a_distributed_table() -> None:
    text = "watch: false\nassertions: [same: {all_equal: a, group_by: id}]"
    assert refused(text, catalog(t=HASHED)) == [
        "rows of a group may be on several nodes; feat.t is distributed by id"
    ]
    schema = Placement("distributed", "", 9)
    assert refused(text, catalog(t=schema)) == [
        "rows of a group may be on several nodes; feat.t is distributed by its schema"
    ]
    accepted(text, catalog())


def test_unique_needs_the_distribution_column() -> None:
    head = "watch: false\nrules: [one: {unique: [%s], on_breach: reject}]"
    assert refused(head % "a, day", catalog(t=HASHED)) == [
        "a unique rule of a distributed table needs its distribution column, id"
    ]
    assert "unique_index" in accepted(head % "a, id", catalog(t=HASHED))
    assert "unique_index" in accepted(head % "a, day", catalog(t=COPIED))
    asserted = "watch: false\nassertions: [one: {at_most_one: row, group_by: [%s], on_breach: reject}]"
    assert refused(asserted % "a, day", catalog(t=HASHED)) == [
        "a unique rule of a distributed table needs its distribution column, id"
    ]


def test_not_null_is_kept_without_triggers_and_learned_bounds_are_not() -> None:
    text = "columns: {a: [not_null: {on_breach: reject}]}"
    for placed in (HASHED, COPIED):
        kinds = accepted(f"watch: false\n{text}", catalog(t=placed))
        assert "not_null" in kinds
        assert "trigger" not in kinds
    (message,) = refused(f"writes: bulk\nbatch: {{by: day}}\n{text}", catalog(t=COPIED))
    assert (
        message == "each node has a copy of feat.t; what its triggers record does not reach the coordinator"
    )
    made = compile_definition(load(f"{HEAD}watch: false\n{text}", path="t.yml"), catalog(t=COPIED))
    assert any("the guarded view fails where a query is sent to one node" in note for note in made.notes)


def test_foreign_keys() -> None:
    text = "watch: false\ncolumns: {r: [references: {table: feat.r, column: id, on_breach: reject}]}"
    assert "foreign_key" in accepted(text, catalog())
    assert "foreign_key" in accepted(text, catalog(t=HASHED, r=COPIED))
    assert "foreign_key" in accepted(text, catalog(t=HASHED, r=Placement("distributed", "id", 7)))
    for known in (catalog(t=HASHED), catalog(t=HASHED, r=Placement("distributed", "id", 8))):
        (message,) = refused(text, known)
        assert "feat.r is neither" in message
    assert refused(text, catalog(r=COPIED)) == [
        "a foreign key to feat.r makes Citus manage feat.t, which pgslo cannot guard then"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "columns: {r: [references: {table: feat.r, column: id}]}",
        'rules: [q: {query: "SELECT 1 FROM feat.r AS r WHERE r.a < 0"}]\nbatch: {by: day}',
        'rules: [q: {metric: {query: "SELECT count(*) FROM feat.r AS r", min: 1}}]\nbatch: {by: day}',
        "rules: [same: {same_as: {table: feat.r, on: [id]}, at_most: 1}]\nbatch: {by: day}",
    ],
)
def test_reading_another_table_of_the_cluster(text: str) -> None:
    try:
        accepted(text, catalog())
    except DefinitionErrors as error:  # the rule itself has to be right
        pytest.fail(str(error))
    for known in (catalog(r=HASHED), catalog(r=COPIED)):
        messages = refused(text, known)
        assert messages == [
            "feat.r is on the nodes of a Citus cluster; rules that look rows up in another table, and labels, are not supported there"
        ]


def test_a_local_table_in_the_metadata_of_citus() -> None:
    with pytest.raises(DefinitionErrors) as caught:
        compile_definition(load(HEAD, path="slos/t.yml"), catalog(t=Placement("managed")))
    (error,) = caught.value.errors
    assert "feat.t is a local table in the metadata of Citus" in error.message
    assert "SELECT undistribute_table('feat.t')" in (error.hint or "")
    assert error.location is not None
    assert error.location.line == 1


def test_triggers_of_a_distributed_table_need_the_setting() -> None:
    known = catalog(t=HASHED)
    with pytest.raises(PlanError) as caught:
        placement.refuse_triggers([("feat", "t")], known)
    error = caught.value
    assert error.message == (
        "Citus creates, replaces and drops triggers of feat.t only with citus.enable_unsafe_triggers"
    )
    assert error.hint == "ALTER ROLE owner IN DATABASE f SET citus.enable_unsafe_triggers = on"
    assert known.citus is not None
    placement.refuse_triggers(
        [("feat", "t")], replace(known, citus=replace(known.citus, has_unsafe_triggers=True))
    )
    placement.refuse_triggers([("feat", "r")], known)
    placement.refuse_triggers([("feat", "t")], catalog())


def hypertable() -> Catalog:
    known = catalog()
    return replace(
        known,
        relations={**known.relations, ("feat", "t"): replace(T, is_hypertable=True, partition_key=("day",))},
    )


def test_a_hypertable() -> None:
    unique = "watch: false\nrules: [one: {unique: [%s], on_breach: reject}]"
    assert refused(unique % "a", hypertable()) == [
        "rows of a hypertable cannot be unique without its partition key (day)"
    ]
    made = compile_definition(load(HEAD + unique % "a, day", path="t.yml"), hypertable())
    (index,) = (one for one in made.artifacts if one.kind == "unique_index")
    (statement,) = index.create
    assert "CONCURRENTLY" not in statement.script
    assert (statement.alone, statement.later) == (False, False)
    (message,) = refused('columns: {day: [repair: {clip: ["2026-01-05", "2026-12-31"]}]}', hypertable())
    assert message == 'column "day" says which chunk a row belongs to, and no trigger can change that'
    overlap = (
        "watch: false\nassertions: [same: {all_equal: a, group_by: id, on_breach: reject, deferred: false}]"
    )
    gist = replace(hypertable(), gist_types=frozenset({"bigint", "double precision"}))
    assert "exclusion" not in accepted(overlap, gist)
    plain = replace(catalog(), gist_types=frozenset({"bigint", "double precision"}))
    assert "exclusion" in accepted(overlap, plain)


def test_yugabyte_takes_row_triggers_alone() -> None:
    known = catalog(engine=Engine(version="PostgreSQL 15.2-YB-2025.1.0.0-b0 on x86_64"))
    known = replace(known, gist_types=frozenset({"bigint", "double precision"}))
    stream = "writes: stream\nwatch: false\n"
    rule = "columns: {a: [range: {min: 0, on_breach: quarantine}]}"
    assert "trigger" in accepted(stream + rule, known)
    for text in (
        f"writes: bulk\n{rule}",
        f"{stream}columns: {{a: [not_null: {{at_least: 0.9}}]}}",
    ):
        assert refused(text, known) == ["YugabyteDB cannot show a trigger all rows of a statement"]
    asserted = f"{stream}assertions: [same: {{all_equal: a, group_by: id, on_breach: reject}}]"
    assert refused(asserted, known) == [
        "YugabyteDB has no triggers that wait for the end of a transaction, which assertions need"
    ]


def test_a_note_names_few_children() -> None:
    children = tuple(("_timescaledb_internal", f"_hyper_1_{n}_chunk") for n in range(5))
    known = replace(catalog(), relations={("feat", "t"): replace(T, children=children)})
    (note,) = [one for one in compile_definition(load(HEAD, path="t.yml"), known).notes if "children" in one]
    assert note.endswith("_timescaledb_internal._hyper_1_2_chunk and 2 more")


def test_a_key_that_is_there_is_kept() -> None:
    """A foreign key of the table's own makes nothing, so there is nothing to refuse."""
    text = "watch: false\ncolumns: {r: [references: {table: feat.r, column: id, on_breach: reject}]}"
    known = catalog(t=HASHED, r=COPIED)
    own = replace(T, foreign_keys=(ForeignKey(("r",), ("feat", "r"), ("id",)),))
    known = replace(known, relations={**known.relations, ("feat", "t"): own})
    assert "foreign_key" not in accepted(text, known)
