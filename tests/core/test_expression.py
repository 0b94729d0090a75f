"""What an expression may say, and that PostgreSQL's own parser sees in it what pgslo says it sees.

pglast holds PostgreSQL's parser; it is a judge here and no part of the library.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pglast import keywords as pg_keywords
from pglast.parser import parse_sql_json

from pgslo import expression
from pgslo.errors import DefinitionError, Location
from pgslo.expression import Expression, tokens, vocabulary
from pgslo.keywords import RESERVED
from pgslo.sql import Sql

HERE = Location("slos/t.yml", 7, 16)
ROW = Sql("r0w")
HONEST = [
    *Path(__file__).with_suffix("").with_name("test_expression_honest.txt").read_text("utf-8").splitlines(),
    "price >= 0\n  and price <= 100\n  or price is null",
    "\t price\r\n>\n0",
    " or ".join(["price > 0"] * 200),
    "(" * 18 + "price" + ")" * 18 + " > 0",
]


def parse(text: str) -> Expression:
    return expression.parse(text, location=HERE)


def refusal(text: str) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    return caught.value


# The judge: PostgreSQL's parser

#: Nodes of PostgreSQL's tree that a row condition can be made of.
NODES = {
    *("A_ArrayExpr", "A_Const", "A_Expr", "A_Indices", "A_Indirection", "BoolExpr", "Boolean", "BooleanTest"),
    *(
        "CaseExpr",
        "CaseWhen",
        "CoalesceExpr",
        "ColumnRef",
        "Float",
        "FuncCall",
        "Integer",
        "List",
        "MinMaxExpr",
    ),
    *("NullTest", "RowExpr", "SQLValueFunction", "String", "TypeCast"),
}
#: What PostgreSQL's grammar makes of its own spellings, as in ``AT TIME ZONE``.
GRAMMAR_FUNCTIONS = {"like_escape", "similar_to_escape", "timezone"}
GRAMMAR_TYPES = {"int4", "int2", "int8", "float4", "float8", "bool", "bpchar", "varchar", "numeric"}


class Judged(Exception):
    """PostgreSQL sees something in the expression that may not be there."""


def pg_expression(text: str) -> Any:
    """PostgreSQL's tree of the one expression in a SELECT, without positions."""
    statements = json.loads(parse_sql_json(f"SELECT {text}"))["stmts"]
    select = statements[0]["stmt"]["SelectStmt"]
    (target,) = select["targetList"]
    if len(statements) != 1 or set(select) - {"targetList", "limitOption", "op"}:
        raise Judged(f"more than an expression: {set(select)}")
    if set(target["ResTarget"]) - {"val", "location"}:
        raise Judged("an alias")
    return target["ResTarget"]["val"]


def judge(node: Any, columns: list[str]) -> Any:
    """The tree with ``r0w.`` taken off; raises for everything that no row condition may hold."""
    if isinstance(node, list):
        return [judge(item, columns) for item in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if key == "location":
            continue
        if key == "ColumnRef":
            row, *name = value["fields"]
            if row != {"String": {"sval": ROW.text}} or len(name) != 1 or "String" not in name[0]:
                raise Judged(f"a column that is not the row's: {value['fields']}")
            columns.append(name[0]["String"]["sval"])
            found[key] = {"fields": name}
            continue
        if key[0].isupper() and key not in NODES and isinstance(value, dict):
            raise Judged(key)
        if key == "FuncCall":
            _judge_call(value)
        if key == "typeName":
            *schema, name = (part["String"]["sval"] for part in value["names"])
            if schema not in ([], ["pg_catalog"]) or name not in vocabulary.TYPES | GRAMMAR_TYPES:
                raise Judged(f"type {name}")
        if key == "A_Expr" and len(value["name"]) != 1:
            raise Judged("an operator with a schema")
        if key == "SQLValueFunction" and value["op"] not in ("SVFOP_CURRENT_DATE", "SVFOP_CURRENT_TIMESTAMP"):
            raise Judged(value["op"])
        found[key] = judge(value, columns)
    return found


def _judge_call(call: dict[str, Any]) -> None:
    *schema, name = (part["String"]["sval"] for part in call["funcname"])
    known = vocabulary.FUNCTIONS if schema == [] else vocabulary.FUNCTIONS | GRAMMAR_FUNCTIONS
    if schema not in ([], ["pg_catalog"]) or name not in known:
        raise Judged(f"function {schema} {name}")
    if set(call) - {"funcname", "args", "funcformat", "location"}:
        raise Judged(f"a call with {set(call)}")


def plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != "location"}
    return [plain(item) for item in node] if isinstance(node, list) else node


