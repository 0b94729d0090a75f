from __future__ import annotations

import dataclasses

import pytest

from pgslo import plan
from pgslo.catalog import Catalog, Column, Installed, Relation
from pgslo.compile import Artifact, Compiled, compile_definition
from pgslo.definition import load
from pgslo.errors import DefinitionErrors, PlanError
from pgslo.plan import steps

DEFINITION = """
table: s.t
writes: bulk
columns:
  age:
    - range: {min: 0, max: 120, on_breach: reject}
"""


def column(name: str, base_type: str = "integer", category: str = "N") -> Column:
    return Column(name, base_type, base_type, "pg_catalog", category)


TABLE = Relation("s", "t", "r", (column("id"), column("age")), primary_key=("id",))
EMPTY = Catalog(180004, {("s", "t"): TABLE}, schemas=frozenset({"s"}))


def compiled(text: str = DEFINITION) -> Compiled:
    return compile_definition(load(text, path="t.yml"), EMPTY)


def as_installed(artifact: Artifact) -> Installed:
    return Installed(
        kind=artifact.kind,
        names=artifact.names,
        definition=artifact.definition,
        fingerprint=artifact.fingerprint,
        relation=artifact.relation,
        body=artifact.body,
    )


def with_installed(*installed: Installed) -> Catalog:
    return dataclasses.replace(EMPTY, installed=installed)


def everything() -> list[Installed]:
    return [as_installed(artifact) for artifact in compiled().artifacts]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert compiled() == compiled()


def test_everything_is_created_in_an_empty_database() -> None:
    made = plan.make([compiled()], EMPTY)
    assert {step.action for step in made.steps} == {"create"}
    assert [step.kind for step in made.steps] == sorted(
        (step.kind for step in made.steps), key=steps._ORDER.index
    )


def test_a_step_says_lock_and_undo() -> None:
    made = plan.make([compiled()], EMPTY)
    trigger = next(step for step in made.steps if step.kind == "trigger")
    assert trigger.lock == "SHARE ROW EXCLUSIVE"
    assert trigger.hazards
    assert trigger.undo[0].text.text.startswith("DROP TRIGGER")


def test_nothing_is_left_to_do_when_all_is_installed() -> None:
    assert plan.make([compiled()], with_installed(*everything())).empty


def test_an_edited_function_is_replaced_and_locks_nothing() -> None:
    installed = [
        dataclasses.replace(one, body="edited") if one.kind == "function" else one for one in everything()
    ]
    steps = plan.make([compiled()], with_installed(*installed)).steps
    assert {(step.action, step.kind, step.lock) for step in steps} == {("replace", "function", "")}
    assert {step.reason for step in steps} == {"the function was edited"}


def test_a_trigger_that_was_switched_off_is_put_back() -> None:
    installed = [dataclasses.replace(one, enabled=one.kind != "trigger") for one in everything()]
    steps = plan.make([compiled()], with_installed(*installed)).steps
    assert {step.kind for step in steps} == {"trigger"}


def test_a_changed_bound_replaces_the_function_and_not_the_trigger() -> None:
    changed = compiled(DEFINITION.replace("120", "130"))
    steps = plan.make([changed], with_installed(*everything())).steps
    assert [(step.action, step.kind) for step in steps] == [
        ("replace", "function"),
        ("replace", "function"),
        ("replace", "registration"),
    ]


def test_objects_that_no_rule_wants_are_dropped() -> None:
    leaner = compiled("table: s.t\nwrites: bulk\nwatch: false\ncolumns: {}\n")
    steps = plan.make([leaner], with_installed(*everything())).steps
    assert [step.kind for step in steps if step.action == "drop"] == ["trigger"] * 3 + ["function"] * 2


def test_other_definitions_are_left_alone() -> None:
    other = Installed("function", ("x",), "s.other", "0" * 16, body="")
    assert plan.make([compiled()], with_installed(*everything(), other)).empty


def test_a_view_that_others_stand_on_is_not_dropped() -> None:
    installed = [
        dataclasses.replace(one, fingerprint="0" * 16, dependants=("app.report",))
        if one.kind == "view"
        else one
        for one in everything()
    ]
    with pytest.raises(PlanError, match="depend on it"):
        plan.make([compiled()], with_installed(*installed))


def test_removal_takes_the_schema_with_the_last_view() -> None:
    schema = Installed("schema", ("guarded",), "guarded views", "0" * 16)
    steps = plan.removal(with_installed(*everything(), schema), ["s.t"]).steps
    assert steps[-1].kind == "schema"
    other = Installed("view", ("guarded", "other"), "s.other", "0" * 16)
    kept = plan.removal(with_installed(*everything(), schema, other), ["s.t"]).steps
    assert all(step.kind != "schema" for step in kept)


def test_the_state_changes_when_the_database_moves() -> None:
    before = plan.make([compiled()], EMPTY).state
    grown = dataclasses.replace(TABLE, columns=(*TABLE.columns, column("extra")))
    assert plan.make([compiled()], dataclasses.replace(EMPTY, relations={("s", "t"): grown})).state != before
    analysed = dataclasses.replace(TABLE, rows=5)
    assert (
        plan.make([compiled()], dataclasses.replace(EMPTY, relations={("s", "t"): analysed})).state == before
    )


def test_statements_that_stand_alone_come_after_the_transaction() -> None:
    unique = compiled("table: s.t\nrules:\n  - one_age: {unique: [age], on_breach: reject}\n")
    ordered = plan.order_statements(plan.make([unique], EMPTY))
    later = [statement.later for _, statement in ordered]
    assert later == sorted(later)
    assert any(statement.alone for _, statement in ordered)


@pytest.mark.parametrize(
    "schema", ["pg_catalog", "information_schema", "pgslo", "pgslo_catalog", "pgslo_gen"]
)
def test_tables_of_the_system_and_of_pgslo_are_not_guarded(schema: str) -> None:
    table = dataclasses.replace(TABLE, schema=schema)
    catalog = dataclasses.replace(EMPTY, relations={(schema, "t"): table})
    with pytest.raises(DefinitionErrors, match="cannot be guarded"):
        compile_definition(load(DEFINITION.replace("s.t", f"{schema}.t"), path="t.yml"), catalog)
