"""Assertions that are an author's own query: the relations it reads, and groups that a write to these may violate."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import sql
from pgslo.catalog import Name
from pgslo.compile.assertions.groups import (
    BUCKETS,
    GROUP,
    NOTHING,
    RESULT,
    TRUE,
    Form,
    Parts,
    Touch,
)
from pgslo.compile.assertions.kinds.base import AssertionKind
from pgslo.compile.table.column_types import check_query
from pgslo.definition.rules.kinds import assertions as rules
from pgslo.errors import CatalogError
from pgslo.expression import Facts, UnderivableError, derive, needs_clock, tables_read
from pgslo.expression.queries.derivation import ALL_EVENTS
from pgslo.sql import Sql


@dataclass(frozen=True)
class _Query(Form):
    query: Sql = NOTHING
    matches: Sql = TRUE


class ReturnsNothing(AssertionKind[rules.ReturnsNothing]):
    """An author's own query returns no rows."""

    def compiled(self) -> Parts:
        """Return the query over the groups that it names."""
        rule = self.rule
        place = rule.query.location
        names = tables_read(rule.query)
        check_query(rule.query, self._catalog)
        hidden = self._hidden(rule, names)
        if hidden and not rule.check_on:
            raise CatalogError(
                f"cannot determine the writes that can violate this assertion: {hidden}",
                hint="name the tables whose every write is to be checked: check_on: [schema.table]",
                location=place,
            )
        if rule.check_on and rule.group_by:
            raise CatalogError(
                '"group_by" does not fit "check_on": every write is checked as a whole',
                location=rule.place("group_by"),
            )
        facts = {
            name: Facts(
                tuple(column.name for column in relation.columns),
                frozenset(column.name for column in relation.columns if column.not_null),
            )
            for name, relation in self._catalog.relations.items()
        }
        touches, types = self._derived(rule, facts) if not rule.check_on else self._every_write(rule)
        key, shown, touched = self._group(rule.group_by, types)
        form = _Query(
            groups=touched,
            group_key=key,
            group_shown=shown,
            rows=NOTHING,
            row_keys=NOTHING,
            row_key=NOTHING,
            query=rule.query.sql(),
            matches=sql.join(
                " AND ",
                [
                    Sql(f"{RESULT}.{sql.identifier(name)} = {GROUP}.g{n}")
                    for n, name in enumerate(rule.group_by)
                ]
                or [TRUE],
            ),
        )
        result = Sql(f"(\n{rule.query.sql()}\n) AS {RESULT} WHERE TRUE")
        groups = self._all_groups(
            tuple(Sql(f"{RESULT}.{sql.identifier(name)}") for name in rule.group_by), types, result
        )
        whole = "the whole query, once in a transaction"
        listed = ", ".join(f"{touch.relation.schema}.{touch.relation.name}" for touch in touches)
        return self._finish(
            Parts(
                touches=touches,
                of_all=sql.render("assertions/sql", type(form)(**(vars(form) | {"groups": groups}))),
                of_touched=sql.render("assertions/sql", form),
                buckets=BUCKETS if rule.group_by else 1,
                hidden=bool(hidden),
                cost="the query for each touched group" if rule.group_by else whole,
                notes=(
                    f"{rule.name}: {hidden or 'as asked'}; every write to {listed} runs the whole query when it commits"
                    + (", and such transactions wait for each other" if rule.on_breach == "reject" else ""),
                )
                if rule.check_on
                else (),
            )
        )

    def _hidden(self, rule: rules.ReturnsNothing, names: tuple[Name, ...]) -> str | None:
        """Why looking at writes to the tables that it names is not enough, or ``None``."""
        for name in names:
            relation = self._catalog.relations.get(name)
            if relation is None:
                raise CatalogError(f"table {'.'.join(name)} does not exist", location=rule.query.location)
            if relation.kind not in ("r", "p"):
                return f"{'.'.join(name)} is not a table, and reads others"
            if relation.is_partition:
                return f"{'.'.join(name)} is a partition, which is also written through its parent"
        if not names:
            return "it reads no table"
        word = needs_clock(rule.query.text)
        return f'"{word}" changes without any write' if word else None

    def _every_write(self, rule: rules.ReturnsNothing) -> tuple[tuple[Touch, ...], tuple[Sql, ...]]:
        touches = []
        for n, name in enumerate(rule.check_on):
            place = rule.place(f"check_on.{n}" if f"check_on.{n}" in rule.places else "check_on")
            relation = self._catalog.relations.get(name)
            if relation is None:
                raise CatalogError(f"table {'.'.join(name)} does not exist", location=place)
            if relation.kind not in ("r", "p") or relation.is_partition:
                raise CatalogError(
                    f"{'.'.join(name)} is not a table whose writes could all be seen", location=place
                )
            columns = tuple(column.name for column in relation.columns)
            touches.append(self._touch(relation, ALL_EVENTS, columns, (), (), TRUE, 1))
        return tuple(touches), ()

    def _derived(
        self, rule: rules.ReturnsNothing, facts: dict[Name, Facts]
    ) -> tuple[tuple[Touch, ...], tuple[Sql, ...]]:
        try:
            sources = derive(rule.query, facts, group_by=rule.group_by)
        except UnderivableError as error:
            raise CatalogError(
                f"cannot determine the groups of a write from the query: {error}",
                hint='leave "group_by" out: then the whole query is run for each transaction that can break it',
                location=rule.place("group_by"),
            ) from None
        relations = {source.table: self._catalog.relations[source.table] for source in sources}
        types: tuple[Sql, ...] = ()
        for n in range(len(rule.group_by)):
            columns = tuple(
                self._column(key[n], "group_by", of=relations[source.table])
                for source in sources
                for key in source.keys
            )
            types = (
                *types,
                self._type(tuple({one.base_type: one for one in columns}.values()), rule.place("group_by")),
            )
        self._bucket_probe(types, rule.place("group_by"))
        buckets = BUCKETS if rule.group_by else 1
        touches = [
            self._touch(relations[source.table], source.events, source.columns, key, types, TRUE, buckets)
            for source in sources
            for key in source.keys or ((),)
        ]
        return tuple(touches), types
