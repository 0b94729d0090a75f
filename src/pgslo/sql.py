"""SQL as a type of its own: text that is safe to put into a statement, and the only way to make it.

A template's context holds nothing but :class:`Sql`, so a value that was not quoted cannot reach a statement.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import jinja2

from pgslo import assets
from pgslo.errors import PgsloError
from pgslo.keywords import RESERVED

#: Quotes every generated function body; no value may contain it, or the body would end there.
BODY_QUOTE = "$pgslo$"

#: Lines of generated SQL end before this many characters, where they can.
WIDTH = 118

#: Quotes SQL inside of such a body.
_INNER_QUOTE = "$sql$"

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Sql:
    """A piece of SQL that needs no more quoting.

    Attributes:
        text: The SQL itself.
    """

    text: str

    def __str__(self) -> str:
        return self.text


class UnsafeSql(PgsloError):
    """A value cannot be written into generated SQL."""


def identifier(*names: str) -> Sql:
    """A possibly qualified name, quoted only where PostgreSQL needs it, so that goldens read well.

    Args:
        names: Schema, table, column …, as the catalogue spells them.

    Raises:
        UnsafeSql: A name is empty or holds a NUL character or the body quote.
    """
    return Sql(".".join(_identifier(name) for name in names))


def _identifier(name: str) -> str:
    if not name or "\0" in name:
        raise UnsafeSql(f"name {name!r} is empty or holds a NUL character")
    _refuse_body_quote(name)
    if _PLAIN.match(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> Sql:
    """A constant.

    Args:
        value: ``None``, a bool, number, text, date, time or timestamp.

    Returns:
        A literal whose meaning does not depend on the session's settings (``standard_conforming_strings``).

    Raises:
        UnsafeSql: The value holds a NUL character or the body quote, or is of another type.
    """
    match value:
        case None:
            return Sql("NULL")
        case bool():
            return Sql("TRUE" if value else "FALSE")
        case int():
            return Sql(str(value))
        case float():
            return Sql(repr(value)) if math.isfinite(value) else literal(_not_finite(value))
        case decimal.Decimal():
            return Sql(str(value)) if value.is_finite() else literal(str(value))
        case dt.date() | dt.time():
            return literal(value.isoformat())
        case str():
            return Sql(_text_literal(value))
        case _:
            raise UnsafeSql(f"a value of type {type(value).__name__} cannot be written as SQL")


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _text_literal(value: str) -> str:
    if "\0" in value:
        raise UnsafeSql("text with a NUL character cannot be stored in PostgreSQL")
    _refuse_body_quote(value)
    quoted = value.replace("'", "''")
    if "\\" in quoted:
        # Means the same with standard_conforming_strings on and off; a plain literal does not.
        return " E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"


def _refuse_body_quote(text: str) -> None:
    if BODY_QUOTE in text:
        raise UnsafeSql(
            f"text may not contain {BODY_QUOTE}",
            detail="It quotes the bodies of generated functions.",
            hint="Leave that sequence of characters out.",
        )


def quoted(part: Sql) -> Sql:
    """SQL as a text constant that a function runs; it reads as it is where its own quote allows.

    Raises:
        UnsafeSql: It holds a NUL character or the body quote.
    """
    text = literal(part.text)
    return text if _INNER_QUOTE in part.text else Sql(f"{_INNER_QUOTE}{part.text}{_INNER_QUOTE}")


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """The parts with a separator such as ``", "`` between them."""
    return Sql(separator.join(part.text for part in parts))


def listed(parts: Iterable[Sql], indent: int, *, width: int = WIDTH) -> Sql:
    """The parts with commas between them, on as many lines as they need.

    Args:
        parts: The listed items.
        indent: Blanks at the beginning of each further line.
        width: Where lines end.
    """
    return Sql(f",\n{' ' * indent}".join(line.text for line in lines(parts, indent, width=width)))


def lines(
    parts: Iterable[Sql], indent: int = 0, *, between: str = ", ", width: int = WIDTH
) -> tuple[Sql, ...]:
    """The parts with commas between them, as the lines that they need.

    Args:
        parts: The listed items.
        indent: Blanks at the beginning of each line.
        between: The text between two parts of a line.
        width: Where lines end.
    """
    found: list[str] = []
    for part in parts:
        if found and indent + len(found[-1]) + len(between) + len(part.text) <= width:
            found[-1] += f"{between}{part.text}"
        else:
            found.append(part.text)
    return tuple(Sql(line) for line in found)


def render(template: str, context: Any) -> Sql:
    """Print a template from ``sql/templates``.

    Args:
        template: File name without ``.sql.j2``; of a kind, with its folder: ``rules/range``.
        context: A frozen dataclass whose fields are :class:`Sql`, or tuples and dataclasses of it.

    Raises:
        UnsafeSql: A field is not :class:`Sql` or holds the body quote.
    """
    return _print(_template(template), context)


@functools.cache
def _template(name: str) -> jinja2.Template:
    template = _environment().get_template(f"{name}.sql.j2")
    # Copied for each of some hundred short texts of a table: a dict takes a fraction of the time of jinja's chain of them.
    template.globals = dict(template.globals)
    return template


def render_source(source: str, context: Any) -> Sql:
    """Print a template given as text: a kind of the organisation's own.

    Raises:
        UnsafeSql: As :func:`render`.
        jinja2.TemplateError: The source is not a template, or names a field that is not in the context.
    """
    return _print(_environment().from_string(source), context)


def _print(template: jinja2.Template, context: Any) -> Sql:
    names = {field.name: getattr(context, field.name) for field in fields(context)}
    for value in names.values():
        _check(value)
    return Sql(template.render(names).strip())


def _check(value: Any) -> None:
    if isinstance(value, Sql):
        _refuse_body_quote(value.text)
    elif isinstance(value, tuple):
        for item in value:
            _check(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _check(getattr(value, field.name))
    else:
        raise UnsafeSql(f"a template was given {type(value).__name__} where SQL is needed")


def _finalize(value: object) -> str:
    if isinstance(value, Sql):
        return value.text
    raise UnsafeSql(f"a template printed {type(value).__name__} where SQL is needed")


@functools.cache
def _environment() -> jinja2.Environment:
    folder = assets.tree("sql") / "templates"
    # Folders are for people: each name is there once, but for those of kinds, which are called with their folder.
    folders = sorted(one for one in folder.iterdir() if one.is_dir())
    # autoescape is HTML's quoting; SQL's is done by the type Sql.
    return jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader([folder, *folders]),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,  # installed files do not change while it runs
    )
