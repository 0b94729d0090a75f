"""Plans carried out: locks taken and let go, everything of a plan or nothing. Decides nothing: what to do comes from the plan."""

from __future__ import annotations

import contextlib
import functools
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psycopg

from pgslo import naming, sql
from pgslo.compile import Statement
from pgslo.database import runtime
from pgslo.database.catalog_queries import by_own_names, fetch, query
from pgslo.database.catalog_reader import definitions_installed, runtime_dependants
from pgslo.database.connections import Connection, errors
from pgslo.database.installers import installing
from pgslo.errors import DatabaseError, PgsloError, PlanOutdated
from pgslo.plan import Plan, Step, order_statements
from pgslo.sql import Sql

#: Longest wait for table locks before apply gives way to those behind it, in milliseconds.
LOCK_TIMEOUT = 100
#: The same for long work in each of many partitions: no session waits for longer in total.
_LOCK_TIMEOUT_OF_MANY = 25
#: The least rest of it for each further lock: a free lock is granted at once.
_LEAST_LOCK_TIMEOUT = 5
#: How long apply tries again to get its locks, in seconds.
LOCK_PATIENCE = 300.0
#: How many tables an error names.
_MOST_NAMED = 5
#: Longest that a statement under strong locks may take, in milliseconds: none of them reads a table.
STATEMENT_TIMEOUT = 60_000

#: NOT NULL, foreign key, unique, CHECK and exclusion violations.
_BY_ROWS = frozenset({"23502", "23503", "23505", "23514", "23P01"})


@dataclass(frozen=True)
class Unfinished:
    """A statement that could not be carried out after the rest was committed.

    Attributes:
        step: The step it belongs to.
        error: The reason; steps committed before it stay, and the next plan finishes the rest.
    """

    step: Step
    error: DatabaseError

    @property
    def is_by_rows(self) -> bool:
        """Whether rows of a user's table are why, rather than a constraint of pgslo's own state."""
        return self.error.sqlstate in _BY_ROWS and not naming.is_reserved(self.error.schema or "")


