"""The database as pgslo reads it: connections, what is there, and what a plan makes of it. Changes nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.pq import ExecStatus
from psycopg.rows import TupleRow, dict_row
from psycopg.types.datetime import TimestamptzLoader

from pgslo import assets, runtime, sql
from pgslo.catalog import (
    Catalog,
    Citus,
    Column,
    Engine,
    ForeignKey,
    Forgery,
    Grant,
    GuardedView,
    Index,
    Installed,
    Name,
    Placement,
    Reach,
    Relation,
    TableReader,
    ViewSchema,
)
from pgslo.compile import Compiled, Probe, compile_definition, placement, read_comment
from pgslo.compile.assertions.triggers import other_tables
from pgslo.compile.probes import queries, value_probe, view_probe
from pgslo.compile.table import reading
from pgslo.compile.views import grants
from pgslo.compile.views import schemas as view_schemas
from pgslo.definition import names, rules
from pgslo.definition.rules import Definition
from pgslo.errors import (
    CatalogError,
    DatabaseError,
    DefinitionError,
    DefinitionErrors,
    PgsloError,
)
from pgslo.expression import tables_read
from pgslo.plan import Plan, make, removal
from pgslo.sql import Sql

Connection = psycopg.Connection[TupleRow]

#: Longest that a question about a table may take, in milliseconds.
PROBE_TIMEOUT = 5_000
#: What PostgreSQL says where there is no such schema, table, column or function.
_MISSING = frozenset({"3F000", "42P01", "42703", "42883"})
_READ_ONLY = "25006"
_MAKE_WRITABLE = (
    "if that is not on purpose, allow writes for one run: PGOPTIONS='-c default_transaction_read_only=off'"
)
#: Sources of a setting, by ``pg_settings.source``.
_SOURCES = {
    "configuration file": "the server's configuration",
    "command line": "the server's command line",
    "database": "ALTER DATABASE … SET",
    "user": "ALTER ROLE … SET",
    "database user": "ALTER ROLE … IN DATABASE … SET",
    "global": "ALTER ROLE ALL SET",
    "client": "the options of the connection: the connection string, PGOPTIONS or a service file",
}
#: Groups that break a new assertion, in its error.
_SHOWN_GROUPS = 5
#: The migration that brought what operators need.
_OPERATIONS = "0005_operations"
#: The one that brought assertions.
_ASSERTIONS = "0006_assertions"
#: The one that keeps the readers that a definition names.
_READERS = "0047_readers"
#: The migration that brought snapshots.
_SNAPSHOTS = "0008_snapshots"


@contextlib.contextmanager
def connect(dsn: str | None) -> Iterator[Connection]:
    """Open a connection, or say in our words why there is none.

    Args:
        dsn: A connection string; ``None`` or empty: libpq's own variables and files decide.

    Raises:
        DatabaseError: No server answered, it refused, or it is too old.
        RuntimeMismatch: Something is missing because library and runtime do not fit.
    """
    try:
        conn = psycopg.connect(
            dsn or "",
            autocommit=True,
            application_name="pgslo",
            client_encoding="UTF8",  # as statements are sent, whatever the database's own
            prepare_threshold=None,  # the owner of a table could replace statements by name (docs/explanation/security.md)
        )
    except psycopg.Error as exc:
        raise DatabaseError(
            "cannot connect to the database",
            detail=_without_secrets(str(exc).strip(), dsn),
            hint="give --dsn or set PGSLO_DSN, or PGHOST, PGDATABASE … as for psql; pgslo local start makes a server to try things on",
        ) from None
    with conn:
        _check_version(conn)
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
            conn.adapters.register_loader("timestamptz", _MomentLoader)
            with _telling_versions_apart(conn):
                yield conn


class _MomentLoader(TimestamptzLoader):
    """A time that Python cannot hold, such as infinity or the year 20000, is read as the last or first one that it can."""

    def load(self, data: Buffer) -> dt.datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            text = bytes(data)
            is_before = text.startswith(b"-") or text.endswith(b"BC")
            return (
                dt.datetime.min.replace(tzinfo=dt.UTC)
                if is_before
                else dt.datetime.max.replace(tzinfo=dt.UTC)
            )


def _check_version(conn: Connection) -> None:
    """Refuse an engine that only speaks PostgreSQL's protocol, before its number of a version is taken for PostgreSQL's.

    Raises:
        DatabaseError: pgslo does not run there.
    """
    with errors():
        (version,) = conn.execute("SELECT pg_catalog.version()").fetchone() or ("",)
    if (refused := placement.refused_version(version)) is not None:
        raise refused


def check_node(conn: Connection) -> Engine:
    """Refuse an engine, and a node of a cluster, on which nothing can be applied.

    Raises:
        DatabaseError: pgslo does not run there.
    """
    (row,) = fetch(conn, "engine")
    engine = Engine(**{**row, "extensions": frozenset(row["extensions"])})
    refused = placement.refused_engine(engine) or placement.refused_worker(_read_citus(conn, engine, set()))
    if refused is not None:
        raise refused
    return engine


def _read_citus(conn: Connection, engine: Engine, named: set[Name]) -> Citus | None:
    """What Citus knows of these tables, where the database has it."""
    if "citus" not in engine.extensions:
        return None
    (node,) = fetch(conn, "citus_node")
    tables = fetch(conn, "citus_tables", {"names": json.dumps(sorted(named))}) if named else []
    return Citus(
        **node,
        tables={
            (row["schema_name"], row["name"]): Placement(row["kind"], row["column"], row["colocation"])
            for row in tables
        },
    )


def _hypertables(
    conn: Connection, engine: Engine, relations: Mapping[Name, Relation]
) -> dict[Name, Relation]:
    """The relations, with the columns of a hypertable that decide about chunks as its partition key.

    Its chunks are not children that rows are written to.
    """
    found = dict(relations)
    if "timescaledb" in engine.extensions and relations:
        for row in fetch(conn, "hypertables", {"names": json.dumps(sorted(relations))}):
            name = (row["schema_name"], row["name"])
            found[name] = replace(
                found[name], is_hypertable=True, partition_key=tuple(row["columns"]), children=()
            )
    return found


def check_writable(conn: Connection, *, reason: str | None = None) -> None:
    """Refuse a server or a session that cannot change the database, before a command begins.

    Args:
        conn: An autocommit connection.
        reason: Why the command writes, where its purpose is to read.

    Raises:
        DatabaseError: The server is a standby, new transactions of the session are read-only, or as :func:`check_node`.
    """
    with errors():
        (session,) = fetch(conn, "writable")
    if session["is_standby"]:
        raise DatabaseError(
            "this is a standby: it can be read and planned, not changed",
            detail=reason,
            hint="connect to the primary",
            sqlstate=_READ_ONLY,
        )
    if session["is_read_only"]:
        raise DatabaseError(
            "this session is read-only: default_transaction_read_only is on",
            detail=f"The setting comes from {_SOURCES.get(session['source'], session['source'])}.",
            hint=_MAKE_WRITABLE,
            sqlstate=_READ_ONLY,
        )
    with errors():
        check_node(conn)


@contextlib.contextmanager
def _telling_versions_apart(conn: Connection) -> Iterator[None]:
    """Say that library and runtime do not fit, where something is missing and that is why."""
    try:
        with errors():
            yield
    except DatabaseError as exc:
        if exc.sqlstate not in _MISSING:
            raise
        try:
            (theirs,) = conn.execute("SELECT pgslo.version()").fetchone() or (None,)
        except psycopg.Error:
            raise exc from None
        ours, said = runtime.library_version(), f" {exc.message[:1].upper()}{exc.message[1:]}."
        if runtime.is_newer(ours, theirs):
            raise runtime.older(theirs, detail=said, hint="bring it up to this one: pgslo migrate") from exc
        if runtime.is_newer(theirs, ours):
            raise runtime.newer(theirs, detail=said) from exc
        raise


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
    elif exc.sqlstate == _READ_ONLY and hint is None:
        hint = f"connect to the primary; on it, {_MAKE_WRITABLE}"
    return DatabaseError(
        diagnostic.message_primary or str(exc).strip(),
        detail=diagnostic.message_detail,
        hint=hint,
        sqlstate=exc.sqlstate,
        schema=diagnostic.schema_name,
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
    with by_own_names(conn), conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


@contextlib.contextmanager
def by_own_names(conn: Connection) -> Iterator[None]:
    """Run a transaction in which unqualified names are those of PostgreSQL's own objects.

    Other roles may create in schemas of the role's search path, for example in schema public of PostgreSQL 14: operators
    and functions there can fit arguments better than PostgreSQL's own. Types are printed by the search path, too.
    """
    with conn.transaction():
        # Not for the session: behind a pooler it would be another client's, and so would a prepared statement.
        conn.execute("SET LOCAL search_path = pg_catalog, pg_temp", prepare=False)
        yield


def read_catalog(conn: Connection, definitions: Sequence[Definition]) -> Catalog:
    """Read what the compiler and the planner need to know, and change nothing.

    Raises:
        DatabaseError: As :func:`check_node`.
    """
    engine = check_node(conn)
    named: set[Name] = set()
    for definition in definitions:
        named.add((definition.schema_name, definition.table_name))
        if definition.labels is not None:
            named.add((definition.labels.schema_name, definition.labels.table_name))
        named |= other_tables(definition)
        named |= {rule.relation for rule in definition.rules if isinstance(rule, rules.References)}
        for rule in definition.rules:
            if isinstance(rule, rules.SameAs):
                schema, name = names.split(rule.table)
                named.add((schema, name))
            elif isinstance(rule, rules.QueryRule):
                named.update(tables_read(rule.query))
    with by_own_names(conn), conn.cursor(row_factory=dict_row) as cursor:
        server = cursor.execute(query("server")).fetchone() or {}
        rows = cursor.execute(query("relations"), {"names": json.dumps(sorted(named))}).fetchall()
    relations = _hypertables(
        conn, engine, {(row["schema_name"], row["name"]): _relation(row) for row in rows}
    )
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
        replaced=replaced(conn) if state.version else frozenset(),
        roles=frozenset(server["roles"]),
        user=server["user"],
        keeper=server["keeper"],
        views=_views(conn) if _READERS in state.migrations else {},
        reaches=_reaches(conn, definitions),
        gist_types=frozenset(server["gist_types"]),
        engine=engine,
        citus=_read_citus(conn, engine, named),
    )


def _views(conn: Connection) -> dict[tuple[str, ...], GuardedView]:
    """The guarded views that are installed, as other roles see them."""
    return {
        tuple(row["names"]): GuardedView(
            readers=tuple(row["readers"]),
            grants=tuple(Grant(**one) for one in row["grants"]),
            missing=tuple(Grant(**one) for one in row["missing"]),
        )
        for row in fetch(conn, "views")
    }


def table_readers(conn: Connection, tables: Sequence[Name]) -> dict[Name, tuple[TableReader, ...]]:
    """Roles that may read each of these tables by a grant, and could not read everything anyway."""
    found: dict[Name, tuple[TableReader, ...]] = {}
    for row in fetch(conn, "table_readers", {"names": json.dumps(tables)}):
        name = (row["schema_name"], row["name"])
        found[name] = (*found.get(name, ()), TableReader(row["role"], frozenset(row["acts_as"])))
    return found


def _reaches(conn: Connection, definitions: Sequence[Definition]) -> dict[tuple[Name, Name], Reach]:
    """What owners of defined tables may do with the other relations that their definitions read."""
    pairs = [
        [definition.schema_name, definition.table_name, *read.name]
        for definition in definitions
        for read in reading.reads(definition)
    ]
    if not pairs:
        return {}
    return {
        ((row["schema_name"], row["name"]), (row["other_schema"], row["other_name"])): Reach(
            row["reader"],
            row["kind"],
            row["owner"],
            row["is_trusted"],
            row["may_read"],
            row["may_refer"],
            row["may_act"],
        )
        for row in fetch(conn, "reaches", {"pairs": json.dumps(pairs)})
    }


def read_relation(conn: Connection, name: Name) -> Relation | None:
    """Read what a table looks like, or ``None`` when there is none."""
    rows = fetch(conn, "relations", {"names": json.dumps([name])})
    return _hypertables(conn, check_node(conn), {name: _relation(rows[0])})[name] if rows else None


def _renamed(conn: Connection) -> dict[Name, str]:
    with by_own_names(conn):
        return {(schema, name): definition for schema, name, definition in conn.execute(query("renamed"))}


def replaced(conn: Connection) -> frozenset[str]:
    """Definitions whose name another table has by now; the runtime has to be there."""
    with by_own_names(conn):
        return frozenset(definition for (definition,) in conn.execute(query("replaced")))


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
        owner=row["owner"],
        schema_owner=row["schema_owner"],
        foreign_parts=tuple(((schema, name), owner) for schema, name, owner in row["foreign_parts"]),
        foreign_tables=_names(row["foreign_tables"]),
        rows=row["rows"],
        number=row["number"],
    )


def _names(pairs: Iterable[Sequence[str]]) -> tuple[Name, ...]:
    return tuple((schema, name) for schema, name in pairs)


def installed(conn: Connection) -> tuple[Installed, ...]:
    """What pgslo generated, as it is now; the runtime has to be there."""
    found = []
    with by_own_names(conn), conn.cursor(row_factory=dict_row) as cursor:
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
                    cloned=row["cloned"],
                    owner=row["owner"],
                    fires_always=row["fires_always"],
                )
            )
    ours = {".".join(one.names) for one in found if one.kind == "view"}
    return tuple(
        Installed(**{**vars(one), "dependants": tuple(name for name in one.dependants if name not in ours)})
        for one in found
    )


def _expression_types(
    conn: Connection, definitions: Sequence[Definition], relations: dict[Name, Relation]
) -> dict[tuple[Name, str], tuple[str, str, bool]]:
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
        with _probing(conn, by.location) as cursor:
            (oid,) = _analysed(conn, value_probe(name, by))
            row = cursor.execute(
                """
                SELECT pg_catalog.format_type(t.oid, NULL), t.typcategory::text,
                       n.nspname = 'pg_catalog' AND t.typowner = 10 AND t.typtype IN ('b', 'r', 'm')
                FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = %s
                """,
                (oid,),
            ).fetchone()
            if row:
                types[name, by.text] = (row[0], row[1], row[2])
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
            refused = _strangers(conn, definition)
            found += refused
            told = [error.location for error in refused if error.location is not None]
            for probe in one.probes:
                # An assertion is asked after its parts: what a part of it was told is not told again of the whole.
                place = probe.location
                if any(
                    one == place or (one.line == place.line and one.column > place.column) for one in told
                ):
                    continue
                wrong = _judge(conn, probe, only_analyse=one.reads_others)
                told += [place] * len(wrong)
                found += wrong
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


def _judge(conn: Connection, probe: Probe, *, only_analyse: bool) -> list[DefinitionError]:
    try:
        with _probing(conn, probe.location) as cursor:
            if only_analyse:
                _analysed(conn, probe.text)
            else:
                cursor.execute(probe.text.text.encode())
    except DefinitionError as exc:
        return [exc]
    return []


def _strangers(conn: Connection, definition: Definition) -> list[DefinitionError]:
    """What refuses queries of a definition that would run code which another role can change.

    PostgreSQL itself tells what it made of each query, by what a view over it depends on; the view is undone.
    Where the role may make no view, the lists of :mod:`pgslo.expression.vocabulary` have to do.
    """
    found: list[DefinitionError] = []
    for one in queries(definition):
        try:
            with _probing(conn, one.location, writes=True) as cursor:
                (row,) = fetch(conn, "view_place")
                if row["place"] is None:
                    continue
                view = sql.identifier(row["place"], f"query_{uuid.uuid4().hex}")
                cursor.execute(view_probe(view, one).text.encode(), prepare=False)
                rows = fetch(conn, "view_strangers", {"view": view.text})
        except DefinitionError as exc:
            found.append(exc)
            continue
        if rows:
            found.append(
                CatalogError(
                    f'the query depends on {rows[0]["object"]}, which belongs to role "{rows[0]["owner"]}"',
                    detail="The query runs code that this role can change, with the rights of the table's owner.",
                    hint="use types, casts and operators of PostgreSQL's own, or of the role that applies the definition",
                    location=one.location,
                )
            )
    return found


def _analysed(conn: Connection, text: Sql) -> tuple[int, ...]:
    """The types of a query's columns. It is not planned: planning runs immutable functions of views and indexes."""
    for result in (conn.pgconn.prepare(b"", text.text.encode()), conn.pgconn.describe_prepared(b"")):
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(result, conn.info.encoding)
    return tuple(result.ftype(column) for column in range(result.nfields))


