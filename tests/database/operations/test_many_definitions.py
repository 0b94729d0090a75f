"""A plan of many definitions asks the server a few questions about all of them, and still names the one that is wrong."""

from __future__ import annotations

import pytest
from psycopg.pq import PipelineStatus

from pgslo import definition
from pgslo.database import planning
from pgslo.errors import CatalogError, DefinitionErrors

TEXT = """
table: features.t{n}
owner: me
batch: {{by: "date_trunc('day', at)"}}
columns:
  a: [range: {{min: 0, where: "{where}"}}, completeness: 0.9]
  b: [pattern: '^a', accepted_values: [a, b]]
"""


def loaded(session, number: int, **wrong: str) -> list[definition.Definition]:
    made = []
    for n in range(number):
        session.run(f"CREATE TABLE features.t{n} (id bigint PRIMARY KEY, at timestamp, a integer, b text)")
        text = TEXT.format(n=n, where=wrong.get(f"t{n}", "id > 1"))
        made.append(definition.load(text, path=f"slos/t{n}.yml"))
    return made


def test_a_plan_asks_about_all_definitions_at_once(session, monkeypatch):
    found = loaded(session, 12)
    sent = 0
    wait = session.connection.wait

    def counted(*args, **kwargs):
        nonlocal sent
        # In a pipeline nothing is waited for until its end.
        sent += session.connection.pgconn.pipeline_status == PipelineStatus.OFF
        return wait(*args, **kwargs)

    monkeypatch.setattr(session.connection, "wait", counted)
    counts = []
    for number in (2, 12):
        before = sent
        plan = planning.plan_definitions(session.connection, found[:number])
        assert len({step.definition for step in plan.steps if step.kind == "registration"}) == number
        counts.append(sent - before)
    assert counts[1] - counts[0] <= 2


def test_what_is_refused_among_many_is_named_with_its_place(session):
    found = loaded(session, 5, t3="b > 1")
    with pytest.raises(DefinitionErrors) as caught:
        planning.plan_definitions(session.connection, found)
    assert [str(error).splitlines()[0] for error in caught.value.errors] == [
        "slos/t3.yml:6:30: error: operator does not exist: text > integer"
    ]


def test_an_expression_of_a_batch_that_is_refused_among_many_is_named_with_its_place(session):
    found = loaded(session, 3)
    session.run("ALTER TABLE features.t1 ALTER at TYPE boolean USING NULL")
    with pytest.raises(CatalogError, match="function date_trunc") as caught:
        planning.plan_definitions(session.connection, found)
    assert str(caught.value).startswith("slos/t1.yml:4:")
