"""Random objects of a stranger, for attacks: types, casts, operators, functions, comments, settings.

Each of her functions leaves a trace of the role that ran it: an advisory lock of the session, whose keys are a number of
the function and the oid of the role. It remains when the transaction is rolled back, and may be taken in a read-only one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

#: Types that she casts to and from, and the value that her casts return.
TARGETS = {
    "text": "'ok'",
    "varchar": "'ok'",
    "name": "'ok'",
    "json": "'{}'",
    "jsonb": "'{}'",
    "numeric": "1",
    "int4": "1",
    "int8": "1",
    "float8": "1",
    "bool": "true",
    "date": "'2026-01-01'",
    "timestamp": "'2026-01-01'",
    "timestamptz": "'2026-01-01'",
    "bytea": "'x'",
    "regclass": "'pg_class'",
    "text[]": "'{ok}'",
}
CONTEXTS = ("", " AS ASSIGNMENT", " AS IMPLICIT")
OPERATORS = (
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "||",
    "+",
    "-",
    "*",
    "/",
    "~",
    "->",
    "->>",
    "&&",
    "@>",
    "&",
    "?",
)
#: Functions of pg_catalog that generated SQL calls. She makes some of the same name for her types.
FUNCTIONS = (
    "array_agg", "array_to_string", "btrim", "coalesce_", "concat", "concat_ws", "count", "enum_out", "extract", "format",
    "hash_record_extended", "hashtextextended", "iso", "iso_text", "jsonb_build_array", "left", "length", "lower", "max",
    "md5", "min", "num_nonnulls", "record_out", "sum", "text", "textin", "to_json", "to_jsonb", "trim_scale", "unnest",
)  # fmt: skip
#: What any role may set for itself, and pgslo reads or PostgreSQL prints values by.
SETTINGS = (
    ("pgslo.touched", "x"), ("pgslo.touched", "{"), ("pgslo.touched", "(0,1)x"), ("pgslo.touched", "{a,b}"), ("pgslo.touched", "(9"),
    ("pgslo.sent", "x"), ("pgslo.sent", "{1,2,3,4,5}"), ("pgslo.sent", "{"), ("pgslo.on_read", "silent"), ("pgslo.heard", "on"), ("pgslo.warned_writer", "x"),
    ("datestyle", "SQL, DMY"), ("datestyle", "German"), ("intervalstyle", "sql_standard"), ("timezone", "Etc/GMT-14"), ("timezone", "Etc/GMT+12"),
    ("bytea_output", "escape"), ("extra_float_digits", "-15"), ("standard_conforming_strings", "off"), ("backslash_quote", "on"),
    ("xmloption", "document"), ("lc_monetary", "C"), ("plpgsql.variable_conflict", "use_variable"), ("plpgsql.variable_conflict", "use_column"),
    ("plpgsql.extra_errors", "all"), ("plpgsql.check_asserts", "off"), ("row_security", "off"), ("search_path", "evil, public, pg_catalog"),
    ("search_path", "evil"), ("client_min_messages", "error"), ("transform_null_equals", "on"), ("array_nulls", "off"), ("quote_all_identifiers", "on"),
    ("default_transaction_isolation", "serializable"), ("default_transaction_deferrable", "on"), ("constraint_exclusion", "on"),
    ("enable_seqscan", "off"), ("jit", "off"), ("work_mem", "64kB"), ("statement_timeout", "60s"), ("gin_fuzzy_search_limit", "1"),
    ("check_function_bodies", "off"), ("default_text_search_config", "simple"), ("session_replication_role", "replica"),
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of a type of hers.

    Attributes:
        form: enum, domain, composite, range or array.
        good: A value that rules of the test accept, in the type's text form.
        bad: Another one.
    """

    name: str
    type: str
    form: str
    good: str
    bad: str