def check_accepted(found: Expression) -> None:
    """PostgreSQL sees the author's expression, and in it the row's columns and nothing that is not allowed."""
    columns: list[str] = []
    tree = judge(pg_expression(found.qualified(ROW).text), columns)
    assert tree == plain(pg_expression(f"({found.text})"))
    # PostgreSQL reorders operands, for example of position(), so only the set is the same.
    assert set(columns) == set(found.columns)


# Honest expressions


@pytest.mark.parametrize("text", HONEST)
def test_honest_is_accepted_and_means_the_same_qualified(text: str):
    check_accepted(parse(text))


def test_there_are_enough_honest_ones():
    assert len(HONEST) > 200


@pytest.mark.parametrize(
    ("text", "qualified", "columns"),
    [
        ("price >= 0", "(r0w.price >= 0)", ("price",)),
        ("Price > PRICE", "(r0w.Price > r0w.PRICE)", ("price",)),
        ('"Price" > price', '(r0w."Price" > r0w.price)', ("Price", "price")),
        ('"with ""quotes""" = 1', '(r0w."with ""quotes""" = 1)', ('with "quotes"',)),
        ("at at time zone zone > at", "(r0w.at at time zone r0w.zone > r0w.at)", ("at", "zone")),
        ("j->'a' is null", "(r0w.j->'a' is null)", ("j",)),
        ("größe > 0", "(r0w.größe > 0)", ("größe",)),
        (r"note ~ '^\d+$'", r"(r0w.note ~  E'^\\d+$')", ("note",)),
        ("note='a\\'and b", "(r0w.note= E'a\\\\'and r0w.b)", ("note", "b")),
        ("true", "(true)", ()),
        ("a > 0 \n", "(r0w.a > 0)", ("a",)),
    ],
)
def test_qualified(text: str, qualified: str, columns: tuple[str, ...]):
    found = parse(text)
    assert found.qualified(ROW).text == qualified
    assert found.columns == columns


def test_qualified_with_a_quoted_row():
    assert parse("a > b").qualified(Sql('"New Row"')).text == '("New Row".a > "New Row".b)'


@pytest.mark.parametrize("word", sorted(pg_keywords.UNRESERVED_KEYWORDS | vocabulary.COLUMN_KEYWORDS))
def test_unreserved_words_can_be_columns(word: str):
    if word in ("alter", "drop", "if", "insert", "revoke", "rollback"):
        assert "double quotes" in (refusal(f"{word} > 0").hint or "")  # sqlglot takes them for something else
    else:
        assert parse(f"{word} > 0 and {word} is not null and lower({word}) = {word}").columns == (word,)
    assert parse(f'"{word}" > 0').columns == (word,)


@pytest.mark.parametrize("word", sorted(RESERVED - vocabulary.COLUMN_KEYWORDS))
def test_reserved_words_are_columns_only_in_quotes(word: str):
    assert parse(f'"{word}" > 0').columns == (word,)
    try:
        found = parse(f"{word} > 0")
    except DefinitionError:
        return
    assert found.columns == ()


# Attacks

