"""Whether ``status``, ``drift`` and ``plan`` report the true state of each rule: a walk at random through a guarded database,
compared with an oracle that tries to break each rule by writing. ``PGSLO_STANDING_STEPS`` sets the number of steps."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from standing import DEFINITION, ROLES, RULES, TABLES, TRY

from pgslo import database, definition, embedded
from pgslo.cli import main
from pgslo.database import installation, operations, planning
from pgslo.errors import PgsloError
from pgslo.plan import Plan
from pgslo.plan.drift.findings import Finding
from pgslo.plan.standing import Standing

Connection = psycopg.Connection[Any]

STEPS = int(os.environ.get("PGSLO_STANDING_STEPS", "100"))
SEED = os.environ.get("PGSLO_STANDING_SEED", "7")
#: Share of the steps after which the oracle is asked, as it is at the end of each round, and of the rounds after which a
#: second plan has to be empty: both take longest.
_ASKED, _AGAIN = (0.1, 0.25) if STEPS <= 100 else (1, 1)
#: How many steps a round has, before the definition is applied again.
_ROUNDS = (1, 4, 16, 32) if STEPS <= 100 else (1, 2, 4, 8, 16)
#: Share of the rounds in which the command line answers, too: what it prints is what is compared in the others.
_BY_COMMAND = 0.1
#: Share of the rounds that dump the database and go on in a new one.
_RESTORED = 0.01
#: Not all binaries of PostgreSQL come with them.
_PROGRAMS = [found for name in ("pg_dump", "psql") if (found := embedded.program(name)) is not None]
_DAYS = {"f1": "2026-01-15", "f2": "2026-02-15", "f3": "2026-03-15", "f4": "2026-04-15"}
#: A key that was switched to NOT ENFORCED meanwhile cannot have one of the same name as its part.
_OWN_KEYS = """DO $$DECLARE k record; BEGIN
    FOR k IN SELECT conname FROM pg_constraint WHERE conrelid = 't.f2'::regclass AND contype = 'f' AND conparentid = 0 LOOP
        EXECUTE format('ALTER TABLE t.f2 DROP CONSTRAINT %I', k.conname);
    END LOOP; END$$;"""
_CLEAN = "DROP TABLE IF EXISTS t.{0}; CREATE TABLE t.{0} (LIKE t.f INCLUDING ALL)"


@dataclass(frozen=True)
class Change:
    """A change of the database, and the statements that undo it before the next ``apply``."""

    do: str
    undo: str = ""


@dataclass
class World:
    """A guarded database, and its past since the last ``apply``."""

    connection: Connection
    dsn: str
    roles: dict[str, str]
    done: list[str] = field(default_factory=list)
    undo: list[str] = field(default_factory=list)
    is_renamed: bool = False
    writes: str = "bulk"

    def owning(self, text: str) -> str:
        """A statement about a role that is not the owner of the table."""
        return text if self.roles["installer"] != self.roles["owner"] else "SELECT"

    def run(self, text: str) -> None:
        self.connection.execute(text.format_map(_Roles(self.roles)).encode())

    def change(self, made: Change) -> bool:
        try:
            self.run(made.do)
        except psycopg.Error:
            return False  # What was done before rules it out.
        self.done.append(made.do)
        self.undo.append(made.undo)
        self.is_renamed |= made.do.startswith("ALTER TABLE t.f RENAME TO")
        return True

    def undo_all(self) -> None:
        for statement in reversed(self.undo):
            if statement:
                with contextlib.suppress(psycopg.errors.UndefinedTable):  # a view that was dropped later
                    self.run(statement)
        self.undo, self.is_renamed = [], False


class _Roles(dict[str, str]):
    """Names of roles for ``{owner}``; other braces stay."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


