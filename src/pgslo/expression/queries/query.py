"""Queries that authors write as rules: one SELECT that only reads, over tables it names with their schemas.

As with conditions, what PostgreSQL runs is the author's own text. Two readings restrict it: PostgreSQL's own tokens,
where each name before a bracket has to be a function of a list, and sqlglot's tree, which has statements and tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from pgslo import naming
from pgslo.errors import DefinitionError, Location
from pgslo.expression import tokens, vocabulary
from pgslo.expression.queries import calls, lists
from pgslo.expression.tokens import RefusalError, Token
from pgslo.keywords import RESERVED
from pgslo.sql import Sql

#: Words of SQL that may be before a bracket and are not functions.
_WORDS_BEFORE_BRACKETS = frozenset(
    [
        "all",
        "and",
        "any",
        "array",
        "as",
        "between",
        "by",
        "case",
        "cast",
        "distinct",
        "else",
        "except",
        "exists",
        "filter",
        "group",
        "from",
        "having",
        "in",
        "intersect",
        "interval",
        "is",
        "join",
        "lateral",
        "like",
        "limit",
        "not",
        "numeric",
        "decimal",
        "varchar",
        "char",
        "on",
        "or",
        "order",
        "over",
        "partition",
        "row",
        "rows",
        "select",
        "set",
        "similar",
        "some",
        "then",
        "union",
        "using",
        "values",
        "when",
        "where",
        "with",
        "within",
    ]
)
_FUNCTIONS = (
    vocabulary.FUNCTIONS
    | vocabulary.AGGREGATES
    | {"generate_series", "unnest", "jsonb_array_elements", "jsonb_each", "jsonb_object_keys"}
)
#: Words of SQL that are not reserved and may be before a string: none of them is a type here.
_WORDS_BEFORE_STRING = frozenset({"escape", "varying", "zone"})
_TYPES_HINT = "The allowed types are listed in docs/reference/expressions.md; write them without a schema."
_LOCKS = frozenset({"update", "share", "no", "key"})
_READS: tuple[type[exp.Expr], ...] = (exp.Select, exp.Union, exp.Intersect, exp.Except)
_CHANGES: tuple[type[exp.Expr], ...] = (
    exp.Insert,
    exp.Update,
    exp.Delete,
    exp.Merge,
    exp.Into,
    exp.Lock,
    exp.Command,
)


@dataclass(frozen=True)
class Query:
    """A SELECT of the author's own.

    Attributes:
        text: The author's text, without a semicolon.
        tables: Tables it names, with their schemas, as written.
        location: Its location.
    """

    text: str
    tables: tuple[tuple[str, str], ...]
    location: Location

    def sql(self) -> Sql:
        """The text as it will be run."""
        return Sql(self.text)


def parse_query(text: str, *, location: Location, locate: Callable[[int], Location] | None = None) -> Query:
    """Parse and restrict an author's query.

    Raises:
        DefinitionError: It is not one SELECT that only reads.
    """
    text = text.rstrip(" \t\r\n").removesuffix(";").rstrip(" \t\r\n")
    try:
        _check_tokens(text)
        tables = _check_tree(text)
    except RefusalError as refused:
        place = locate(refused.start) if locate else location
        raise DefinitionError(
            refused.message.replace("an expression", "a query").replace("the expression", "the query"),
            detail=refused.detail,
            hint=refused.hint,
            location=place,
        ) from None
    return Query(text, tables, location)


def _check_tokens(text: str) -> None:
    found = tokens.read(without_dots(text))
    if not found[0].is_word("select", "with"):
        raise RefusalError(found[0].start, "a query has to begin with SELECT or WITH")
    for number in _types(text, found):
        _check_type(text, found[number:])
    _check_strings(text, found)
    listed = lists.named(text, found)
    calls.check_fields(text, found, names_no_function=_WORDS_BEFORE_BRACKETS, listed=listed)
    for token, following in zip(found, (*found[1:], None), strict=True):
        if token.is_word("for") and following is not None and following.is_word(*_LOCKS):
            raise RefusalError(token.start, "a query may not lock the rows it reads", hint="Leave FOR … out.")
        is_called = following is not None and following.is_mark("(") and token.start not in listed
        if is_called and token.kind in ("word", "quoted"):
            _check_function(text, token)
        elif token.kind in ("word", "quoted"):
            _check_name(text, token)


def _types(text: str, found: Sequence[Token]) -> Iterator[int]:
    """Yield where each type begins that a value is cast to: value::type and CAST (value AS type)."""
    is_cast: list[bool] = []  # of each bracket that is open
    for number, token in enumerate(found[:-1]):
        if token.is_mark("("):
            is_cast.append(number > 0 and found[number - 1].is_word("cast"))
        elif token.is_mark(")") and is_cast:
            is_cast.pop()
        elif token.is_mark("::") or (lists.is_word(text, token, "as") and is_cast[-1:] == [True]):
            yield number + 1


def _check_type(text: str, found: Sequence[Token]) -> None:
    """Refuse a type that is not of the list. Before a dot, a name of the list is that of a schema: date.name."""
    head = found[0]
    tails = vocabulary.TYPE_TAILS.get(head.name, ())
    tail = next((one for one in tails if all(map(Token.is_word, found[1:], one))), ())
    is_listed = head.name in vocabulary.TYPES or (len(tail) > 0 and len(found) > len(tail))
    if head.kind != "word" or not is_listed:
        raise RefusalError(
            head.start, f'a value may not be cast to "{head.name or head.text}"', hint=_TYPES_HINT
        )
    for token in found[: len(tail) + 1]:
        if _precedes_dot(text, token):
            raise _qualified(token)


def _check_strings(text: str, found: Sequence[Token]) -> None:
    """Refuse type 'text' for a type that is not of the list: it casts as 'text'::type does."""
    for token, following in itertools.pairwise(found):
        if following.kind != "string" or token.kind not in ("word", "quoted"):
            continue
        if lists.follows_dot(text, token):
            raise _qualified(token)
        if token.kind == "quoted" or token.name not in _WORDS_BEFORE_STRING | vocabulary.TYPES | RESERVED:
            raise RefusalError(
                token.start, f'a value may not be cast to "{token.name or token.text}"', hint=_TYPES_HINT
            )


def _precedes_dot(text: str, token: Token) -> bool:
    return text[token.end :].lstrip().startswith(".")


def _qualified(token: Token) -> RefusalError:
    return RefusalError(
        token.start,
        "types are named without a schema",
        detail="A cast runs code that the owner of the type can choose, with the rights of the table's owner.",
        hint=_TYPES_HINT,
    )


def _check_function(text: str, token: Token) -> None:
    # After a dot, with blanks or without, every word is a name, also a reserved one: features . all (1).
    if token.kind == "quoted" or lists.follows_dot(text, token):
        raise RefusalError(token.start, "functions are named without quotes and without a schema")
    if token.name in _WORDS_BEFORE_BRACKETS | vocabulary.TYPES:
        return
    if token.name in vocabulary.CHANGING:
        raise RefusalError(
            token.start,
            f'function "{token.text}" is not allowed in a query: its result changes from call to call',
        )
    if token.name not in _FUNCTIONS:
        raise RefusalError(
            token.start,
            f'function "{token.text}" is not allowed in a query',
            hint="The allowed functions are listed in docs/reference/expressions.md; aggregates may be used as well.",
        )


def _check_name(text: str, token: Token) -> None:
    """Refuse what could name a relation of PostgreSQL's own or of pgslo, whatever its part in the query."""
    before = text[: token.start].rstrip()
    if before.endswith("."):
        if before[:-1].rstrip().endswith((")", "]")):
            # To PostgreSQL (value).name is also a call of the function of that name.
            raise RefusalError(
                token.start,
                f'"{token.name}" may not be taken from a value in brackets',
                detail="PostgreSQL would call a function of that name.",
                hint="Read fields of a composite column in a view, and name the view.",
            )
        return
    is_schema = _precedes_dot(text, token)
    if token.name.startswith("pg_") or (is_schema and naming.is_reserved(token.name)):
        raise _reserved(token.start, token.name)