ATTACKS = {
    "stacked": "true); drop table victim; --",
    "stacked without comment": "true; drop table victim",
    "comment tail": "true) or (true --",
    "block comment": "true /* ; */ or pg_sleep(0) is null",
    "nested comment": "true /* /* */ or */ or false",
    "empty comment": "a /**/ > 0",
    "comment without space": "a--1",
    "sub-query": "(select count(*) from secret) = 0",
    "exists": "exists (select 1 from secret)",
    "in sub-query": "qty in (select 1)",
    "array sub-query": "qty = any(array(select 1))",
    "any sub-query": "qty = any (select x from secret)",
    "with": "(with x as (delete from victim returning 1) select count(*) from x) = 0",
    "values": "price in (values (1))",
    "table": "(table secret) = 1",
    "row compare": "(price,qty) = (select 1,2)",
    "from": "price from secret",
    "where": "price where true",
    "union": "price union select x from secret",
    "into": "price into victim",
    "limit": "price limit 1",
    "pg_read_file": "length(pg_read_file('/etc/passwd')) > 0",
    "pg_ls_dir": "pg_ls_dir('.') is not null",
    "lo_import": "lo_import('/etc/passwd') > 0",
    "lo_export": "lo_export(1,'scratch') = 1",
    "dblink": "dblink_exec('host=x','drop table t') is not null",
    "set_config": "set_config('session_replication_role','replica',false) = ''",
    "pg_sleep": "pg_sleep(10) is null",
    "nextval": "nextval('s') > 0",
    "terminate": "pg_terminate_backend(1)",
    "advisory": "pg_advisory_lock(1) is null",
    "notify": "pg_notify('a', 'b') is null",
    "emit": "pg_logical_emit_message(false, 'a', 'b') is null",
    "query_to_xml": "query_to_xml('select * from secret',true,false,'') is not null",
    "table_to_xml": "table_to_xml('secret'::regclass,true,false,'') is not null",
    "database_to_xml": "database_to_xml(true,false,'') is not null",
    "regclass": "'secret'::regclass is not null",
    "regclass literal": "regclass 'secret' is not null",
    "regproc": "cast('pg_read_file' as regproc) is not null",
    "oid": "1::oid::regclass::text <> ''",
    "name type": "note::name <> ''",
    "xml type": "note::xml is not null",
    "quoted type": "note::\"text\" <> ''",
    "qualified type": "note::pg_catalog.text <> ''",
    "type of a column": "note::secret.x%type is not null",
    "setof": "note::setof text is not null",
    "table type": "note::secret is not null",
    "qualified function": "pg_catalog.pg_read_file('/etc/passwd') <> ''",
    "qualified allowed function": "pg_catalog.lower(note) = 'x'",
    "quoted function": "\"pg_read_file\"('/etc/passwd') <> ''",
    "quoted allowed function": "\"lower\"(note) = 'x'",
    "unicode function": "U&\"pg_read\\005ffile\"('/etc/passwd') <> ''",
    "operator()": "price operator(evil.=) 1",
    "operator() of pg_catalog": "price operator(pg_catalog.=) 1",
    "function of a schema": "evil.lower(note) = 'x'",
    "E string": "note = E'\\'; drop table victim; --'",
    "E string alone": "note = E'a'",
    "lower e string": "note = e'a'",
    "bit string": "b = b'1'",
    "hex string": "b = x'1F'",
    "national string": "note = N'a'",
    "dollar": "note = $$x$$ or true",
    "dollar tag": "note = $a$x$a$",
    "body quote": "note = '$pgslo$'",
    "body quote outside": "note = $pgslo$a$pgslo$",
    "U& string": "note = U&'\\0027) or true --'",
    "u& string": "note = u&'a'",
    "uescape": "note = 'a' uescape '!'",
    "joined strings": "note = 'a'\n'b'",
    "repeat": "repeat('x',1000000000) = note",
    "lpad": "lpad('x',1000000000) = note",
    "format": "format('%1000000000s', note) = note",
    "generate_series": "generate_series(1,1e9::int) > 0",
    "unnest": "unnest(tags) = 'a'",
    "aggregate": "count(*) > 0",
    "aggregate of a column": "sum(price) > 0",
    "aggregate filter": "sum(price) filter (where true) > 0",
    "distinct aggregate": "count(distinct price) > 0",
    "ordered aggregate": "string_agg(note, ',' order by note) <> ''",
    "within group": "percentile_cont(0.5) within group (order by price) > 0",
    "window": "row_number() over () > 0",
    "window of an allowed function": "lower(note) over () = 'x'",
    "filter of an allowed function": "lower(note) filter (where true) = 'x'",
    "variadic": "concat(variadic tags) = 'x'",
    "named argument": "round(v => price) = 1",
    "old named argument": "round(v := price) = 1",
    "argument order by": "lower(note order by note) = 'x'",
    "argument distinct": "lower(distinct note) = 'x'",
    "star argument": "lower(*) = 'x'",
    "param": "price > $1",
    "named param": "price > :x",
    "psql variable": "note = :'x'",
    "psql identifier": 'note = :"x"',
    "psql backquote": "note = `id`",
    "pyformat": "price > %(x)s",
    "new": "new.price > 0",
    "old": "OLD.price > 0",
    "other table": "secret.x > 0",
    "quoted other table": '"secret"."x" > 0',
    "three parts": "public.secret.x > 0",
    "field of a row": "(t).price > 0",
    "star of a row": "(t).* is null",
    "star": "*",
    "table star": "t.* is null",
    "row": "row(price, qty) is null",
    "xmin": "xmin::text <> '0'",
    "ctid": "ctid = '(0,1)'",
    "tableoid": "tableoid::text <> ''",
    "quoted system column": '"xmax" is null',
    "current_user": "current_user = 'x'",
    "session_user": "session_user = 'x'",
    "user": "user = 'x'",
    "current_schema": "current_schema = 'x'",
    "current_catalog": "current_catalog = 'x'",
    "localtimestamp": "at < localtimestamp",
    "random": "random() < 2",
    "gen_random_uuid": "gen_random_uuid() is null",
    "session setting": "current_setting('x') = ''",
    "clock": "clock_timestamp() > at",
    "statement clock": "statement_timestamp() > at",
    "timeofday": "timeofday() = ''",
    "transaction": "pg_current_xact_id() is not null",
    "txid": "txid_current() > 0",
    "version": "version() = ''",
    "has_table_privilege": "has_table_privilege('secret', 'select')",
    "pg_get_viewdef": "pg_get_viewdef('secret') = ''",
    "to_regclass": "to_regclass('secret') is null",
    "collate": "note collate \"evil\" = 'x'",
    "collate after a call": "lower(note) collate \"C\" = 'x'",
    "json_populate": "json_populate_record(null::secret, '{}') is not null",
    "json_table": "json_table('{}', '$' columns (a int)) is null",
    "json_object": "json_object('a': 1) is not null",
    "is json": "note is json",
    "is document": "note is document",
    "is of": "note is of (text)",
    "is normalized": "note is normalized",
    "xmlparse": "xmlparse(document '<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>') is not null",
    "xmlelement": "xmlelement(name a) is null",
    "treat": "treat(note as text) = 'a'",
    "grouping": "grouping(note) = 1",
    "overlaps": "(at, at) overlaps (at, at)",
    "merge_action": "merge_action() = ''",
    "nul": "note = 'a\x00b'",
    "bell": "note = 'a\x07b'",
    "escape": "note = 'a\x1bb'",
    "form feed": "note\x0c> 0",
    "vertical tab": "note\x0b> 0",
    "bidi": "note = 'a\u202e' ",
    "isolate": "note = 'a\u2066' ",
    "zero width": "no\u200bte = 'a' ",
    "zero width in a string": "note = 'a\u200b'",
    "soft hyphen": "no\u00adte = 'a'",
    "bom": "\ufeffnote = 'a'",
    "line separator": "note\u2028= 'a'",
    "no-break space": "note\u00a0= 'a'",
    "wide space": "note\u3000= 'a'",
    "surrogate": "note = '\ud800'",
    "private use": "note = '\ue000'",
    "full-width quote": "note = \uff07a\uff07",
    "full-width letters": "\uff33elect = 1",
    "upper case beyond ASCII": "GRÖßE > 0",
    "long s": "\u017felect 1",
    "dotless i": "a \u0131s null",
    "kelvin": "a li\u212ae 'x'",
    "combining mark": "e\u0301 > 0",
    "empty": "",
    "blank": "  \n ",
    "only comment": "-- nothing",
    "two expressions": "true, false",
    "alias": "true as x",
    "bare alias": "price x",
    "quoted alias": 'price "x"',
    "trailing paren": "true)",
    "leading paren": "(true",
    "wrong brackets": "(a]",
    "copy": "true); copy secret to program 'id'; --",
    "do": "1=1); do $$begin end$$; --",
    "call": "call p()",
    "execute": "execute x",
    "depth": "(" * 3000 + "true" + ")" * 3000,
    "depth within the size": "(" * 1500 + "true" + ")" * 1500,
    "depth of calls": "lower(" * 500 + "note" + ")" * 500,
    "depth of signs": "- " * 1500 + "1 = 1",
    "depth of not": "not " * 900 + "true",
    "depth of case": "case when " * 300 + "true" + " then true end" * 300,
    "depth of arrays": "array[" * 400 + "1" + "]" * 400,
    "depth of complement": "~ " * 1500 + "1 = 1",
    "huge": " or ".join(["price>0"] * 20000),
    "many": "a" + "+a" * 1999,
    "function-like operator": "pg_catalog.like(note, 'x')",
    "nested": "lower(pg_read_file('/etc/passwd')) = ''",
    "hidden in case": "case when true then pg_read_file('/etc/passwd') end = ''",
    "hidden in an array": "(array[pg_read_file('x')])[1] = ''",
    "hidden in a subscript": "tags[pg_backend_pid()] = ''",
    "hidden in an interval": "at > now() - make_interval(secs => pg_sleep(1)::text::int)",
    "hidden in a zone": "at at time zone pg_read_file('/etc/passwd') is not null",
    "hidden in between": "a between 1 and pg_backend_pid()",
    "hidden in escape": "a like 'x' escape version()",
    "hidden in extract": "extract(year from clock_timestamp()) > 2000",
    "hidden in a cast": "cast(version() as text) = ''",
    "hidden in trim": "trim(both version() from note) = ''",
    "hidden in substring": "substring(note from pg_backend_pid()) = ''",
    "hidden in overlay": "overlay(note placing version() from 1) = ''",
    "hidden in position": "position(version() in note) > 0",
    "default": "default",
    "backslash": "note = '\\' or true --'",
    "backslash outside": "note \\ 1",
    "unclosed string": "note = 'a",
    "unclosed name": 'note = "a',
    "empty name": '"" = 1',
    "long name": '"' + "x" * 64 + '" = 1',
    "long name in bytes": "ä" * 32 + " = 1",
    "junk after a number": "a > 1x",
    "number with a dot": "a > 1.",
    "hex number": "a > 0x1F",
    "number with underscores": "a > 1_000",
    "range of numbers": "a[1:2] = 1",
    "operator of nobody": "a =~ 'x'",
    "absolute value": "@ a > 0",
    "factorial": "a ! > 0",
    "square root": "|/ a > 0",
    "text search": "a @@ 'x'",
    "json path": "j @? '$.a'",
    "glued sign": "a*-1+@-1 > 0",
    "glued operator": "a !=-1",
    "chained": "a < b < c",
    "chained like": "a like b like c",
    "equals twice": "a == b",
    "not null alone": "a is not",
    "between not": "a between not 5 and 7",
    "position of not": "position(not a in b) = 1",
    "mixed array": "array[[1, 2], 3] @> a",
    "mixed array the other way": "array[1, [2]] @> a",
    "brackets without array": "a @> [1]",
    "length that is no count": "a::varchar(1e3) = 'x'",
    "two lengths": "a::timestamp(3, 2) > b",
    "dimension that is no count": "a::int[1.5] is null",
    "end": "end",
    "struct": "{a: 1} = 1",
    "try_cast": "try_cast(a as int) > 0",
    "safe cast": "a::?int > 0",
    "type with a hint": "a::text collate \"C\" = 'x'",
    "interval of a column": "interval a > b",
    "semicolon alone": ";",
    "psql meta": "\\! id",
    "jinja": "{{ 1 }} = 1",
    "curly": "a } = 1",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_attacks_are_refused(text: str):
    error = refusal(text)
    assert error.location is not None
    assert error.location.path == HERE.path


#: Attacks that are values, to be hidden in an otherwise honest condition.
PAYLOADS = [
    *(text.rpartition(" ")[0].rpartition(" ")[0] or text for text in ATTACKS.values() if len(text) < 200),
]
PLACES = [
    *("({}) = note", "lower({}) = 'x'", "qty > 0 and {}", "case when true then {} else 1 end = 1"),
    *("coalesce(note, {}) = ''", "note in ('a', {})", "qty between {} and 10", "at at time zone {} > at"),
]


def test_hidden_attacks_are_refused_or_harmless():
    tried = 0
    for payload in PAYLOADS:
        for place in PLACES:
            tried += 1
            try:
                found = parse(place.format(payload))
            except DefinitionError:
                continue
            check_accepted(found)
    assert tried > 1000


@pytest.mark.parametrize(
    "text",
    [
        "note like '%s' or note = '%'",  # no text is ever used as a format
        "note ~ '(a*)*b'",  # PostgreSQL's matcher does not backtrack over this
        "note = '$slo$'",  # only $pgslo$ quotes bodies
        "price + 1",  # a value: batches and repairs want one; PostgreSQL checks the type before apply
        "slo_new_rows is not null",  # a column by that name, as r0w.slo_new_rows
        "note = '''); drop table victim; --'",  # all of it is one string
        "note <> '/* */ -- ; $1 :x'",
    ],
)
def test_what_looks_like_an_attack_but_is_none(text: str):
    check_accepted(parse(text))


# Errors


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("lower(age) = (select 1)", 15, "sub-queries are not allowed", "references"),
        ("a > 0 and lowr(b) = 'x'", 11, 'function "lowr" is not allowed', 'did you mean "lower"?'),
        ("count(*) > 1", 1, 'function "count" is not allowed', "many rows"),
        ("random() < 1", 1, 'function "random" is not allowed', "now()"),
        ("unnest(a) = 1", 1, 'function "unnest" is not allowed', "returns rows"),
        ("a > 0;", 6, "several statements", "semicolon"),
        ("a > 0 -- x", 7, "comments", "description"),
        ("t.a > 0", 2, "qualified names", "columns of the row itself"),
        ("a::regclass = 1", 4, 'type "regclass"', "allowed types"),
        ("a::integr = 1", 4, 'type "integr"', 'did you mean "integer"?'),
        ("a == 1", 3, 'operator "==" is not allowed', "one sign"),
        ("a = order", 5, '"order" is not a value', '"order"'),
        ("a b", 3, 'syntax error at "b": expected an operator', None),
        ("a >", 3, "ends too early: expected a value", None),
        ("a between 1", 11, "ends too early: expected AND", None),
        ("a < b < c", 7, "comparisons cannot be chained", None),
        ("a, b", 2, "not one expression", "AND"),
        ("extract(yeer from a) > 1", 9, 'extract has no field "yeer"', 'did you mean "year"?'),
        ("a !=-1", 3, 'PostgreSQL reads "!=-" as one operator', "space before the -"),
        ("length() > 1", 8, 'syntax error at ")": expected a value', None),
        ("a = 'x", 5, "string is not closed", "twice"),
        ("(a > 0", 1, '"(" is not closed', None),
        ("abs(a, b, c, d) > 0", 1, "cannot be analysed with certainty", "number of arguments"),
    ],
)
def test_errors_name_place_and_way_out(text: str, column: int, message: str, hint: str | None):
    error = refusal(text)
    assert error.location == Location(HERE.path, HERE.line, HERE.column + column - 1)
    assert message in error.message
    assert (hint or "") in (error.hint or "")
    assert error.message[0].islower() or error.message[0] == '"' or "PostgreSQL" in error.message
    assert not error.message.endswith(".")