def changes(world: World, rng: random.Random) -> list[Change]:
    """What can be done now; those of a group are as likely together as one of the others."""
    triggers = world.connection.execute(
        """SELECT g.tgrelid::regclass::text, g.tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
           WHERE g.tgname ~ '^pgslo_' AND c.relnamespace = 't'::regnamespace AND g.tgparentid = 0 ORDER BY 1, 2"""
    ).fetchall()
    clones = world.connection.execute(
        """SELECT g.tgrelid::regclass::text, g.tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
           WHERE g.tgname ~ '^pgslo_' AND c.relnamespace = 't'::regnamespace AND g.tgparentid <> 0 ORDER BY 1, 2"""
    ).fetchall()
    functions = [
        row[0].removesuffix("()")
        for row in world.connection.execute(
            """SELECT p.oid::regprocedure::text FROM pg_proc p
               WHERE p.pronamespace = 'pgslo_gen'::regnamespace AND p.prorettype = 'trigger'::regtype ORDER BY 1"""
        )
    ]
    day = rng.choice(sorted(_DAYS.values()))
    good = (
        f"SELECT coalesce(max(id), 0) + 1, '{day}'::date, 1, 1, 1, 1, 1, 1, coalesce(max(id), 0) + 1 FROM t.f"
    )
    made = [
        Change("ALTER TABLE t.f DROP CONSTRAINT pgslo__p_references"),
        Change("ALTER TABLE t.f ALTER n DROP NOT NULL"),
        Change("ALTER TABLE t.f RENAME CONSTRAINT pgslo__p_references TO other"),
        Change("DROP INDEX t.pgslo__u_unique"),
        Change("ALTER TABLE t.f RENAME a TO a2", "ALTER TABLE t.f RENAME a2 TO a"),
        Change("ALTER TABLE t.f RENAME b TO b2", "ALTER TABLE t.f RENAME b2 TO b"),
        Change("ALTER TABLE t.f RENAME TO g", "ALTER TABLE t.g RENAME TO f"),
        Change("ALTER TABLE t.f ADD x int", "ALTER TABLE t.f DROP x"),
        Change(
            "ALTER TABLE t.f DETACH PARTITION t.f2",
            f"{_OWN_KEYS} ALTER TABLE t.f ATTACH PARTITION t.f2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
        ),
        Change(
            "ALTER TABLE t.f ATTACH PARTITION t.f3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
            f"ALTER TABLE t.f DETACH PARTITION t.f3; {_CLEAN.format('f3')}",
        ),
        # With rows: good ones, and some that no constraint of PostgreSQL's own stops.
        Change(
            "INSERT INTO t.f4 SELECT -n, '2026-04-10', 1, 1, 99, 99, 99, 99, -n FROM generate_series(1, 9) n;"
            "ALTER TABLE t.f ATTACH PARTITION t.f4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
            f"ALTER TABLE t.f DETACH PARTITION t.f4; {_CLEAN.format('f4')}",
        ),
        Change(f"INSERT INTO t.f {good}"),
        Change(
            f"SET session_replication_role = replica; INSERT INTO t.f {good}; RESET session_replication_role"
        ),
        Change("DELETE FROM t.f WHERE id > 0"),
        Change("TRUNCATE t.f"),
        Change("TRUNCATE t.f1"),
        Change("VACUUM FULL t.f1"),
        Change("SELECT pg_stat_reset()"),
        Change("SELECT pg_stat_reset_single_table_counters('t.f1'::regclass)"),
        Change("SELECT pgslo.pause('t.f')", "SELECT pgslo.resume('t.f')"),
        Change("SELECT pgslo.tick()"),
        Change(
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database()); END$$",
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I RESET session_replication_role', current_database()); END$$",
        ),
        Change("ALTER TABLE t.f OWNER TO {other}", "ALTER TABLE t.f OWNER TO {owner}"),
        Change("ALTER TABLE t.f1 OWNER TO {other}", "ALTER TABLE t.f1 OWNER TO {owner}"),
        Change("ALTER TABLE t.p OWNER TO {other}", "ALTER TABLE t.p OWNER TO {owner}"),
        Change(world.owning("REVOKE {owner} FROM {installer}"), world.owning("GRANT {owner} TO {installer}")),
        Change("REVOKE USAGE ON SCHEMA t FROM {owner}", "GRANT USAGE ON SCHEMA t TO {owner}"),
        Change("REVOKE SELECT ON t.p FROM {owner}", "GRANT SELECT ON t.p TO {owner}"),
        Change("REVOKE SELECT ON guarded.f FROM {reader}", "GRANT SELECT ON guarded.f TO {reader}"),
        Change("REVOKE USAGE ON SCHEMA guarded FROM {reader}", "GRANT USAGE ON SCHEMA guarded TO {reader}"),
        Change("REVOKE USAGE ON SCHEMA pgslo FROM PUBLIC", "GRANT USAGE ON SCHEMA pgslo TO PUBLIC"),
        Change(
            "REVOKE EXECUTE ON FUNCTION pgslo.guard(text, text[], text) FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION pgslo.guard(text, text[], text) TO PUBLIC",
        ),
        Change("DROP VIEW guarded.f CASCADE"),
        Change("ALTER VIEW guarded.f OWNER TO {other}", "ALTER VIEW guarded.f OWNER TO {installer}"),
        Change("ALTER TABLE t.f DISABLE TRIGGER ALL"),
        Change("ALTER TABLE t.f1 DISABLE TRIGGER USER"),
        Change("ALTER TABLE t.f2 DISABLE TRIGGER ALL"),
    ]
    if world.connection.info.server_version >= 180000:
        made.append(Change("ALTER TABLE t.f ALTER CONSTRAINT pgslo__p_references NOT ENFORCED"))
    for table, trigger in [
        *rng.sample(triggers, min(3, len(triggers))),
        *rng.sample(clones, min(1, len(clones))),
    ]:
        made.append(Change(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"))
        made.append(Change(f"ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}"))
    for table, trigger in rng.sample(triggers, min(3, len(triggers))):
        made.append(Change(f"DROP TRIGGER {trigger} ON {table}"))
        made.append(Change(f"ALTER TRIGGER {trigger} ON {table} RENAME TO own_{trigger}"))
    for function in rng.sample(functions, min(2, len(functions))):
        made.append(Change(f"DROP FUNCTION {function} CASCADE"))
        made.append(
            Change(
                f"ALTER FUNCTION {function}() OWNER TO {{other}}",
                f"DO $$BEGIN ALTER FUNCTION {function}() OWNER TO {{installer}}; EXCEPTION WHEN undefined_function THEN NULL; END$$",
            )
        )
        made.append(
            Change(
                f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
            )
        )
    return made


def passed(world: World) -> dict[str, list[tuple[str, bool]]]:
    """By column, the writes that let a row in that breaks its rule, and those that fail for another reason."""
    found: dict[str, list[tuple[str, bool]]] = {column: [] for column in RULES}
    with world.connection.transaction(force_rollback=True):
        world.connection.execute(TRY.encode())
        for column, how, is_failed in world.connection.execute("SELECT * FROM pg_temp.passed()"):
            found[column].append((how, is_failed))
    return found


def readable(world: World) -> str | None:
    """Why a reader cannot read the guarded view; ``None`` where it can."""
    try:
        with world.connection.transaction(force_rollback=True):
            world.run(
                "SET LOCAL ROLE {reader}; SET LOCAL client_min_messages = error; SELECT id FROM guarded.f"
            )
    except psycopg.Error as exc:
        return str(exc)
    return None


def said_by_drift(findings: tuple[Finding, ...], rule: str) -> str:
    """What ``drift`` says of a rule: its findings name those that are not in force, and those that may not be."""
    if any(rule in one.not_in_force for one in findings):
        return "no"
    return "unknown" if any(rule in one.in_doubt for one in findings) else "yes"


def said_by_plan(notes: tuple[str, ...], rule: str) -> str:
    for note in notes:
        found = re.fullmatch(r"t\.f: (perhaps )?not in force now: ([\w, ]+) \(.*\)", note, re.DOTALL)
        if found and rule in found[2].split(", "):
            return "unknown" if found[1] else "no"
    return "yes"


def compare(world: World, findings: tuple[Finding, ...], standings: tuple[Standing, ...]) -> None:
    """What ``status`` and ``drift`` say of each rule, against the writes that pass it."""
    told = {one.rule: one for one in standings}
    for column, ways in passed(world).items():
        rule = RULES[column]
        if told[rule].in_force == "yes":
            assert not [how for how, is_failed in ways if not is_failed], (
                f"{rule} is called in force after {world.done}, and {ways} let a bad row in"
            )
        elif told[rule].in_force == "no":
            assert ways, f"{rule} holds after {world.done}, and is called broken: {told[rule].why}"
        said = said_by_drift(findings, rule)
        assert said == told[rule].in_force, f"drift says {said} of {rule} after {world.done}: {findings}"
    compare_rows(world, findings)


#: Findings because of which rows may have come or gone without a record.
_ROWS = {
    "missing",
    "edited",
    "foreign",
    "switched off",
    "unarmed",
    "not observed",
    "paused",
    "unseen rows",
    "broken",
}
_ROWS |= {
    "gone",
    "table replaced",
    "table renamed",
    "other owner",
    "column renamed",
    "no rights",
    "unknown",
    "detached",
}
#: A few rows pass for those that a session reports late.
_UNSEEN = "SET session_replication_role"
#: The triggers of keys on a partition are in a dump under names that a restore does not give them.
_NOT_DUMPED = "DISABLE TRIGGER ALL"


def uncounted(world: World) -> list[tuple[Any, ...]]:
    """Days of which the table has other rows than their batch, with both numbers."""
    counted = f"""
        SELECT day::text, count(*), coalesce((SELECT b.rows FROM pgslo.batch b WHERE b.batch = day::text), 0)
        FROM t.{"g" if world.is_renamed else "f"} GROUP BY day ORDER BY day"""
    return [row for row in world.connection.execute(counted.encode()) if row[1] != row[2]]


def compare_rows(world: World, findings: tuple[Finding, ...]) -> None:
    """Rows that no batch has are announced, or counted by the next tick; row triggers count failing rows alone."""
    if world.writes == "stream":
        return
    if any(one.what in _ROWS for one in findings) or any(_UNSEEN in one for one in world.done):
        return
    if uncounted(world):
        world.connection.execute("SELECT pgslo.tick()")
        assert not (rest := uncounted(world)), f"{rest} after {world.done}"


def begin(world: World) -> None:
    """Let no rows of an earlier round be missing in their batches: none are counted because a definition is applied."""
    world.connection.execute("SELECT pgslo.tick()")
    if uncounted(world):
        world.connection.execute("TRUNCATE t.f")


def compare_reads(world: World, findings: tuple[Finding, ...], plan: Plan | None) -> None:
    """A view that a reader cannot read is a finding, or a step of the plan."""
    why = readable(world)
    about = {
        "no rights",
        "missing",
        "foreign",
        "gone",
        "table renamed",
        "table replaced",
        "rights",
        "set aside",
        "schema",
    }
    is_found = any(one.what in about for one in findings)
    is_step = (
        plan is None or any(step.kind in ("view", "schema") for step in plan.steps) or plan.runtime_scripts
    )
    if why is not None:
        assert is_found or is_step, (
            f"{why}, and neither drift nor plan names it after {world.done}: {findings}"
        )
    if any(one.what == "no rights" and one.thing == "view guarded.f" for one in findings):
        assert why is not None, f"the view can be read after {world.done}: {findings}"


def by_command(world: World, standings: tuple[Standing, ...]) -> None:
    """The command line prints what the functions return."""
    os.environ["PGSLO_DSN"] = world.dsn
    status = json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)
    drifted = json.loads(CliRunner().invoke(main, ["drift", "--json"]).stdout)["drift"]
    assert [one["in_force"] for one in status["rules"]] == [one.in_force for one in standings]
    for one in standings:
        named = [finding for finding in drifted if one.rule in finding["not_in_force"]]
        assert bool(named) == (one.in_force == "no"), drifted
    assert dataclasses.asdict(standings[0]).keys() == status["rules"][0].keys()


def planned(world: World, definitions: list[definition.Definition]) -> Plan | None:
    """The plan; ``None`` where the one answer is what has to be done before there is one."""
    try:
        with as_installer(world), database.errors():
            return operations.with_standings(
                world.connection, planning.plan_definitions(world.connection, definitions)
            )
    except PgsloError as exc:
        bare = [one for one in getattr(exc, "errors", (exc,)) if not one.hint]
        if getattr(exc, "sqlstate", None) == "42501":
            bare = []  # The command line names the right.
    assert not bare, f"no hint after {world.done}: {bare}"
    return None


def apply(world: World, definitions: list[definition.Definition], *, again: bool) -> None:
    """Apply the definitions, after which nothing is left to do and every rule is in force."""

    def plan() -> Plan:
        return planning.plan_definitions(world.connection, definitions)

    with as_installer(world):
        made = plan()
        unfinished = installation.apply(world.connection, made, plan if again else lambda: made)
    assert unfinished == (), f"{unfinished} after {world.done}"
    if again:
        rest = planned(world, definitions)
        assert rest is not None
        assert rest.empty, f"{rest.steps} after {world.done}"
        assert {said_by_plan(rest.notes, rule) for rule in RULES.values()} == {"yes"}, (
            f"{rest.notes} after {world.done}"
        )
    assert (why := readable(world)) is None, f"{why} though it was applied after {world.done}"
    world.done = []


@contextlib.contextmanager
def as_installer(world: World) -> Iterator[None]:
    """With the rights of the role that installed pgslo, which is not a superuser."""
    world.run("SET ROLE {installer}")
    try:
        yield
    finally:
        world.run("RESET ROLE")


@contextlib.contextmanager
def restored(world: World, new: str) -> Iterator[World]:
    """A dump of the world, restored into another database."""
    dump, restore = _PROGRAMS
    text = subprocess.run([dump, world.dsn], capture_output=True, check=True).stdout
    subprocess.run(
        [restore, "-X", "-q", "-v", "ON_ERROR_STOP=1", new], input=text, check=True, capture_output=True
    )
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute(
            sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                sql.Identifier(connection.info.dbname), sql.Identifier(world.roles["installer"])
            )
        )
        yield replace(world, connection=connection, dsn=new, done=[*world.done, "restore"])


