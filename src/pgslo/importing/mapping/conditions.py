"""SQL of a source as conditions here: through the gate that every condition of an author passes."""

from __future__ import annotations

import re
from typing import Any

from pgslo import expression
from pgslo.errors import DefinitionError, Location
from pgslo.importing.model import Remark, UnmappableError
from pgslo.sql import UnsafeSql, identifier, literal

_NOWHERE = Location("", 1, 1)
_SHOWN = 300
#: Strings and names in quotes, so that a backquote inside of them stays.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?P<name>(?:[^`]|``)+)`""")


def column(name: str) -> str:
    """Return a column's name as conditions write it."""
    try:
        return identifier(name).text
    except UnsafeSql as error:
        raise UnmappableError("sql_refused", error.message) from None


def constant(value: Any) -> str:
    """Return a constant as conditions write it; they take no ``E'…'``, and a backslash in them is one."""
    try:
        text = literal(value).text
    except UnsafeSql as error:
        raise UnmappableError("sql_refused", error.message) from None
    return "'" + str(value).replace("'", "''") + "'" if text.startswith(" E'") else text


def checked(text: str) -> str:
    """Return a condition on a line.

    Raises:
        UnmappableError: The gate refuses it.
    """
    condition = _trimmed(text)
    try:
        expression.parse(condition, location=_NOWHERE)
    except DefinitionError as error:
        raise UnmappableError("sql_refused", _said(error)) from None
    return condition


def query(text: str) -> str:
    """Return a query on a line.

    Raises:
        UnmappableError: The gate refuses it.
    """
    statement = _trimmed(text)
    try:
        expression.parse_query(statement, location=_NOWHERE)
    except DefinitionError as error:
        raise UnmappableError("sql_refused", _said(error)) from None
    return statement


def clock(text: str) -> tuple[Remark, ...]:
    """Return a remark if a condition depends on the clock: a row is judged once here, and at each run there."""
    parsed = expression.parse(text, location=_NOWHERE)
    return (Remark("judged_on_write"),) if expression.needs_clock(parsed.text) else ()


def both(first: str | None, second: str | None) -> str | None:
    """Return the condition that two others hold; ``None`` means all rows."""
    if first is None or second is None:
        return first or second
    return f"({first}) AND ({second})"


def all_of(*said: object) -> str | None:
    """Return the condition that all of several hold, each checked; ``None`` means all rows.

    Raises:
        UnmappableError: The gate refuses one.
    """
    where: str | None = None
    for one in said:
        if one is not None:
            where = both(where, checked(str(one)))
    return where


def _trimmed(text: str) -> str:
    """The text without what only ends a statement, and on a line where no string of it is broken."""
    text = _plain_names(text.strip().removesuffix(";").rstrip())
    return (
        " ".join(line.strip() for line in text.split("\n"))
        if not set(text) & {"'", '"'} and "--" not in text
        else text
    )


def _plain_names(text: str) -> str:
    """The text with names in backquotes, as Spark, BigQuery and MySQL write them, in double quotes."""

    def named(found: re.Match[str]) -> str:
        name = found["name"]
        return found[0] if name is None else '"' + name.replace("``", "`").replace('"', '""') + '"'

    return _QUOTED.sub(named, text) if "`" in text else text


def _said(error: DefinitionError) -> str:
    return f"pgslo does not accept the SQL: {error.message}"[:_SHOWN]