@dataclass
class Stranger:
    """A source of random objects in schema ``evil``, in the order in which they can be created.

    Attributes:
        labels: The meaning of each number of a trace.
        names: The function of each number.
    """

    random: random.Random
    labels: dict[int, str] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    _names: int = 0
    #: Names of PostgreSQL's own types that a type of hers has not got yet.
    _builtin: list[str] = field(
        default_factory=lambda: ["text", "int4", "date", "numeric", "jsonb", "timestamptz", "varchar"]
    )

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}_{self._names}"

    def function(
        self,
        arguments: str,
        returns: str,
        result: str,
        about: str,
        *,
        name: str | None = None,
        marked: str | None = None,
    ) -> str:
        """Return the statement that creates a function that leaves a trace."""
        label = len(self.labels) + 1
        name = name or f"evil.{self._name('f')}"
        self.labels[label], self.names[label] = about, name
        marked = marked or self.random.choice(("VOLATILE", "VOLATILE", "STABLE", "IMMUTABLE PARALLEL SAFE"))
        return (
            f"CREATE FUNCTION {name}({arguments}) RETURNS {returns} LANGUAGE plpgsql {marked} AS $body$BEGIN "
            f"PERFORM pg_catalog.pg_try_advisory_lock_shared({label}, CURRENT_USER::pg_catalog.regrole::pg_catalog.oid::pg_catalog.int4); "
            f"RETURN {result}; END$body$"
        )

    # Types

    def _type_name(self, stem: str) -> str:
        """A name in schema evil, now and then one that has to be quoted with care."""
        name = self._name(stem)
        if self._builtin and self.random.random() < 0.08:
            return f"evil.{self._builtin.pop()}"
        if self.random.random() < 0.15:
            name = '"{} {}"'.format(
                self.random.choice(
                    ("%I", "%s", "'", '""', "A.b", "$$", "--", "/*", "\\", "\n", "é", "text", "{{ x }}")
                ),
                name,
            )
        return f"evil.{name}"

    def changes(self, types: Sequence[str]) -> list[str]:
        """Return statements that change types which are in use already."""
        type_ = self.random.choice(types)
        renamed = self._name("renamed")
        possible = [
            [f"ALTER TYPE {type_} RENAME TO {renamed}"],
            [f"ALTER TYPE {type_} RENAME VALUE 'ok' TO '{renamed}'"],
            [f"ALTER TYPE {type_} ADD VALUE '{renamed}'"],
            [f"ALTER TYPE {type_} ADD ATTRIBUTE more text CASCADE"],
            [f"ALTER TYPE {type_} RENAME ATTRIBUTE a TO {renamed} CASCADE"],
            [f"ALTER TYPE {type_} SET SCHEMA public"],
            [f"ALTER DOMAIN {type_} DROP NOT NULL"],
            [
                self.function("anyelement", "bool", "true", "CHECK that a domain got later", name=f"evil.{renamed}", marked="IMMUTABLE"),
                f"ALTER DOMAIN {type_} ADD CHECK (evil.{renamed}(VALUE)) NOT VALID",
            ],
        ]  # fmt: skip
        return self.random.choice(possible)

    def types(self, count: int) -> tuple[list[str], list[Column]]:
        """Return statements that create types, and a column of each."""
        statements: list[str] = []
        columns: list[Column] = []
        enum = self._type_name("mood")
        statements.append(f"CREATE TYPE {enum} AS ENUM ('ok', 'sad', 'bad')")
        made = [("enum", enum, "ok", "sad")]
        made += [self._type(statements, enum) for _ in range(count - 1)]
        self.random.shuffle(made)
        for number, (form, type_, good, bad) in enumerate(made, 1):
            columns.append(Column(f"e{number}", type_, form, good, bad))
        return statements, columns

    def _type(self, statements: list[str], enum: str) -> tuple[str, str, str, str]:
        form = self.random.choice(("enum", "domain", "domain", "composite", "range", "array", "array"))
        name = self._type_name(form)
        if form == "enum":
            statements.append(f"CREATE TYPE {name} AS ENUM ('ok', 'sad')")
            return form, name, "ok", "sad"
        if form == "domain":
            base, good, bad = self.random.choice(
                (
                    ("int4", "1", "999"),
                    ("float8", "1", "999"),
                    ("text", "ok", "sad"),
                    ("numeric", "1", "999"),
                    (enum, "ok", "sad"),
                    ("date", "2026-01-01", "2026-01-02"),
                )
            )
            check = self._name("check")
            statements.append(
                self.function(base, "bool", "true", f"CHECK of domain over {base}", name=f"evil.{check}")
            )
            statements.append(f"CREATE DOMAIN {name} AS {base} CHECK (evil.{check}(VALUE))")
            return form, name, good, bad
        if form == "composite":
            statements.append(f"CREATE TYPE {name} AS (a int4, b {enum})")
            return form, name, "(1,ok)", "(2,sad)"
        if form == "range":
            if self.random.random() < 0.5:
                statements.append(f"CREATE TYPE {name} AS RANGE (SUBTYPE = {enum})")
                return form, name, "[ok,sad)", "[sad,bad)"
            difference = self._name("difference")
            statements.append(
                self.function(
                    "float8, float8",
                    "float8",
                    "1",
                    "subtype_diff of range",
                    name=f"evil.{difference}",
                    marked="IMMUTABLE",
                )
            )
            statements.append(
                f"CREATE TYPE {name} AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = evil.{difference})"
            )
            return form, name, "[1,2)", "[5,9)"
        if self.random.random() < 0.5:
            return "array", f"{enum}[]", "{ok}", "{sad,ok}"
        statements.append(f"CREATE TYPE {name} AS (a int4)")
        return "array", f"{name}[]", "{(1)}", "{(2)}"

    # What can be defined on them

    def casts(self, types: Sequence[str], count: int) -> list[str]:
        """Return statements that create casts from and to types; some of them may exist already."""
        statements: list[str] = []
        for _ in range(count):
            type_ = self.random.choice(types)
            target = self.random.choice((*TARGETS, "text", "text", "json", "jsonb"))
            context = self.random.choice(CONTEXTS)
            how = self.random.random()
            if how < 0.15:
                statements.append(f"CREATE CAST ({type_} AS {target}) WITH INOUT{context}")
                continue
            name = f"evil.{self._name('cast')}"
            if how < 0.8:
                about = f"cast {type_} to {target}{context}"
                statements.append(
                    self.function(type_, target, f"{TARGETS[target]}::pg_catalog.{target}", about, name=name)
                )
                statements.append(f"CREATE CAST ({type_} AS {target}) WITH FUNCTION {name}({type_}){context}")
            else:
                about = f"cast {target} to {type_}{context}"
                statements.append(self.function(target, type_, "NULL", about, name=name))
                statements.append(
                    f"CREATE CAST ({target} AS {type_}) WITH FUNCTION {name}({target}){context}"
                )
        return statements

    def row_casts(self, relation: str) -> list[str]:
        """Return statements that create casts of the rows of a table of hers."""
        statements = []
        for target in ("json", "jsonb", "text"):
            name = f"evil.{self._name('cast')}"
            statements.append(
                self.function(
                    relation,
                    target,
                    f"{TARGETS[target]}::pg_catalog.{target}",
                    f"cast row of {relation} to {target}",
                    name=name,
                )
            )
            statements.append(f"CREATE CAST ({relation} AS {target}) WITH FUNCTION {name}({relation})")
        return statements

    def operators(self, types: Sequence[str], count: int, *, schema: str = "evil") -> list[str]:
        """Return statements that create operators with names that generated SQL uses."""
        statements = []
        for _ in range(count):
            type_, operator = self.random.choice(types), self.random.choice(OPERATORS)
            left, right = self.random.choice(
                ((type_, type_), (type_, "text"), ("text", type_), (type_, "anyelement"), ("name", "text"))
            )
            name = f"evil.{self._name('operator')}"
            statements.append(
                self.function(
                    f"{left}, {right}", "bool", "true", f"operator {left} {operator} {right}", name=name
                )
            )
            statements.append(
                f"CREATE OPERATOR {schema}.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {name})"
            )
        return statements

    def functions(self, types: Sequence[str], count: int, *, schema: str = "evil") -> list[str]:
        """Return statements that create functions and aggregates with names that generated SQL calls."""
        statements = []
        for _ in range(count):
            called, type_ = self.random.choice(FUNCTIONS), self.random.choice(types)
            if self.random.random() < 0.15:
                name = f"evil.{self._name('step')}"
                statements.append(
                    self.function(
                        f"text, {type_}", "text", "'ok'", f"aggregate {schema}.{called}({type_})", name=name
                    )
                )
                statements.append(
                    f"CREATE AGGREGATE {schema}.{called}({type_}) (SFUNC = {name}, STYPE = text)"
                )
                continue
            arguments = self.random.choice((type_, type_, "text", "name", f"{type_}, int4", "anyelement"))
            statements.append(
                self.function(
                    arguments,
                    "text",
                    "'ok'",
                    f"function {schema}.{called}({arguments})",
                    name=f"{schema}.{called}",
                )
            )
        return statements

    def traps(self) -> list[str]:
        """Return statements for schema public, where PostgreSQL 14 lets every role create: arguments that fit better than PostgreSQL's own."""
        statements = []
        for operator, left, right in (
            ("=", "name", "text"), ("=", "name", "varchar"), ("=", "oid", "regclass"), ("=", "regclass", "oid"), ("=", '"char"', "text"), ("<>", "name", "text"),
            ("||", "text", "name"), ("||", "name", "text"), ("~", "name", "text"), ("=", "oid", "int4"), ("=", "int2", "int8"), (">", "int2", "int4"),
        ):  # fmt: skip
            name = f"public.{self._name('operator')}"
            statements.append(
                self.function(
                    f"{left}, {right}",
                    "bool",
                    "false",
                    f"operator public.{operator} ({left}, {right})",
                    name=name,
                )
            )
            statements.append(
                f"CREATE OPERATOR public.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {name})"
            )
        for called, arguments in (
            ("format", "text, name"), ("format", "text, name, name"), ("format", "text, text"), ("concat", "text, text"), ("concat", "text"), ("left", "name, int4"),
            ("substr", "name, int4"), ("starts_with", "name, text"), ("format_type", "oid, int2"), ("to_char", "numeric, unknown"), ("jsonb_build_object", "text, text"),
            ("quote_ident", "name"), ("array_to_string", "name[], text"), ("string_agg", "name, text"), ("md5", "name"), ("lower", "name"), ("length", "name"),
        ):  # fmt: skip
            statements.append(
                self.function(
                    arguments,
                    "text",
                    "'ok'",
                    f"function public.{called}({arguments})",
                    name=f"public.{called}",
                )
            )
        return statements

    def of_table(self) -> list[str]:
        """Return statements over ``$table``, a table of hers, that have her functions run for its rows; on a twin they do the same."""
        name = f"evil.{self._name('of_table')}"
        trigger, boolean = (
            self.function(*one, name=name)
            for one in (
                ("", "trigger", "NEW", "trigger of her table"),
                ("", "bool", "true", "policy or rule of her table"),
            )
        )
        check = self.function(
            "int4", "bool", "true", "CHECK or index of her table", name=name, marked="IMMUTABLE"
        )
        possible = [
            [trigger, f"CREATE TRIGGER a_first BEFORE INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION {name}()"],
            [trigger, f"CREATE TRIGGER z_last AFTER INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION {name}()"],
            [
                boolean, "ALTER TABLE $table ENABLE ROW LEVEL SECURITY", "ALTER TABLE $table FORCE ROW LEVEL SECURITY",
                f"CREATE POLICY hers ON $table USING ({name}()) WITH CHECK ({name}())",
            ],
            [boolean, "ALTER TABLE $table ENABLE ROW LEVEL SECURITY", f"CREATE POLICY hers ON $table USING ({name}()) WITH CHECK ({name}())"],
            [boolean, f"CREATE RULE hers AS ON UPDATE TO $table DO ALSO SELECT {name}()"],
            [boolean, f"ALTER TABLE $table ADD COLUMN made bool DEFAULT {name}()"],
            [check, f"ALTER TABLE $table ADD CHECK ({name}(id))"],
            [check, f"CREATE INDEX ON $table ({name}(id))"],
            # With constants alone, PostgreSQL runs them when it plans a query over the table.
            [check, f"CREATE INDEX ON $table (({name}(0)::int4 OPERATOR(pg_catalog.+) id))"],
            [check, f"CREATE INDEX ON $table (id) WHERE {name}(0)"],
            [check, f"ALTER TABLE $table ADD CHECK ({name}(0))"],
            [check, f"CREATE STATISTICS evil.$statistics ON ({name}(0)::int4 OPERATOR(pg_catalog.+) id), flagging FROM $table", "ANALYZE $table"],
            [check, f"ALTER TABLE $table ADD COLUMN generated bool GENERATED ALWAYS AS ({name}(id)) STORED"],
        ]  # fmt: skip
        return self.random.choice(possible)

    # Names and settings

    def forged(self, definition: str, label: str) -> list[str]:
        """Return statements that create objects of hers which say that they belong to a definition."""
        claim = f"'pgslo 0123456789abcdef {definition}'"
        made = f"evil.{self._name(label)}"
        plain = made.removeprefix("evil.")
        possible = [
            [f"CREATE VIEW {made} AS SELECT 1 AS id, date '2026-01-01' AS d, 999 AS r", f"COMMENT ON VIEW {made} IS {claim}"],
            [f"CREATE MATERIALIZED VIEW {made} AS SELECT 1 AS id", f"COMMENT ON MATERIALIZED VIEW {made} IS {claim}"],
            [self.function("", "trigger", "NULL", f"forged trigger function of {definition}", name=made), f"COMMENT ON FUNCTION {made}() IS {claim}"],
            [
                f"CREATE TABLE {made} (id int4, d date)",
                self.function("", "trigger", "NULL", f"forged trigger of {definition}", name=f"{made}_f"),
                f"CREATE TRIGGER pgslo_500_measure_insert AFTER INSERT ON {made} FOR EACH STATEMENT EXECUTE FUNCTION {made}_f()",
                f"COMMENT ON TRIGGER pgslo_500_measure_insert ON {made} IS {claim}",
            ],
            [
                f"CREATE TABLE {made} (id int4 CONSTRAINT pgslo_{plain} CHECK (id > 0))",
                f"COMMENT ON CONSTRAINT pgslo_{plain} ON {made} IS {claim}",
            ],
            [f"CREATE TABLE {made} (id int4)", f"CREATE INDEX pgslo_{plain} ON {made} (id)", f"COMMENT ON INDEX evil.pgslo_{plain} IS {claim}"],
            [f"COMMENT ON SCHEMA evil IS {claim}"],
        ]  # fmt: skip
        return self.random.choice((possible[0], possible[0], *possible))

    def shadows(self) -> list[str]:
        """Return statements that create temporary objects with the names of pgslo's and PostgreSQL's."""
        possible = (
            "CREATE TEMP TABLE definition (name text)",
            "CREATE TEMP TABLE incident (definition text, about text[], resolved_at timestamptz)",
            "CREATE TEMP TABLE pg_class (oid oid, relname text)",
            "CREATE TEMP TABLE pgslo_rows (id int4)",
            "CREATE TEMP TABLE fragment (definition_id int8)",
            "CREATE TEMP VIEW pg_cursors AS SELECT 'pgslo_warned'::text AS name, ''::text AS statement",
            "CREATE TYPE pg_temp.measured AS (batch text)",
            "CREATE DOMAIN pg_temp.text AS pg_catalog.text",
            "CREATE DOMAIN pg_temp.int8 AS pg_catalog.text",
            self.function("text", "text", "'ok'", "function pg_temp.iso", name="pg_temp.iso"),
            self.function(
                "anyelement", "jsonb", "'{}'", "function pg_temp.to_jsonb", name="pg_temp.to_jsonb"
            ),
            "DECLARE pgslo_warned CURSOR WITH HOLD FOR SELECT 'x'",
        )
        return self.random.sample(possible, self.random.randint(0, 3))

    def settings(self) -> list[tuple[str, str]]:
        """Return settings for a session."""
        own = [one for one in SETTINGS if one[0].startswith("pgslo.")]
        return [
            *self.random.sample(own, self.random.choice((0, 0, 1, 2))),
            *self.random.sample(SETTINGS, self.random.choice((0, 0, 1, 2, 4))),
        ]


def traces(admin: Connection) -> set[tuple[int, str, int]]:
    """Return who ran what since traces were removed: number of the function, role, process of the session."""
    return set(
        admin.execute(
            """
            SELECT l.classid::pg_catalog.int8, r.rolname::pg_catalog.text, l.pid
            FROM pg_catalog.pg_locks l
            JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
            JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) l.objid
            WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 2
              AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
            """
        ).fetchall()
    )
