"""The database as pgslo reads and changes it. Decides nothing: what to do comes from the plan."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg.rows import TupleRow, dict_row

from pgslo import assets, naming, runtime, sql
from pgslo.catalog import Catalog, Column, ForeignKey, Index, Installed, Name, Relation
from pgslo.compile import (
    Compiled,
    Probe,
    Statement,
    assertions,
    compile_definition,
    read_comment,
    value_probe,
)
from pgslo.compile.conditions import reference
from pgslo.definition import rules
from pgslo.definition.rules import Definition
from pgslo.errors import (
    CatalogError,
    DatabaseError,
    DefinitionError,
    DefinitionErrors,
    PgsloError,
    PlanOutdated,
)
from pgslo.plan import Plan, Step, make, order_statements, removal
from pgslo.sql import Sql

Connection = psycopg.Connection[TupleRow]

#: Longest wait for table locks before apply gives way to those behind it, in milliseconds.
LOCK_TIMEOUT = 100
#: What is left of it at least for each further lock: one that is free is got at once.
_LEAST_LOCK_TIMEOUT = 5
#: How long apply tries again to get its locks, in seconds.
LOCK_PATIENCE = 60.0
#: Longest that a statement under strong locks may take, in milliseconds: none of them reads a table.
STATEMENT_TIMEOUT = 60_000
#: Longest that a question about a table may take, in milliseconds.
PROBE_TIMEOUT = 5_000
#: Groups that break a new assertion, in its error.
_SHOWN_GROUPS = 5
#: The migration that brought what operators need.
_OPERATIONS = "0005_operations"
#: The one that brought assertions.
_ASSERTIONS = "0006_assertions"
#: The migration that brought snapshots.
_SNAPSHOTS = "0008_snapshots"


@contextlib.contextmanager
def connect(dsn: str | None) -> Iterator[Connection]:
    """Open a connection, or say in our words why there is none.

    Args:
        dsn: A connection string; ``None`` or empty: libpq's own variables and files decide.

    Raises:
        DatabaseError: No server answered, it refused, or it is too old.
    """
    try:
        conn = psycopg.connect(
            dsn or "",
            autocommit=True,
            application_name="pgslo",
            client_encoding="UTF8",  # as statements are sent, whatever the database's own
        )
    except psycopg.Error as exc:
        raise DatabaseError(
            "cannot connect to the database",
            detail=_without_secrets(str(exc).strip(), dsn),
            hint="give --dsn or set PGSLO_DSN, or PGHOST, PGDATABASE … as for psql; pgslo local start makes a server to try things on",
        ) from None
    with conn:
        version = conn.info.server_version
        if version < runtime.OLDEST_SERVER:
            raise DatabaseError(
                f"PostgreSQL {version // 10000} is too old",
                detail="Generated code needs what came with PostgreSQL 14.",
                hint="pgslo supports PostgreSQL 14 to 18",
            )
        with errors():
            # The driver reads no other, and a role may prefer one.
            conn.execute("SET datestyle = 'ISO'")
            yield conn


def _without_secrets(text: str, dsn: str | None) -> str:
    """An error's text that cannot hold a password: libpq quotes the string it could not read."""
    if dsn is None:
        return text
    try:
        secret = psycopg.conninfo.conninfo_to_dict(dsn).get("password")
    except psycopg.Error:
        return "The connection string is not one that libpq can read."
    return text.replace(str(secret), "********") if secret else text


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Turn the driver's errors into ours: the one place where that happens."""
    try:
        yield
    except psycopg.Error as exc:
        raise wrapped(exc) from exc


def wrapped(exc: psycopg.Error) -> DatabaseError:
    """The driver's error as one of ours, with the server's detail and hint."""
    diagnostic = exc.diag
    hint = diagnostic.message_hint
    if isinstance(exc, psycopg.errors.InsufficientPrivilege) and hint is None:
        hint = "run it as the table's owner, or as a role that may create schemas and triggers"
    return DatabaseError(
        diagnostic.message_primary or str(exc).strip(),
        detail=diagnostic.message_detail,
        hint=hint,
        sqlstate=exc.sqlstate,
    )


