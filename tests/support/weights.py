"""Tables of weights and portfolios, their assertions as text, and what the database says of them."""

from __future__ import annotations

import psycopg
import pytest

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import DefinitionErrors

TABLES = """
CREATE SCHEMA ml;
CREATE TABLE ml.weight (id int PRIMARY KEY, portfolio int, weight numeric, note text);
CREATE INDEX ON ml.weight (portfolio);
CREATE TABLE ml.portfolio (portfolio int, name text);
CREATE INDEX ON ml.portfolio (portfolio);
"""
WHOLE = "whole: {{adds_up_to: {{column: weight, total: 1}}, group_by: portfolio, {options}}}"
REJECT = "on_breach: reject"


def text(*assertions, **options):
    listed = "".join(
        f"  - {one}\n" for one in assertions or (WHOLE.format(options=options.get("options", REJECT)),)
    )
    return f"table: ml.weight\nowner: sam\nwatch: false\nassertions:\n{listed}"


def refused(conn, statement):
    with pytest.raises(psycopg.IntegrityError) as caught, conn.transaction():
        conn.execute(statement.encode())
    return caught.value.diag


def plan(conn, stated):
    return planning.plan_definitions(conn, [definition.load(stated, path="x.yml")])


def errors(conn, stated):
    with pytest.raises(DefinitionErrors) as caught:
        plan(conn, stated)
    return str(caught.value)


def choice(conn, assertion):
    ((_, (one,)),) = plan(conn, text(assertion)).choices
    return one.mechanism, one.reason