@contextlib.contextmanager
def asking(conn: Connection, *, patience: int = PROBE_TIMEOUT, writes: bool = False) -> Iterator[None]:
    """Ask about tables: read-only unless ``writes``, for so many milliseconds a statement, and rolled back."""
    with conn.transaction(force_rollback=True):
        if not writes:
            conn.execute("SET TRANSACTION READ ONLY")
        # As generated functions will run it: nobody's operators but PostgreSQL's own.
        conn.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        conn.execute(f"SET LOCAL statement_timeout = {patience}".encode())
        yield


@contextlib.contextmanager
def _probing(conn: Connection, location: Any, *, writes: bool = False) -> Iterator[psycopg.Cursor[TupleRow]]:
    """A cursor whose work is short, rolled back, and read-only unless ``writes``; its errors are the author's."""
    try:
        with asking(conn, writes=writes), conn.cursor() as cursor:
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
        PlanError: As :func:`pgslo.plan.make` and :func:`pgslo.compile.placement.refuse_triggers`.
        RuntimeMismatch: Library and installed runtime do not fit.
    """
    catalog = read_catalog(conn, definitions)
    compiled = compile_all(conn, definitions, catalog)
    _refuse_foreign(conn, compiled, catalog)
    compiled = _validated(conn, compiled)
    _refuse_paused(conn, {definition.name for definition in definitions})
    state = runtime.read(conn)
    scripts = tuple(script.name for script in runtime.wanted(state))
    made = make(compiled, catalog, runtime_scripts=scripts)
    placement.refuse_triggers(_triggered(made), catalog)
    planned = {definition.name for definition in definitions}
    forged = [one for one in forgeries(conn) if one.definition in planned] if state.is_there else []
    notes = (
        *made.notes,
        *_left_out(conn, definitions, catalog),
        *(_forgery_note(one) for one in forged),
        *_owner_note(conn),
    )
    return replace(made, notes=notes)


def _refuse_foreign(conn: Connection, compiled: Sequence[Compiled], catalog: Catalog) -> None:
    """Refuse schemas of guarded views in which other roles could replace these, and names that other objects have.

    Raises:
        DefinitionErrors: There are some.
    """
    wanted = [place for each in compiled for place in view_schemas.wanted(each.definition)]
    schemas = _view_schemas(conn, [vars(place) for place in wanted])
    ours = {one.names for one in catalog.installed if one.kind == "view"}
    new = {one.names: each for each in compiled for one in each.artifacts if one.kind == "view"}
    taken = fetch(conn, "occupied", {"names": json.dumps([list(name) for name in new if name not in ours])})
    if taken and runtime.read(conn).is_there:
        # Another session may have applied the same since the catalogue was read.
        made = {one.names for one in installed(conn) if one.kind == "view"}
        taken = [row for row in taken if (row["schema_name"], row["name"]) not in made]
    errors = [
        *view_schemas.refusals([each.definition for each in compiled], schemas),
        *(view_schemas.occupied(new[row["schema_name"], row["name"]].definition, **row) for row in taken),
    ]
    if errors:
        raise DefinitionErrors(tuple(errors))


def _view_schemas(conn: Connection, wanted: Sequence[dict[str, Any]]) -> tuple[ViewSchema, ...]:
    rows = fetch(conn, "view_schemas", {"wanted": json.dumps(wanted)})
    return tuple(ViewSchema(**{**row, "creators": tuple(row["creators"])}) for row in rows)


def installed_schemas(conn: Connection, found: Sequence[Installed]) -> tuple[ViewSchema, ...]:
    """The schemas of guarded views that are installed."""
    tables = {row["definition"]: row for row in fetch(conn, "defined_tables")}
    return _view_schemas(
        conn,
        [
            {**tables[one.definition], "schema": one.names[0], "builder": one.owner}
            for one in found
            if one.kind == "view" and one.definition in tables
        ],
    )


def forgeries(conn: Connection) -> tuple[Forgery, ...]:
    """Objects whose comments claim that they are pgslo's; the runtime has to be there."""
    return tuple(
        Forgery(
            row["kind"],
            tuple(row["names"]),
            tuple(row["relation"]) if row["relation"] else None,
            row["owner"],
            row["definition"],
        )
        for row in fetch(conn, "forged")
    )


