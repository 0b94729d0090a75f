"""Which columns of each table hold the group of a row, by the equalities that a query asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from pgslo.expression.queries.identifiers import Name, alias_of, folded, name_of, sources


class UnderivableError(Exception):
    """The groups of a write cannot be determined; the text has the reason, lower case and without a full stop."""


@dataclass(frozen=True)
class Facts:
    """The known facts of a table: its columns, and those that are never NULL."""

    columns: tuple[str, ...]
    not_null: frozenset[str]


#: A column of one place in the query: which table node, and which column.
_Place = tuple[int, str]


@dataclass(frozen=True)
class _Scope:
    """One SELECT: the tables of its FROM, and the scopes around it, innermost first."""

    select: exp.Select
    tables: tuple[exp.Table, ...]
    around: tuple[_Scope, ...]


class Groups:
    """Which columns of each table hold the group of a row, by the equalities that the query asks for."""

    def __init__(self, root: exp.Expr, facts: Mapping[Name, Facts]) -> None:
        self._facts = facts
        self._root = root
        self._scopes: dict[int, _Scope] = {}

    def keys(self, group_by: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
        """Columns of each table node, in the order of the groups' columns."""
        root = self._root
        if not isinstance(root, exp.Select):
            raise UnderivableError("the query is made of several queries")
        if root.find(exp.CTE) is not None:
            raise UnderivableError("it has a WITH")
        for key in ("limit", "offset", "fetch", "laterals"):
            if root.args.get(key):
                raise UnderivableError(f"it has {key.upper()}")
        if any(
            isinstance(node.find_ancestor(exp.Select), exp.Select) and node.find_ancestor(exp.Select) is root
            for node in root.find_all(exp.Window)
        ):
            raise UnderivableError("it has window functions, which look at other rows")
        outer = self._scope(root, ())
        wanted = [self._shown(outer, name) for name in group_by]
        self._check_grouped(outer, wanted)
        found = {}
        for select in root.find_all(exp.Select):
            scope = self._scopes.get(id(select)) or self._scope(select, self._around(select))
            for table in scope.tables:
                found[id(table)] = self._columns(table, scope, wanted)
        return found

    def _around(self, select: exp.Select) -> tuple[_Scope, ...]:
        parent = select.find_ancestor(exp.Select)
        if parent is None:
            raise UnderivableError("it cannot be read")
        scope = self._scopes.get(id(parent)) or self._scope(parent, self._around(parent))
        return (scope, *scope.around)

    def _scope(self, select: exp.Select, around: tuple[_Scope, ...]) -> _Scope:
        tables = []
        for source in sources(select):
            if not isinstance(source.this, exp.Table) or not isinstance(source.this.this, exp.Identifier):
                raise UnderivableError("it reads from a query in its FROM")
            if source.args.get("method") or source.args.get("side") in ("RIGHT", "FULL"):
                raise UnderivableError("it has a NATURAL, RIGHT or FULL JOIN")
            alias = source.this.args.get("alias")
            if alias is not None and alias.args.get("columns"):
                raise UnderivableError("it gives columns other names in its FROM")
            tables.append(source.this)
        scope = _Scope(select, tuple(tables), around)
        self._scopes[id(select)] = scope
        return scope

    def _shown(self, scope: _Scope, name: str) -> _Place:
        """The column behind a column of the result."""
        for shown in scope.select.expressions:
            if shown.alias_or_name != name:
                continue
            inner = shown.this if isinstance(shown, exp.Alias) else shown
            place = self._place(inner, scope) if isinstance(inner, exp.Column) else None
            if place is None:
                raise UnderivableError(f'"{name}" of its result is not a column of one of its tables')
            table = next((one for one in scope.tables if id(one) == place[0]), None)
            if table is None or _is_optional(table):
                raise UnderivableError(f'"{name}" comes from the optional side of a LEFT JOIN')
            if place[1] not in self._facts[name_of(table)].not_null:
                raise UnderivableError(f'column "{place[1]}" of {".".join(name_of(table))} may be NULL')
            return place
        raise UnderivableError(f'its result has no column "{name}"')

    def _check_grouped(self, scope: _Scope, wanted: list[_Place]) -> None:
        select = scope.select
        group = select.args.get("group")
        aggregates = any(
            node.find_ancestor(exp.Select) is select for node in select.find_all(exp.AggFunc)
        ) or bool(select.args.get("having"))
        if group is None and aggregates:
            raise UnderivableError("it aggregates without GROUP BY")
        if group is None:
            return
        if any(group.args.get(key) for key in ("cube", "rollup", "grouping_sets", "totals")):
            raise UnderivableError("it groups in several ways at once")
        grouped = {self._place(one, scope) for one in group.expressions if isinstance(one, exp.Column)}
        if not set(wanted) <= grouped:
            raise UnderivableError("it groups rows by something else")

    def _columns(self, table: exp.Table, scope: _Scope, wanted: list[_Place]) -> tuple[str, ...]:
        equal = _Equal()
        for one in (scope, *scope.around):
            for left, right in self._equalities(one, table):
                equal.join(left, right)
        if _is_optional(table):
            join = table.parent
            for left, right in self._pairs(join.args.get("on") if join else None, scope):
                equal.join(left, right)
        columns = []
        for place in wanted:
            column = next(
                (
                    name
                    for name in self._facts[name_of(table)].columns
                    if equal.same((id(table), name), place)
                ),
                None,
            )
            if column is None:
                raise UnderivableError(
                    f'no column of {".".join(name_of(table))} has to be equal to "{place[1]}" of the group'
                )
            columns.append(column)
        return tuple(columns)

    def _equalities(self, scope: _Scope, table: exp.Table) -> Iterator[tuple[_Place, _Place]]:
        """The conditions of every row of a scope, and for a scope in IN, the compared values."""
        del table
        where = scope.select.args.get("where")
        yield from self._pairs(where.this if where else None, scope)
        seen: list[exp.Table] = list(scope.tables[:1])
        for join in scope.select.args.get("joins") or ():
            if not join.args.get("side"):
                yield from self._pairs(join.args.get("on"), scope)
            for name in join.args.get("using") or ():
                column = folded(name)
                holders = [one for one in seen if column in self._facts[name_of(one)].columns]
                if len(holders) == 1 and not join.args.get("side"):
                    yield (id(holders[0]), column), (id(join.this), column)
            seen.append(join.this)
        yield from self._sought(scope)

    def _sought(self, scope: _Scope) -> Iterator[tuple[_Place, _Place]]:
        """``x IN (SELECT c FROM …)``: x is c, for the rows that it lets through."""
        select = scope.select
        parent = select.parent.parent if isinstance(select.parent, exp.Subquery) else select.parent
        if not isinstance(parent, exp.In) or not scope.around or len(select.expressions) != 1:
            return
        node: exp.Expr | None = parent.parent
        while isinstance(node, exp.And | exp.Or | exp.Paren):
            node = node.parent
        if not isinstance(node, exp.Where):
            return
        left, right = parent.this, select.expressions[0]
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            ours, theirs = self._place(left, scope.around[0]), self._place(right, scope)
            if ours and theirs:
                yield ours, theirs

    def _pairs(self, condition: exp.Expr | None, scope: _Scope) -> Iterator[tuple[_Place, _Place]]:
        if isinstance(condition, exp.Paren):
            yield from self._pairs(condition.this, scope)
        elif isinstance(condition, exp.And):
            yield from self._pairs(condition.left, scope)
            yield from self._pairs(condition.right, scope)
        elif (
            isinstance(condition, exp.EQ)
            and isinstance(condition.left, exp.Column)
            and isinstance(condition.right, exp.Column)
        ):
            left, right = self._place(condition.left, scope), self._place(condition.right, scope)
            if left and right:
                yield left, right

    def _place(self, column: exp.Column, scope: _Scope) -> _Place | None:
        """The table node and the name of a column, or ``None`` when that cannot be determined."""
        if not isinstance(column.this, exp.Identifier):
            return None
        name = folded(column.this)
        qualifier = column.args.get("table")
        for one in (scope, *scope.around):
            if qualifier is not None:
                named = [table for table in one.tables if alias_of(table) == folded(qualifier)]
                holders = [table for table in named if name in self._facts[name_of(table)].columns]
                if named and not holders:
                    return None
            else:
                holders = [table for table in one.tables if name in self._facts[name_of(table)].columns]
            if len(holders) > 1:
                return None
            if holders:
                return id(holders[0]), name
        return None


def _is_optional(table: exp.Table) -> bool:
    return isinstance(table.parent, exp.Join) and bool(table.parent.args.get("side"))


class _Equal:
    """Which places have equal values."""

    def __init__(self) -> None:
        self._of: dict[_Place, _Place] = {}

    def join(self, one: _Place, other: _Place) -> None:
        self._of[self._find(one)] = self._find(other)

    def same(self, one: _Place, other: _Place) -> bool:
        return self._find(one) == self._find(other)

    def _find(self, place: _Place) -> _Place:
        while place in self._of and self._of[place] != place:
            place = self._of[place]
        return place