def query(name: str) -> bytes:
    """The text of a query of ``sql/catalog``, without its ``.sql``."""
    return (assets.tree("sql") / "catalog" / f"{name}.sql").read_bytes()


def fetch(conn: Connection, name: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run a query of ``sql/catalog`` and return its rows by column name.

    Args:
        conn: A connection of whoever asks; what he may not see he is not shown.
        name: File name without ``.sql``.
        parameters: Values for its named placeholders.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


def read_catalog(conn: Connection, definitions: Sequence[Definition]) -> Catalog:
    """Read what the compiler and the planner need to know, and change nothing."""
    named: set[Name] = set()
    for definition in definitions:
        named.add((definition.schema_name, definition.table_name))
        if definition.labels is not None:
            named.add((definition.labels.schema_name, definition.labels.table_name))
        named |= assertions.tables(definition)
        named |= {reference(rule) for rule in definition.rules if isinstance(rule, rules.References)}
    with conn.cursor(row_factory=dict_row) as cursor:
        server = cursor.execute(query("server")).fetchone() or {}
        with conn.transaction(force_rollback=True):
            # Types are named by what is in the search path: everybody has to get the same names.
            cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
            rows = cursor.execute(query("relations"), {"names": json.dumps(sorted(named))}).fetchall()
    relations = {(row["schema_name"], row["name"]): _relation(row) for row in rows}
    state = runtime.read(conn)
    return Catalog(
        server_version=server["server_version"],
        relations=relations,
        installed=installed(conn) if state.is_there else (),
        runtime=state.version,
        runtime_sha256=state.functions_sha256,
        expression_types=_expression_types(conn, definitions, relations),
        schemas=frozenset(server["schemas"]),
        renamed=_renamed(conn) if state.version else {},
        roles=frozenset(server["roles"]),
        gist_types=frozenset(server["gist_types"]),
    )


def read_relation(conn: Connection, name: Name) -> Relation | None:
    """Read what a table looks like, or ``None`` when there is none."""
    with conn.transaction(force_rollback=True), conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        row = cursor.execute(query("relations"), {"names": json.dumps([name])}).fetchone()
    return _relation(row) if row else None


def _renamed(conn: Connection) -> dict[Name, str]:
    return {(schema, name): definition for schema, name, definition in conn.execute(query("renamed"))}


def _relation(row: dict[str, Any]) -> Relation:
    return Relation(
        schema=row["schema_name"],
        name=row["name"],
        kind=row["kind"],
        columns=tuple(Column(**column) for column in row["columns"]),
        primary_key=tuple(row["primary_key"]),
        partition_key=tuple(row["partition_key"]),
        indexes=tuple(
            Index(tuple(index["columns"]), index["unique"], index["whole"], index["method"])
            for index in row["indexes"]
        ),
        foreign_keys=tuple(
            ForeignKey(tuple(key["columns"]), (key["table"][0], key["table"][1]), tuple(key["to"]))
            for key in row["foreign_keys"]
        ),
        before_row_triggers=tuple(row["before_row_triggers"]),
        partitions=_names(row["partitions"]),
        parents=_names(row["parents"]),
        children=_names(row["children"]),
        is_partition=row["is_partition"],
        row_security=row["row_security"],
        rows=row["rows"],
    )


def _names(pairs: Iterable[Sequence[str]]) -> tuple[Name, ...]:
    return tuple((schema, name) for schema, name in pairs)


def installed(conn: Connection) -> tuple[Installed, ...]:
    """What pgslo generated, as it is now; the runtime has to be there."""
    found = []
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("installed")).fetchall()
        if _ASSERTIONS in runtime.read(conn).migrations:
            rows += cursor.execute(query("assertions")).fetchall()
        for row in rows:
            known = read_comment(row["comment"])
            if known is None:
                continue
            fingerprint, definition = known
            found.append(
                Installed(
                    kind=row["kind"],
                    names=tuple(row["names"]),
                    definition=definition,
                    fingerprint=fingerprint,
                    relation=tuple(row["relation"]) if row["relation"] else None,
                    body=row["body"],
                    validated=row["validated"],
                    enabled=row["enabled"],
                    dependants=tuple(row["dependants"]),
                    refers_to=tuple(row["refers_to"]) if row["refers_to"] else None,
                )
            )
    ours = {".".join(one.names) for one in found if one.kind == "view"}
    return tuple(
        Installed(**{**vars(one), "dependants": tuple(name for name in one.dependants if name not in ours)})
        for one in found
    )