@pytest.fixture
def world(empty_dsn: str, role: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", empty_dsn)
    roles = {stem: role(stem) for stem in ("owner", "other", "installer", "reader")}
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        if connection.info.server_version < 180000:
            # A foreign key of a partitioned table is validated as it is made, with the rights of the role that applies.
            roles["installer"] = roles["owner"]
        monkeypatch.setenv("PGSLO_RUNTIME_OWNER", roles["installer"])
        made = World(connection, empty_dsn, roles)
        made.run(TABLES)
        made.run(made.owning("GRANT {owner} TO {installer}"))
        made.run(ROLES)
        yield made


def test_no_rule_is_called_in_force_that_lets_a_bad_row_in(world: World, make_database: Any) -> None:
    rng = random.Random(SEED)
    steps = 0
    with contextlib.ExitStack() as stack:
        while steps < STEPS:
            world.writes = rng.choice(("bulk", "stream"))
            text = DEFINITION.format(writes=world.writes, reader=world.roles["reader"])
            definitions = [definition.load(text, path="slos/f.yml")]
            apply(world, definitions, again=rng.random() < _AGAIN)
            begin(world)
            of_round = rng.choice(_ROUNDS)
            for step in range(of_round):
                steps += 1
                is_new = world.change(rng.choice(changes(world, rng)))
                if (
                    rng.random() < _RESTORED
                    and len(_PROGRAMS) == 2
                    and not any(left in one for one in world.done for left in (_UNSEEN, _NOT_DUMPED))
                ):
                    new = stack.enter_context(make_database(template="template0"))
                    world = stack.enter_context(restored(world, new))
                is_last = world.is_renamed or step == of_round - 1
                if world.done and (is_last or (is_new and rng.random() < _ASKED)):
                    findings, standings = operations.examine(world.connection)
                    compare(world, findings, standings)
                if world.is_renamed:
                    break  # The other changes know the table by its first name.
            if not world.done:
                continue
            plan = planned(world, definitions)
            told = {one.rule: one.in_force for one in standings}
            if plan is not None:
                assert {rule: said_by_plan(plan.notes, rule) for rule in told} == told, (
                    f"{plan.notes} after {world.done}"
                )
            compare_reads(world, findings, plan)
            if rng.random() < _BY_COMMAND:
                by_command(world, standings)
            world.undo_all()