def test_place_can_be_given():
    with pytest.raises(DefinitionError) as caught:
        expression.parse("a > lowr(b)", location=HERE, locate=lambda offset: Location("x", 1, offset))
    assert caught.value.location == Location("x", 1, 4)


def test_several_lines_without_a_map_point_at_the_start():
    assert refusal("a > 0\n and lowr(b)").location == HERE


def test_an_expression_made_by_hand_passes_the_gate_too():
    with pytest.raises(Exception, match="sub-queries"):
        Expression("(select 1)", (), HERE).qualified(ROW)


def test_deep_callers_do_not_change_the_verdict():
    def at_depth(depth: int) -> Expression:
        return (
            at_depth(depth - 1) if depth else parse("(" * tokens.MAX_DEPTH + "deep" + ")" * tokens.MAX_DEPTH)
        )

    assert at_depth(sys.getrecursionlimit() // 4).columns == ("deep",)
    expression.gate._analyse.cache_clear()
    with pytest.raises(DefinitionError):
        parse("(" * (tokens.MAX_DEPTH + 1) + "deep" + ")" * (tokens.MAX_DEPTH + 1))


# Properties

_WORDS = sorted(
    RESERVED
    | vocabulary.FUNCTIONS
    | vocabulary.TYPES
    | vocabulary.FIELDS
    | {
        "a",
        "b",
        "c",
        "unknown",
        "zone",
        "at",
        "value",
        "of",
        "rows",
        "document",
        "normalized",
        "json",
        "uescape",
    }
    | {
        "pg_read_file",
        "secret",
        "over",
        "filter",
        "within",
        "variadic",
        "setof",
        "operator",
        "without",
        "content",
    }
)
_KEYWORD_LINE = (
    "and or not in between symmetric like ilike to escape when then else case from for zone both any some all is "
    "similar end at isnull notnull as null true false unknown distinct array cast interval time"
)
_KEYWORDS = _KEYWORD_LINE.split()
_PIECES = st.one_of(
    st.sampled_from(["a", "b", "c", "note", "qty"]),
    st.sampled_from(_WORDS),
    st.sampled_from(_KEYWORDS),
    st.sampled_from(
        ["'x'", "'1 day'", "''", "'a''b'", "'a\\'", "'\\'", "1", "0.5", "1e3", ".5", '"Q c"', '"a""b"']
    ),
    st.sampled_from(["(", ")", "[", "]", ",", "::", *sorted(vocabulary.OPERATORS)]),
    st.sampled_from(
        [";", ".", "--", "/*", "*/", "$1", "$$", ":x", "=>", ":=", "E'x'", "U&'x'", "@", "!", "%%", "\\"]
    ),
    st.sampled_from(
        ["é", "\u00a0", "\t", "\n", '"', "'", "(select 1)", "count(*)", "t.x", "now()", "select"]
    ),
)
_SOUP = st.builds(
    lambda pieces, between: between.join(pieces),
    st.lists(_PIECES, min_size=1, max_size=10),
    st.sampled_from([" ", " ", ""]),
)


def _pieces(text: str) -> list[str]:
    """The tokens of an honest expression, with the space between them."""
    pieces = []
    done = 0
    for token in tokens.read(text):
        pieces += [text[done : token.start], token.text]
        done = token.end
    return [piece for piece in pieces if piece]


@st.composite
def _mutants(draw: st.DrawFn) -> str:
    pieces = _pieces(draw(st.sampled_from(HONEST)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pieces) - 1)) if pieces else 0
        match draw(st.sampled_from(["insert", "replace", "delete", "swap", "splice"])):
            case "insert":
                pieces.insert(at, f" {draw(_PIECES)} ")
            case "replace" if pieces:
                pieces[at] = draw(_PIECES)
            case "delete" if pieces:
                del pieces[at]
            case "swap" if pieces:
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case _:
                pieces[at:at] = _pieces(draw(st.sampled_from(HONEST)))[:4]
    return "".join(pieces)