def _expression_types(
    conn: Connection, definitions: Sequence[Definition], relations: dict[Name, Relation]
) -> dict[tuple[Name, str], tuple[str, str]]:
    """Ask PostgreSQL for the type of each batch expression."""
    types = {}
    for definition in definitions:
        name: Name = (definition.schema_name, definition.table_name)
        by = definition.batch.by if definition.batch else None
        if (
            by is None
            or name not in relations
            or any(relations[name].column(column) is None for column in by.columns)
        ):
            continue
        probe = value_probe(name, by).text.encode()
        with _probing(conn, by.location) as cursor:
            cursor.execute(probe)
            oid = cursor.description[0].type_code if cursor.description else 0
            row = cursor.execute(
                "SELECT pg_catalog.format_type(t.oid, NULL), t.typcategory::text FROM pg_catalog.pg_type t WHERE t.oid = %s",
                (oid,),
            ).fetchone()
            if row:
                types[name, by.text] = (row[0], row[1])
    return types


def compile_all(
    conn: Connection, definitions: Sequence[Definition], catalog: Catalog
) -> tuple[Compiled, ...]:
    """Compile every definition, and let PostgreSQL judge what the authors wrote.

    Raises:
        DefinitionErrors: All that does not fit, of all definitions.
    """
    compiled: list[Compiled] = []
    found: list[DefinitionError] = []
    for definition in definitions:
        try:
            one = compile_definition(definition, catalog)
            for probe in one.probes:
                found += _judge(conn, probe)
            compiled.append(one)
        except DefinitionErrors as exc:
            found += exc.errors
    if found:
        raise DefinitionErrors(tuple(found))
    return tuple(compiled)


def _validated(conn: Connection, compiled: Sequence[Compiled]) -> tuple[Compiled, ...]:
    """Hold what is there against new assertions; nobody waits for it, and it may take long.

    Returns:
        The same definitions, with a note for each assertion that is broken and does not reject.

    Raises:
        DefinitionErrors: Rows break one that rejects.
    """
    errors: list[DefinitionError] = []
    held = []
    for each in compiled:
        notes = []
        for one in each.validations:
            with conn.transaction(force_rollback=True), conn.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
                cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
                broken = cursor.execute(one.text.text.encode(), prepare=False).fetchall()
            if not broken:
                continue
            shown = [f"{group}: {said}" if group else str(said) for group, said in broken[:_SHOWN_GROUPS]]
            more = ", and there are more" if len(broken) > _SHOWN_GROUPS else ""
            if not one.refuses:
                notes.append(f"{one.rule.name}: what is there breaks it: {'; '.join(shown)}{more}")
                continue
            errors.append(
                CatalogError(
                    f'rows of {one.definition} break assertion "{one.rule.name}" now',
                    detail=f"{'; '.join(shown)}{more}.",
                    hint="mend them, or write validated: false to hold only new writes to it",
                    location=one.rule.location,
                )
            )
        held.append(replace(each, notes=(*each.notes, *notes)))
    if errors:
        raise DefinitionErrors(tuple(errors))
    return tuple(held)