def apply(
    conn: Connection,
    plan: Plan,
    replan: Callable[[], Plan],
    *,
    on_statement: Callable[[Step, Statement], None] = lambda _step, _statement: None,
    on_wait: Callable[[], None] = lambda: None,
    on_busy: Callable[[str], None] = lambda _tables: None,
) -> tuple[Unfinished, ...]:
    """Carry a plan out: first the steps of one transaction, then those that must run alone, one by one.

    Args:
        conn: An autocommit connection to the server itself, not to a pooler in transaction mode.
        plan: What to do.
        replan: Makes the same plan again; called under the lock, so that nothing moves between the two.
        on_statement: Called with each statement before it runs, at each attempt.
        on_wait: Called once when another installer is at work.
        on_busy: Called with the tables that other sessions hold, once before they are tried again.

    Returns:
        What could not be finished because existing rows break a rule; new rows are held to it all the same.

    Raises:
        PlanOutdated: The database moved since the plan was made; nothing was changed.
        DatabaseError: A statement failed; nothing was changed, except triggers of partitions, which are committed first.
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
        together = [
            (step, statement) for step, statement in ordered if not (statement.ahead or statement.later)
        ]

        def by_itself(step: Step, statement: Statement) -> None:
            on_statement(step, statement)
            _patiently(
                conn, _locked([(step, statement)]), functools.partial(_apply_alone, conn, statement), on_busy
            )

        for step, statement in ordered:
            if statement.ahead:
                by_itself(step, statement)
        _patiently(
            conn, _locked(together), lambda: _apply_together(conn, together, plan, on_statement), on_busy
        )
        unfinished: list[Unfinished] = []
        for step, statement in ordered:
            if not statement.later or any(one.step == step for one in unfinished):
                continue
            if statement.apart and (error := _already_busy(step, unfinished)):
                unfinished.append(Unfinished(step, error))
                continue
            try:
                by_itself(step, statement)
            except DatabaseError as exc:
                unfinished.append(Unfinished(step, exc))
        _remember(conn, plan)
        return tuple(unfinished)


def _already_busy(step: Step, unfinished: Sequence[Unfinished]) -> DatabaseError | None:
    """The result for a partition that was never free: its other triggers are not waited for as long again."""
    tables = {one.on for one in step.statements if one.on}
    return next((one.error for one in unfinished if tables & {each.on for each in one.step.statements}), None)


def _remember(conn: Connection, plan: Plan) -> None:
    names = {step.definition for step in plan.steps} & set(definitions_installed(conn))
    if names:
        with errors(), by_own_names(conn):
            conn.execute(remembering(names).text.encode(), prepare=False)


@dataclass(frozen=True)
class _Remembered:
    version: Sql
    definitions: Sql


def remembering(definitions: Iterable[str]) -> Sql:
    """The statement that records the state of these definitions, which drift is compared with."""
    names = sql.join(", ", (sql.literal(name) for name in sorted(definitions)))
    context = _Remembered(
        version=sql.literal(runtime.library_version()),
        definitions=Sql(f"ARRAY[{names}]"),
    )
    return sql.render("remember", context)


def rehearse(conn: Connection, plan: Plan, replan: Callable[[], Plan]) -> tuple[Step, ...]:
    """Run everything of a plan that goes into one transaction, and roll it back.

    Returns:
        Steps with statements that were not run, because they run outside of the transaction.

    Raises:
        PlanOutdated: As :func:`apply`.
        DatabaseError: A statement failed.
    """
    with installing(conn):
        if replan().state != plan.state:
            raise PlanOutdated("the database moved since the plan was made", hint="look at the new plan")
        ordered = order_statements(plan)
        together = [(step, one) for step, one in ordered if one.apart or not one.later]
        rolled_back = functools.partial(conn.transaction, force_rollback=True)

        def work() -> None:
            with rolled_back():
                _apply_together(conn, together, plan, lambda _step, _statement: None)

        _patiently(conn, _locked(together), work)
    return tuple(dict.fromkeys(step for step, one in ordered if one.later and not one.apart))


def migrate(conn: Connection) -> bool:
    """Bring the runtime up to this library; returns whether anything had to be done."""
    changed = False

    def work() -> None:
        nonlocal changed
        with errors(), conn.transaction():
            _prepare(conn)
            changed = runtime.install(conn)

    with installing(conn):
        _patiently(conn, [row["name"] for row in fetch(conn, "own_tables")], work)
    return changed


def _apply_together(
    conn: Connection,
    statements: Sequence[tuple[Step, Statement]],
    plan: Plan,
    on_statement: Callable[[Step, Statement], None],
) -> None:
    first = _LOCK_TIMEOUT_OF_MANY if any(one.clones for _, one in statements) else LOCK_TIMEOUT
    with errors(), conn.transaction():
        _prepare(conn, lock=first)
        if plan.runtime_scripts:
            runtime.install(conn)
            # With the runtime, others see whose turn it is.
            conn.execute(query("hold_turn"))
            _prepare(conn, lock=first)
        locked_at: float | None = None
        for step, statement in statements:
            on_statement(step, statement)
            commands = [command.text for command in statement.commands]
            if locked_at is not None:
                # A session that waits for the held locks waits for later ones as well.
                left = LOCK_TIMEOUT - round((time.monotonic() - locked_at) * 1000)
                commands = [f"SET LOCAL lock_timeout = {max(left, _LEAST_LOCK_TIMEOUT)}", *commands]
            elif statement.lock or step.kind == "view":
                locked_at = time.monotonic()
            _execute(conn, commands)


def _apply_alone(conn: Connection, statement: Statement) -> None:
    with errors():
        if statement.alone:
            # Waits for every open transaction by its nature; a time limit would leave an invalid index.
            conn.execute("SET search_path = pg_catalog, pg_temp")
            conn.execute("SET statement_timeout = 0")
            conn.execute("SET lock_timeout = 0")
            conn.execute(statement.text.text.encode(), prepare=False)
            return
        with conn.transaction():
            # A validation reads the whole table, under a lock that lets others read and write.
            _prepare(conn, statement=0)
            _execute(conn, [command.text for command in statement.commands])


def _execute(conn: Connection, commands: Sequence[str]) -> None:
    """Run commands in order inside a transaction: each in a message of its own, all in one round trip.

    Others wait for the locks as long as the round trips take. With libpq before 14 each command takes its own.
    """
    together = len(commands) > 1 and psycopg.capabilities.has_pipeline()
    with conn.pipeline() if together else contextlib.nullcontext():
        for command in commands:
            conn.execute(command.encode(), prepare=False)


def _prepare(conn: Connection, *, lock: int = LOCK_TIMEOUT, statement: int = STATEMENT_TIMEOUT) -> None:
    # Before each part: installing the runtime resets it.
    conn.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    conn.execute(f"SET LOCAL lock_timeout = {lock}".encode())
    conn.execute(f"SET LOCAL statement_timeout = {statement}".encode())
    conn.execute(query("citus_settings"))


def _patiently(
    conn: Connection,
    tables: list[str],
    work: Callable[[], None],
    on_busy: Callable[[str], None] = lambda _tables: None,
) -> None:
    """Try again when a table is busy: waiting in its queue would make everybody behind wait as well."""
    until = time.monotonic() + LOCK_PATIENCE
    first = pause = 0.1
    while True:
        try:
            work()
        except DatabaseError as exc:
            if exc.sqlstate != "55P03":
                raise
            if time.monotonic() + pause > until:
                raise _never_free(conn, tables) from exc
            if pause == first:
                on_busy(_and(tables))
            # Never in step with regular jobs; sessions that queued behind have their turn.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(pause * 1.5, 2.0)
        else:
            return


def _locked(statements: Sequence[tuple[Step, Statement]]) -> list[str]:
    return sorted({name for _, statement in statements if statement.on for name in statement.on.split(", ")})


def _and(tables: Sequence[str]) -> str:
    return " and ".join(tables) or "a table"


def _never_free(conn: Connection, tables: list[str]) -> DatabaseError:
    shown = _and(tables) if len(tables) <= _MOST_NAMED else f"{len(tables)} tables"
    holders = [row["holder"] for row in fetch(conn, "lock_holders", {"tables": tables})]
    return DatabaseError(
        f"no moment came in {LOCK_PATIENCE:g} seconds in which {shown} could be locked",
        detail=f"Transactions hold locks there: {'; '.join(holders)}." if holders else None,
        hint="try again when they have ended; waiting in line for them would make everybody else wait as well",
        sqlstate="55P03",
    )


def drop_runtime(conn: Connection) -> None:
    """Drop the runtime, after the last definition; does nothing without one.

    Raises:
        PgsloError: Objects of other roles depend on it.
    """
    with installing(conn), errors(), conn.transaction():
        if not runtime.read(conn).is_there:
            return
        dependants = runtime_dependants(conn)
        if dependants:
            raise PgsloError(
                "cannot drop the runtime because other objects depend on it",
                detail=f"It is used by {'; '.join(dependants)}.",
                hint="drop those first",
            )
        remaining = definitions_installed(conn)
        if remaining:
            raise PgsloError(
                "the runtime cannot be dropped while definitions are installed",
                detail=f"Installed are {', '.join(remaining)}.",
            )
        _prepare(conn)
        conn.execute(query("drop_extension" if runtime.read(conn).extension else "drop_runtime"))