@settings(max_examples=2500, deadline=None)
@given(_SOUP | _mutants())
@example("a[1].b")
@example("a at b")
@example("a is not unknown")
def test_whatever_is_accepted_is_a_row_condition_to_postgresql(text: str):
    try:
        found = parse(text)
    except DefinitionError:
        return
    check_accepted(found)


@settings(max_examples=2000, deadline=None)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=40))
def test_any_text_is_accepted_or_refused(text: str):
    try:
        found = parse(text)
    except DefinitionError:
        return
    check_accepted(found)


@settings(max_examples=2000, deadline=None)
@given(st.text(min_size=1, max_size=70))
@example('"')
@example("x" * 64)
@example("ä" * 31)
@example("new")
@example("a.b")
@example("$pgslo$")
def test_any_quoted_name_is_taken_to_the_letter(name: str):
    try:
        found = parse('"' + name.replace('"', '""') + '" > 0')
    except DefinitionError:
        hidden = any(not character.isprintable() and character != "\u3000" for character in name)
        odd = hidden or "$pgslo$" in name or name in vocabulary.SYSTEM_COLUMNS
        assert odd or len(name.encode(errors="surrogatepass")) > 63
        return
    assert found.columns == (name,)
    check_accepted(found)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_space_parentheses_and_company_change_nothing(data: st.DataObject):
    text = data.draw(st.sampled_from([text for text in HONEST if len(text) < 300]))
    space = st.text(st.sampled_from(" \t\n"), min_size=1, max_size=2)
    spread = "".join(f"{piece}{data.draw(space)}" for piece in _pieces(text))
    other = data.draw(st.sampled_from([text for text in HONEST if len(text) < 300]))
    joined = data.draw(
        st.sampled_from(["({0}) and ({1})", "({0}) or ({1})", "not ({0}) is null or ({1}) is null"])
    )
    assert parse(spread).columns == parse(text).columns
    check_accepted(parse(spread))
    found = parse(joined.format(spread, other))
    assert set(found.columns) == {*parse(text).columns, *parse(other).columns}
    check_accepted(found)


# The lists


def _documented(heading: str) -> set[str]:
    """What the reference lists under a heading, in the table's second column."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"
    section = page.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| (`.+) \|$", section, re.MULTILINE)
    return {word.replace("\\|", "|") for row in rows for word in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("heading", "listed"),
    [
        ("Functions", vocabulary.FUNCTIONS),
        ("Types", vocabulary.TYPES | {"double precision"}),
        ("Operators", vocabulary.OPERATORS),
    ],
)
def test_the_reference_lists_what_is_allowed(heading: str, listed: frozenset[str]):
    assert _documented(heading) == listed