def _reserved(start: int, name: str) -> RefusalError:
    return RefusalError(
        start,
        f'a query may not read "{name}"',
        detail="Relations of PostgreSQL's own and of pgslo hold values that the table's owner may not read.",
        hint="Read tables of your own, or give a column or alias of that name another one.",
    )


def without_dots(text: str) -> str:
    """The text with a blank for each dot between names, which conditions do not know."""
    parts: list[str] = []
    quote = ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "." and not (at > 0 and text[at - 1].isdigit() and _in_number(text, at)):
            character = " "  # noqa: PLW2901 - a substitute is kept
        parts.append(character)
    return "".join(parts)


def _in_number(text: str, dot: int) -> bool:
    start = dot
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:dot].isdigit()


def _check_tree(text: str) -> tuple[tuple[str, str], ...]:
    try:
        statements = sqlglot.parse(text, dialect="postgres")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise RefusalError(0, "this is not a query that can be read", detail=str(error)[:200]) from None
    if len(statements) != 1 or not isinstance(statements[0], _READS):
        raise RefusalError(0, "a query has to be one SELECT")
    root = statements[0]
    named = {cte.alias for cte in root.find_all(exp.CTE)}
    tables: dict[tuple[str, str], None] = {}
    for node in root.walk():
        if isinstance(node, _CHANGES):
            raise RefusalError(0, "a query may only read", hint="Leave INTO, FOR UPDATE and changes out.")
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            if node.catalog:
                raise RefusalError(
                    max(text.find(node.catalog), 0), "a table is named by its schema and its name alone"
                )
            if node.db:
                schema = node.db if node.args["db"].args.get("quoted") else node.db.lower()
                if naming.is_reserved(schema):
                    raise _reserved(max(text.find(node.db), 0), schema)
                tables[node.db, node.name] = None
            elif node.name not in named:
                raise RefusalError(
                    max(text.find(node.name), 0),
                    f'table "{node.name}" is named without its schema',
                    hint=f"For example public.{node.name}.",
                )
    return tuple(tables)