def _judge(conn: Connection, probe: Probe) -> list[DefinitionError]:
    try:
        with _probing(conn, probe.location) as cursor:
            cursor.execute(probe.text.text.encode())
    except DefinitionError as exc:
        return [exc]
    return []


@contextlib.contextmanager
def _probing(conn: Connection, location: Any) -> Iterator[psycopg.Cursor[TupleRow]]:
    """A cursor whose work is read-only, short and rolled back; its errors are the author's."""
    try:
        with conn.transaction(force_rollback=True), conn.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            # As generated functions will run it: nobody's operators but PostgreSQL's own.
            cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
            cursor.execute(f"SET LOCAL statement_timeout = {PROBE_TIMEOUT}".encode())
            yield cursor
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.Error as exc:
        raise CatalogError(
            exc.diag.message_primary or str(exc),
            detail=exc.diag.message_detail,
            hint=exc.diag.message_hint,
            location=location,
        ) from exc


def plan_definitions(conn: Connection, definitions: Sequence[Definition]) -> Plan:
    """Plan the way from what is installed to these definitions.

    Raises:
        DefinitionErrors: A definition does not fit the database.
        PlanError: As :func:`pgslo.plan.make`.
        RuntimeMismatch: Library and installed runtime do not fit.
    """
    catalog = read_catalog(conn, definitions)
    compiled = _validated(conn, compile_all(conn, definitions, catalog))
    _refuse_paused(conn, {definition.name for definition in definitions})
    scripts = tuple(script.name for script in runtime.wanted(runtime.read(conn)))
    return make(compiled, catalog, runtime_scripts=scripts)


def _refuse_paused(conn: Connection, names: set[str]) -> None:
    for pause in paused(conn):
        if pause["definition"] in names:
            raise PgsloError(
                f"{pause['definition']} is paused",
                detail=f"By {pause['paused_by']}, {pause['rule'] or 'every rule'}.",
                hint=f"pgslo resume {pause['definition']}, then plan again",
            )


def paused(conn: Connection) -> list[dict[str, Any]]:
    """What is switched off for now: definition, rule (``None``: every rule), when and by whom."""
    if _OPERATIONS not in runtime.read(conn).migrations:
        return []
    return fetch(conn, "paused")


def plan_removal(conn: Connection, definitions: Sequence[str]) -> Plan:
    """Plan the way out for definitions by name.

    Raises:
        PlanError: As :func:`pgslo.plan.removal`.
    """
    return removal(read_catalog(conn, ()), definitions)


@dataclass(frozen=True)
class Unfinished:
    """A statement that could not be carried out after the rest was committed.

    Attributes:
        step: The step it belongs to.
        error: Why; what was committed before it stands, and the next plan finishes it.
    """

    step: Step
    error: DatabaseError


def apply(
    conn: Connection,
    plan: Plan,
    replan: Callable[[], Plan],
    *,
    on_statement: Callable[[Step, Statement], None] = lambda _step, _statement: None,
    on_wait: Callable[[], None] = lambda: None,
) -> tuple[Unfinished, ...]:
    """Carry a plan out: in one transaction what can be, then one by one what must stand alone.

    Args:
        conn: An autocommit connection to the server itself, not to a pooler in transaction mode.
        plan: What to do.
        replan: Makes the same plan anew; called under the lock, so that nothing moves between the two.
        on_statement: Told of each statement before it runs.
        on_wait: Told once when another installer is at work.

    Returns:
        What could not be finished because existing rows break a rule; new rows are held to it all the same.

    Raises:
        PlanOutdated: The database moved since the plan was made; nothing was changed.
        DatabaseError: A statement failed; nothing was changed.
    """
    with installing(conn, on_wait=on_wait):
        fresh = replan()
        if fresh.state != plan.state:
            raise PlanOutdated(
                "the database moved since the plan was made",
                detail=f"The plan was made for state {plan.state}; the state is {fresh.state}.",
                hint="look at the new plan and apply that",
            )
        ordered = order_statements(plan)
        together = [(step, statement) for step, statement in ordered if not statement.later]
        alone = [(step, statement) for step, statement in ordered if statement.later]
        _patiently(lambda: _apply_together(conn, together, plan, on_statement))
        unfinished: list[Unfinished] = []
        for step, statement in alone:
            if any(one.step == step for one in unfinished):
                continue
            on_statement(step, statement)
            try:
                _patiently(functools.partial(_apply_alone, conn, statement))
            except DatabaseError as exc:
                unfinished.append(Unfinished(step, exc))
        _remember(conn, plan)
        return tuple(unfinished)


