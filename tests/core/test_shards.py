"""Definitions of a table that Citus distributes by a column: the refused ones, and the SQL of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from placed import HASHED, HEAD, T, by_day, catalog, refused

from pgslo import plan
from pgslo.catalog import Catalog, Column, Placement
from pgslo.compile import compile_definition
from pgslo.compile.artifact import drop
from pgslo.definition import load

GOLDEN = Path(__file__).with_name("distributed.sql")
BATCH = "batch: {by: day}\n"
DEFINITION = (
    f"{HEAD}{BATCH}readers: [reader]\n"
    "columns:\n"
    "  a:\n"
    "    - range: {min: 0, max: 100, name: a_warned}\n"
    "    - range: {min: -5, on_breach: reject, name: a_rejected}\n"
    "    - range: {min: -1, on_breach: quarantine, name: a_diverted}\n"
    "    - not_null: {at_least: 0.9}\n"
    "  r: [repair: {clip: [0, 10]}]\n"
)


def distributed() -> Catalog:
    return replace(by_day(t=HASHED), roles=frozenset({"reader"}))


def test_the_sql_of_a_distributed_table(pytestconfig: pytest.Config) -> None:
    made = plan.make([compile_definition(load(DEFINITION, path="slos/t.yml"), distributed())], distributed())
    text = "".join(
        f"-- {step.action} {step.kind} {step.identity}: {step.reason}.\n"
        + "".join(f"{one.script};\n" for one in step.statements)
        + "\n"
        for step in made.steps
    )
    if pytestconfig.getoption("--update-goldens"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == text


def test_nothing_on_a_shard_catches_errors_or_reads_a_table_of_pgslo() -> None:
    """A block with EXCEPTION is a subtransaction, which ends the session of a writer whose node has the shard itself."""
    made = compile_definition(load(DEFINITION, path="slos/t.yml"), distributed())
    called = {one.names[0] for one in made.artifacts if one.kind == "function"}
    on_shards = {
        name
        for name in called
        if name.rpartition("__")[2] in ("written", "removed", "truncated", "quarantine", "repair")
    }
    assert len(on_shards) == 5
    for one in made.artifacts:
        if one.kind == "function" and one.names[0] in on_shards:
            body = one.body or ""
            assert "EXCEPTION WHEN" not in body
            assert "pgslo_catalog.record_" not in body
            assert "INSERT INTO pgslo_gen.outbox__feat__t" in body


def test_an_outbox_is_read_before_it_is_dropped() -> None:
    texts = [one.text.text for one in drop("table", ("outbox__feat__t",), None)]
    assert texts == [
        "SELECT pgslo_catalog.drain_outbox('pgslo_gen.outbox__feat__t')",
        "DROP TABLE pgslo_gen.outbox__feat__t",
    ]
    assert len(drop("table", ("feat__t__touched",), None)) == 1


def test_an_outbox_is_made_anew_for_other_shards() -> None:
    def outbox(group: int) -> str:
        known = replace(by_day(t=Placement("distributed", "id", group)), roles=frozenset({"reader"}))
        made = compile_definition(load(DEFINITION, path="slos/t.yml"), known)
        return next(one.fingerprint for one in made.artifacts if one.names[0].startswith("outbox__"))

    assert outbox(7) == outbox(7)
    assert outbox(7) != outbox(8)


COUNTED = f"{BATCH}columns: {{a: [range: {{min: 0}}]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"writes: stream\n{COUNTED}", "tick() counts its batches from the table, however rows arrive"),
        (
            f"fires: always\nwrites: bulk\n{COUNTED}",
            "triggers that always fire would also fire while a shard moves",
        ),
        ("columns: {a: [range: {min: 0}]}", "a column of the rows has to name the batch"),
        (f"on_read: insist\n{COUNTED}", "its nodes do not know whether a reader's client shows warnings"),
        (
            f"{COUNTED}\ntasks: {{x: {{reads: [a], view: guarded.x, window: 30 days}}}}",
            "can have no window",
        ),
        (f"{BATCH}rules: [one: {{unique: [day, id]}}]", "a rule that looks rows up is not supported there"),
        (f"{BATCH}columns: {{day: [no_gap: {{every: 1 day}}]}}", "rules of this kind were not tried there"),
        (
            f'{BATCH}rules: [q: {{metric: {{query: "SELECT count(*) FROM feat.t", min: 1}}}}]',
            "rules of this kind were not tried there",
        ),
        (
            f"{BATCH}schema: {{columns: {{id: bigint}}, on_breach: reject}}",
            "a schema rule by trigger is not supported there",
        ),
        (
            f"{BATCH}columns: {{id: [repair: {{clip: [0, 10]}}]}}",
            'column "id" says which shard a row belongs to',
        ),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    known = by_day(t=HASHED)
    assert any(message in one for one in refused(text, known))
    # The definition itself has to be right.
    compile_definition(load(HEAD + text, path="slos/t.yml"), by_day())


def test_healthy_rows_are_those_of_batches_that_no_warning_names() -> None:
    task = "\ntasks: {x: {reads: [a], view: guarded.x, batches: healthy}}"
    made = compile_definition(load(f"{HEAD}{COUNTED}{task}", path="slos/t.yml"), by_day(t=HASHED))
    views = {one.names[1]: one.create[0].text.text for one in made.artifacts if one.kind == "view"}
    assert "t.about <> '' AND t.batch = (r.day)" in views["t_healthy"]
    assert "t.about IN ('*', 'id', 'day', 'a') AND t.batch = (r.day)" in views["x"]


def test_types_that_rows_are_distributed_by_or_have() -> None:
    known = by_day(t=Placement("distributed", "a", 7))
    assert "feat.t is distributed by a value of type double precision" in refused(COUNTED, known)[0]
    own = Column("kind", "feat.kind", "kind", "feat", "E", type_number=20000)
    other = replace(T, columns=(*T.columns, own))
    known = by_day(t=HASHED)
    known = replace(known, relations={**known.relations, ("feat", "t"): other})
    assert 'column "kind" has a type of a user, feat.kind' in refused(COUNTED, known)[0]
    known = replace(
        known, relations={**known.relations, ("feat", "t"): replace(T, kind="p", partition_key=("day",))}
    )
    assert any("is distributed and has partitions" in one for one in refused(COUNTED, known))
    known = replace(known, relations={**known.relations, ("feat", "t"): replace(T, row_security=True)})
    assert any("is distributed and has row security" in one for one in refused(COUNTED, known))


def test_code_of_another_role_than_the_owner_of_pgslo() -> None:
    """Citus plans statements with it as the role that applies, and lets no transaction act as two roles on the shards of a table."""
    known = by_day(t=HASHED)
    other = replace(known, relations={**known.relations, ("feat", "t"): replace(T, owner="mallory")})
    assert any("belongs to role mallory, who does not own pgslo" in one for one in refused(COUNTED, other))
    own = replace(known, relations={**known.relations, ("feat", "t"): replace(T, owner="owner")})
    compile_definition(load(HEAD + COUNTED, path="slos/t.yml"), own)
    lent = replace(T, owner="owner", lent_code=(("index feat.i", "mallory"),))
    known = replace(known, relations={**known.relations, ("feat", "t"): lent})
    assert any("index feat.i calls code of role mallory" in one for one in refused(COUNTED, known))


def test_native_rules_need_nothing_of_that() -> None:
    text = f"{HEAD}watch: false\ncolumns: {{a: [not_null: {{on_breach: reject}}]}}"
    made = compile_definition(load(text, path="slos/t.yml"), catalog(t=HASHED))
    assert not any(one.kind == "trigger" or one.names[0].startswith("outbox__") for one in made.artifacts)
