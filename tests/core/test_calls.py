"""``alias.name`` is a call of ``name`` where the alias is that of a value."""

from __future__ import annotations

import pytest

from pgslo.expression import tokens
from pgslo.expression.queries import calls, lists
from pgslo.expression.queries.query import without_dots

WORDS = frozenset({"as", "from", "lateral", "in", "join", "on", "select", "values", "with", "cast", "exists"})


def check(text: str) -> None:
    found = tokens.read(without_dots(text))
    calls.check_fields(text, found, names_no_function=WORDS, listed=lists.named(text, found))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT v.n FROM f(1) AS v (n)",
        "SELECT v.n FROM f(1) v(m, n)",
        "SELECT v.n, v.m FROM f(1) AS v (n int, m text)",
        "SELECT v.n FROM f(1) WITH ORDINALITY AS v (n, o)",
        "SELECT v.n FROM (VALUES (1)) AS v (n)",
        "SELECT v.n FROM (SELECT f(1) AS n) v",
        "SELECT v.n FROM ((SELECT 1 AS n) UNION (SELECT 2)) v",
        "WITH v (n) AS (SELECT f(1)), w (n) AS MATERIALIZED (SELECT 1) SELECT v.n, w.n FROM v, w",
        "WITH v AS (SELECT 1 AS n) SELECT v.n FROM v WHERE v.n IN (SELECT f(1))",
        "SELECT f(1) AS v, v.n FROM a.b v",
        "SELECT v.v, v.ordinality FROM f(1) WITH ORDINALITY v",
    ],
)
def test_columns(text):
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT v.g FROM f(1) v",
        "SELECT v.g FROM f(1) AS v (n)",
        'SELECT v."g" FROM f(1) AS "v"',
        "SELECT V . g FROM a.b, f(1) v",
        "SELECT f.g FROM f(1)",
        "SELECT v.g FROM f(1) AS v (g), (SELECT v.g FROM f(2) v) w",
        "SELECT v.g FROM f(1) AS v (g) UNION SELECT v.g FROM f(1) AS v (n)",
        "SELECT v.g FROM f((SELECT 1)) WITH ORDINALITY v",
        "SELECT v.g FROM a.b JOIN f(1) v ON true",
        "SELECT v.g FROM a.b AS b, LATERAL f(b.n) v",
        "SELECT v.g FROM (f(1) v JOIN a.b ON true)",
        "SELECT v.g FROM (a.b JOIN f(1) v ON true)",
        "SELECT v.g FROM a.b AS b (n), f(1) v",
        "SELECT v.g FROM ROWS FROM (f(1)) v",
        "SELECT v.g FROM CAST(1 AS int) v",
        "SELECT v.g FROM current_user v",
        "SELECT materialized.g FROM f(1) AS materialized",
        "SELECT materialized.g FROM f(1) AS materialized (values)",
        "SELECT 1 FROM a.b WHERE EXISTS (SELECT v.g FROM f(1) v)",
        "WITH w AS (SELECT v.g FROM f(1) v) SELECT w.g FROM w",
    ],
)
def test_functions(text):
    with pytest.raises(tokens.RefusalError, match="may not be taken from"):
        check(text)