def _remember(conn: Connection, plan: Plan) -> None:
    names = {step.definition for step in plan.steps} & set(definitions_installed(conn))
    if names:
        with errors():
            conn.execute(remembering(names).text.encode(), prepare=False)


@dataclass(frozen=True)
class _Remembered:
    generated: Sql
    version: Sql
    definitions: Sql


def remembering(definitions: Iterable[str]) -> Sql:
    """The statement that keeps how these definitions were left, for drift to be told from."""
    names = sql.join(", ", (sql.literal(name) for name in sorted(definitions)))
    context = _Remembered(
        generated=Sql(query("installed").decode()),
        version=sql.literal(runtime.library_version()),
        definitions=Sql(f"ARRAY[{names}]"),
    )
    return sql.render("remember", context)


def rehearse(conn: Connection, plan: Plan, replan: Callable[[], Plan]) -> tuple[Step, ...]:
    """Run everything of a plan that goes into one transaction, and roll it back.

    Returns:
        Steps with statements that were not run, because they stand alone.

    Raises:
        PlanOutdated: As :func:`apply`.
        DatabaseError: A statement failed.
    """
    with installing(conn):
        if replan().state != plan.state:
            raise PlanOutdated("the database moved since the plan was made", hint="look at the new plan")
        ordered = order_statements(plan)
        together = [(step, statement) for step, statement in ordered if not statement.later]
        rolled_back = functools.partial(conn.transaction, force_rollback=True)

        def work() -> None:
            with rolled_back():
                _apply_together(conn, together, plan, lambda _step, _statement: None)

        _patiently(work)
    return tuple(dict.fromkeys(step for step, statement in ordered if statement.later))


def migrate(conn: Connection) -> bool:
    """Bring the runtime up to this library; returns whether anything had to be done."""
    with installing(conn), errors():
        return runtime.install(conn)


def _apply_together(
    conn: Connection,
    statements: Sequence[tuple[Step, Statement]],
    plan: Plan,
    on_statement: Callable[[Step, Statement], None],
) -> None:
    with errors(), conn.transaction():
        _limit_waits(conn)
        if plan.runtime_scripts:
            runtime.install(conn)
            _limit_waits(conn)
        locked_at: float | None = None
        for step, statement in statements:
            on_statement(step, statement)
            if locked_at is not None:
                # Whoever waits for the locks that are held waits for those to come as well.
                left = LOCK_TIMEOUT - round((time.monotonic() - locked_at) * 1000)
                conn.execute(f"SET LOCAL lock_timeout = {max(left, _LEAST_LOCK_TIMEOUT)}".encode())
            elif statement.lock or step.kind == "view":
                locked_at = time.monotonic()
            conn.execute(statement.text.text.encode(), prepare=False)


def _apply_alone(conn: Connection, statement: Statement) -> None:
    with errors():
        if statement.alone:
            # Waits for every open transaction by its nature; a time limit would leave an invalid index.
            conn.execute("SET statement_timeout = 0")
            conn.execute("SET lock_timeout = 0")
            conn.execute(statement.text.text.encode(), prepare=False)
            return
        with conn.transaction():
            # A validation reads the whole table, under a lock that lets others read and write.
            _limit_waits(conn, statement=0)
            conn.execute(statement.text.text.encode(), prepare=False)