def _left_out(conn: Connection, definitions: Sequence[Definition], catalog: Catalog) -> Iterator[str]:
    """Roles that may read a table and will not read its guarded view."""
    tables = [(one.schema_name, one.table_name) for one in definitions]
    found = table_readers(conn, tables)
    for one, table in zip(definitions, tables, strict=True):
        view = catalog.views.get((one.guarded, one.table_name))
        if (note := grants.left_out(one, found.get(table, ()), view)) is not None:
            yield f"{one.name}: {note}"


def _owner_note(conn: Connection) -> tuple[str, ...]:
    """Who owns pgslo, where the plan runs that role's functions with the rights of another one."""
    return tuple(
        f"pgslo belongs to role {row['owner']}: applying runs functions of that role with the rights of {row['role']}"
        for row in fetch(conn, "keeper")
    )


def _forgery_note(one: Forgery) -> str:
    return (
        f"{one.definition}: the comment of {one.kind} {one.identity} says that pgslo generated it, but its owner is "
        f"{one.owner}; it is ignored"
    )


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
        PlanError: As :func:`pgslo.plan.removal` and :func:`pgslo.compile.placement.refuse_triggers`.
    """
    catalog = read_catalog(conn, ())
    made = removal(catalog, definitions)
    if catalog.citus is not None:
        tables = _triggered(made)
        placement.refuse_triggers(tables, replace(catalog, citus=_read_citus(conn, catalog.engine, tables)))
    return made


def _triggered(plan: Plan) -> set[Name]:
    """Tables whose triggers a plan creates, replaces or drops."""
    return {step.relation for step in plan.steps if step.kind == "trigger" and step.relation is not None}


def definitions_installed(conn: Connection) -> tuple[str, ...]:
    """Names of the definitions that are installed."""
    if runtime.read(conn).version is None:
        return ()
    return tuple(row[0] for row in conn.execute("SELECT name FROM pgslo_catalog.definition ORDER BY name"))


def held_rows(conn: Connection) -> dict[str, int]:
    """Rows that wait in quarantine, by definition."""
    if runtime.read(conn).version is None:
        return {}
    with by_own_names(conn):
        return dict(conn.execute(query("held_rows")).fetchall())


def snapshots_left(conn: Connection) -> dict[str, int]:
    """How many snapshots stay (``copies``) and how many go (``refs``) when the runtime goes."""
    if _SNAPSHOTS not in runtime.read(conn).migrations:
        return {"copies": 0, "refs": 0}
    (row,) = fetch(conn, "snapshots_left")
    return row


def runtime_dependants(conn: Connection) -> tuple[str, ...]:
    """Objects of other people that stand on the runtime, in words."""
    with by_own_names(conn):
        return tuple(row[0] for row in conn.execute(query("runtime_dependants")))