def _limit_waits(conn: Connection, *, statement: int = STATEMENT_TIMEOUT) -> None:
    conn.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}".encode())
    conn.execute(f"SET LOCAL statement_timeout = {statement}".encode())


def _patiently(work: Callable[[], None]) -> None:
    """Try again when a table is busy: waiting in its queue would make everybody behind wait as well."""
    until = time.monotonic() + LOCK_PATIENCE
    pause = 0.1
    while True:
        try:
            work()
        except DatabaseError as exc:
            if exc.sqlstate != "55P03" or time.monotonic() + pause > until:
                raise
            # Never in step with what comes at regular times; those who queued behind have their turn.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(pause * 1.5, 2.0)
        else:
            return


@contextlib.contextmanager
def installing(conn: Connection, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One installer at a time; the lock is taken before any transaction, so that what it sees is what was left.

    Args:
        conn: An autocommit connection.
        on_wait: Told once when another installer is at work.

    Raises:
        DatabaseError: A pooler stands between.
    """
    check_direct(conn)
    # Asking again and again instead of waiting in the server: who waits there holds a snapshot, for which the
    # other's CREATE INDEX CONCURRENTLY waits in turn; one of the two would be cancelled as a deadlock.
    tries = 0
    while not _took_lock(conn):
        if tries == 0:
            on_wait()
        tries += 1
        time.sleep(min(0.05 * 2**tries, 1.0))
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            conn.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", (naming.INSTALL_LOCK,))


def check_direct(conn: Connection) -> None:
    """Refuse a connection through a pooler, whose server sessions hold locks for whoever comes next.

    A pooler tells its clients a process number of its own making when they connect.

    Raises:
        DatabaseError: A pooler stands between.
    """
    with errors():
        behind = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    if behind != (conn.info.backend_pid,):
        raise DatabaseError(
            "this connection goes through a pooler",
            detail="What has to be held from statement to statement, such as the lock of installers, is lost or left behind there.",
            hint="connect to the server itself",
        )


def _took_lock(conn: Connection) -> bool:
    with errors():
        taken = conn.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", (naming.INSTALL_LOCK,)).fetchone()
    return bool(taken and taken[0])


def definitions_installed(conn: Connection) -> tuple[str, ...]:
    """Names of the definitions that are installed."""
    if runtime.read(conn).version is None:
        return ()
    return tuple(row[0] for row in conn.execute("SELECT name FROM pgslo_catalog.definition ORDER BY name"))


def held_rows(conn: Connection) -> dict[str, int]:
    """Rows that wait in quarantine, by definition."""
    if runtime.read(conn).version is None:
        return {}
    return dict(conn.execute(query("held_rows")).fetchall())


def snapshots_left(conn: Connection) -> dict[str, int]:
    """How many snapshots stay (``copies``) and how many go (``refs``) when the runtime goes."""
    if _SNAPSHOTS not in runtime.read(conn).migrations:
        return {"copies": 0, "refs": 0}
    (row,) = fetch(conn, "snapshots_left")
    return row


def runtime_dependants(conn: Connection) -> tuple[str, ...]:
    """Objects of other people that stand on the runtime, in words."""
    return tuple(row[0] for row in conn.execute(query("runtime_dependants")))


def drop_runtime(conn: Connection) -> None:
    """Take the runtime out, after the last definition.

    Raises:
        PgsloError: Somebody else's objects stand on it.
    """
    with installing(conn), errors(), conn.transaction():
        dependants = runtime_dependants(conn)
        if dependants:
            raise PgsloError(
                "the runtime cannot be dropped because others stand on it",
                detail=f"It is used by {'; '.join(dependants)}.",
                hint="drop those first",
            )
        remaining = definitions_installed(conn)
        if remaining:
            raise PgsloError(
                "the runtime cannot be dropped while definitions are installed",
                detail=f"Installed are {', '.join(remaining)}.",
            )
        _limit_waits(conn)
        conn.execute(query("drop_extension" if runtime.read(conn).extension else "drop_runtime"))
