"""The life of an incident: verdicts and people open, resolve and reopen it, and its history is kept."""

from __future__ import annotations

import json

import psycopg
import pytest

TABLE = """
CREATE TABLE features.stats (id int, day date, age int, country text, score float8);
"""
DEFINITION = """
table: features.stats
key: [id]
owner: growth
writes: bulk
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120}]
  country: [accepted_values: [us, de]]
tasks:
  churn: {contact: "#churn", reads: [age]}
  spend: {contact: "#spend", reads: [country]}
"""


@pytest.fixture
def stats(session):
    """A guarded table, and with it a rule over batches, ``age_complete``, whose verdicts the test gives."""
    session.run(TABLE)
    session.guard(DEFINITION)
    session.run(
        """INSERT INTO pgslo_catalog.rule (definition_id, name, kind, columns, on_breach, samples, mechanism, promise, scope, measure)
           SELECT definition_id, 'age_complete', 'completeness', '{age}', 'warn', 0, 'at close', 'age not null in 95 %', 'batch', '{}'
           FROM pgslo_catalog.definition"""
    )
    return session


def judge(session, place, verdict, *, batch=None):
    """Give a batch its verdict, as closing it does."""
    session.run(
        f"""WITH judged AS (
            INSERT INTO pgslo_catalog.verdict AS v (definition_id, rule_id, batch, place, verdict, said)
            SELECT definition_id, rule_id, '{batch or place}', {place}, '{verdict}', '50.0 % of 10 rows are not null' FROM pgslo_catalog.rule WHERE name = 'age_complete'
            ON CONFLICT (rule_id, batch) DO UPDATE SET verdict = excluded.verdict, judged_at = clock_timestamp() RETURNING v.rule_id
        ), written AS (
            INSERT INTO pgslo_catalog.batch (definition_id, name, place, rows, first_written_at, last_written_at, closed_at, writer, application)
            SELECT definition_id, '{batch or place}', {place}, 10, clock_timestamp(), clock_timestamp(), clock_timestamp(), 'loader', 'nightly'
            FROM pgslo_catalog.definition ON CONFLICT DO NOTHING RETURNING 1
        ) SELECT (SELECT count(*) FROM judged), (SELECT count(*) FROM written)"""
    )
    session.run(
        f"SELECT pgslo_catalog.follow_verdict(r, '{batch or place}', {place}, '{verdict}') FROM pgslo_catalog.rule r WHERE name = 'age_complete'"
    )


def incidents(session, rule="age_complete"):
    return list(
        session.run(
            f"SELECT opened_batch, over_batch, resolution FROM pgslo.incident WHERE rule = '{rule}' ORDER BY incident_id"
        ).rows
    )


def events(session):
    return session.values("SELECT event FROM pgslo.incident_event ORDER BY incident_event_id")


def states(session, rule="age_complete"):
    return list(
        session.run(
            f"SELECT state, missed_batches, stored FROM pgslo.incident WHERE rule = '{rule}' ORDER BY incident_id"
        ).rows
    )


def test_a_missed_batch_opens_and_it_is_over_when_a_later_one_is_met(stats):
    judge(stats, 1, "met")
    judge(stats, 2, "missed")
    judge(stats, 3, "missed")
    assert incidents(stats) == [("2", None, None)]
    judge(stats, 4, "unknown")
    assert incidents(stats) == [("2", None, None)]
    judge(stats, 5, "met")
    assert incidents(stats) == [("2", "5", None)]
    assert states(stats) == [("over", 2, "2 missed batches with 20 rows are still stored")]
    assert events(stats) == ["opened", "over"]
    assert stats.run("SELECT writer, application FROM pgslo.incident").rows == (("loader", "nightly"),)


def test_a_batch_that_is_corrected_heals(stats):
    judge(stats, 1, "missed")
    judge(stats, 1, "met")
    assert incidents(stats) == [("1", "1", "healed")]
    judge(stats, 2, "missed")
    assert incidents(stats) == [("1", "1", "healed"), ("2", None, None)]


def test_it_heals_only_when_every_batch_of_it_is_corrected(stats):
    judge(stats, 1, "missed")
    judge(stats, 2, "missed")
    judge(stats, 1, "met")
    assert incidents(stats) == [("1", None, None)]
    judge(stats, 2, "met")
    assert incidents(stats) == [("1", "2", "healed")]


def test_an_older_batch_neither_ends_nor_hides_it(stats):
    judge(stats, 5, "missed")
    judge(stats, 3, "met")
    assert incidents(stats) == [("5", None, None)]
    judge(stats, 7, "missed")
    judge(stats, 6, "met")
    assert incidents(stats) == [("5", None, None)]
    judge(stats, 8, "met")
    assert incidents(stats) == [("5", "8", None)]


def test_an_old_batch_that_turns_bad_is_history(stats):
    """Rows of old batches are cleared away: no person is woken for that."""
    judge(stats, 1, "met")
    judge(stats, 2, "met")
    judge(stats, 1, "missed")
    assert incidents(stats) == []


def test_hysteresis(stats):
    stats.run(
        "UPDATE pgslo_catalog.rule SET missed_before_open = 2, met_before_resolve = 3 WHERE name = 'age_complete'"
    )
    judge(stats, 1, "missed")
    judge(stats, 2, "met")
    judge(stats, 3, "missed")
    assert incidents(stats) == []
    judge(stats, 4, "unknown")
    judge(stats, 5, "missed")
    assert incidents(stats) == [("3", None, None)]
    judge(stats, 6, "met")
    judge(stats, 7, "met")
    judge(stats, 8, "missed")
    judge(stats, 9, "met")
    judge(stats, 10, "met")
    assert incidents(stats) == [("3", None, None)]
    judge(stats, 11, "met")
    assert incidents(stats) == [("3", "11", None)]
    # Of a run that is too short nothing is recorded.
    assert stats.values("SELECT missed FROM pgslo.incident") == [["3", "5", "8"]]


@pytest.mark.parametrize("resolution", ["real", "false_alarm"])
def test_what_a_person_resolved_is_reopened_when_the_next_batch_misses_too(stats, resolution):
    judge(stats, 1, "missed")
    stats.run(f"SELECT pgslo.resolve(incident_id, '{resolution}', 'source fixed') FROM pgslo.incident")
    assert incidents(stats) == [("1", "1", resolution)]
    judge(stats, 2, "missed")
    assert incidents(stats) == [("1", None, None)]
    assert events(stats) == ["opened", "over" if resolution == "real" else "resolved", "reopened"]
    ((by, note),) = stats.run("SELECT resolved_by, note FROM pgslo.incident").rows
    assert (by, note) == (None, "source fixed")


def test_a_batch_that_is_met_in_between_makes_it_another_incident(stats):
    judge(stats, 1, "missed")
    stats.run("SELECT pgslo.resolve(incident_id, 'real') FROM pgslo.incident")
    judge(stats, 2, "met")
    judge(stats, 3, "missed")
    assert incidents(stats) == [("1", "1", "real"), ("3", None, None)]


def test_a_false_alarm_is_one_however_often_the_batch_is_judged(stats):
    judge(stats, 1, "missed")
    stats.run("SELECT pgslo.resolve(incident_id, 'false_alarm') FROM pgslo.incident")
    judge(stats, 1, "missed")
    assert incidents(stats) == [("1", "1", "false_alarm")]
    stats.run("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'us')")
    stats.run("SELECT pgslo.resolve(incident_id, 'false_alarm') FROM pgslo.incident WHERE over_at IS NULL")
    stats.run("INSERT INTO features.stats VALUES (2, '2026-11-21', 999, 'us')")
    assert incidents(stats, "age_range") == [("2026-11-21", "2026-11-21", "false_alarm")]
    stats.run("INSERT INTO features.stats VALUES (2, '2026-11-22', 999, 'us')")
    assert incidents(stats, "age_range") == [("2026-11-21", None, None)]


def test_acknowledge_mute_and_history(stats):
    judge(stats, 1, "missed")
    (number,) = stats.values("SELECT incident_id FROM pgslo.incident")
    assert stats.values("SELECT state FROM pgslo.page") == ["open"]
    assert stats.values(f"SELECT pgslo.acknowledge({number}, 'looking')") == [
        f"incident {number} acknowledged"
    ]
    assert stats.values("SELECT state FROM pgslo.page") == ["acknowledged"]
    stats.run(f"SELECT pgslo.mute({number}, now() + interval '1 day')")
    assert stats.values("SELECT state FROM pgslo.page") == ["muted"]
    stats.run(f"SELECT pgslo.mute({number}, NULL)")
    stats.run(f"SELECT pgslo.resolve({number}, 'real')")
    assert stats.values("SELECT state FROM pgslo.page") == ["over"]
    assert events(stats) == ["opened", "acknowledged", "muted", "unmuted", "over"]
    ((who, note),) = stats.run(
        "SELECT done_by, note FROM pgslo.incident_event WHERE event = 'acknowledged'"
    ).rows
    assert who == stats.values("SELECT current_user")[0]
    assert note == "looking"
    facts = dict(stats.run(f"SELECT * FROM pgslo.explain({number})").rows)
    assert facts["history"].count(" by ") == 5
    assert "acknowledged" in facts["history"]


def test_a_mute_ends_by_itself(stats):
    judge(stats, 1, "missed")
    stats.run("UPDATE pgslo_catalog.incident SET muted_until = clock_timestamp() - interval '1 second'")
    stats.run("SELECT pgslo.tick()")
    assert stats.values("SELECT muted_until FROM pgslo.incident") == [None]
    assert events(stats) == ["opened", "muted", "unmuted"]


def test_a_muted_rule_is_muted_for_its_next_incident_too(stats):
    stats.run("SELECT pgslo.mute_rule('features.stats', 'age_complete', now() + interval '1 day')")
    judge(stats, 1, "missed")
    assert stats.values("SELECT state FROM pgslo.page") == ["muted"]
    assert stats.values("SELECT muted_until > now() FROM pgslo.incident") == [True]
    stats.guard(DEFINITION)
    assert stats.values("SELECT muted_until > now() FROM pgslo_catalog.rule WHERE name = 'age_complete'") == [
        True
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("acknowledge(99)", "incident 99 does not exist"),
        ("mute(99, now() + interval '1 day')", "incident 99 does not exist"),
        ("resolve(99, 'real')", "incident 99 does not exist"),
        ("accept(99, 'they are right')", "incident 99 does not exist"),
        ("accept(99, ' ')", "batches are accepted with a reason"),
        ("resolve(99, 'healed')", "an incident is resolved as real or as false_alarm, not as healed"),
        ("resolve(99, NULL)", "an incident is resolved as real or as false_alarm, not as NULL"),
        (
            "mute_rule('features.stats', 'nope', now() + interval '1 day')",
            'features.stats has no rule "nope"',
        ),
    ],
)
def test_what_cannot_be_done_is_said(stats, call, message):
    assert stats.refused(f"SELECT pgslo.{call}").message == message


def test_a_mute_that_is_over_is_refused(stats):
    judge(stats, 1, "missed")
    error = stats.refused("SELECT pgslo.mute(incident_id, '2020-01-01') FROM pgslo.incident")
    assert error.message.endswith("UTC is over")


# Pages and readers


def test_columns_that_broke_together_are_one_page_and_still_named(stats):
    stats.run("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'xx')")
    stats.run("INSERT INTO features.stats VALUES (2, '2026-11-22', 9, 'us')")
    stats.run("INSERT INTO features.stats VALUES (3, '2026-11-23', 999, 'us')")
    pages = stats.run(
        "SELECT batch, columns, cardinality(incidents), state FROM pgslo.page ORDER BY page"
    ).rows
    assert pages == (("2026-11-21", ["age", "country"], 2, "over"), ("2026-11-23", ["age"], 1, "open"))
    facts = dict(stats.run("SELECT * FROM pgslo.explain((SELECT min(incident_id) FROM pgslo.incident))").rows)
    assert facts["broke together"].endswith("country_accepted_values")
    assert facts["tasks that read it"] == "churn (#churn)"


def test_views_of_others_that_read_it_are_found_column_by_column(stats):
    stats.run("CREATE VIEW features.ages AS SELECT id, age + 1 AS next FROM guarded.stats")
    stats.run("CREATE VIEW features.countries AS SELECT country FROM features.stats")
    stats.run("CREATE MATERIALIZED VIEW features.on_top AS SELECT next FROM features.ages")
    stats.run("CREATE VIEW features.rows AS SELECT count(*) FROM guarded.stats")
    found = dict(stats.run("SELECT name, columns FROM pgslo.reader").rows)
    assert found == {
        "churn": ["age"],
        "spend": ["country"],
        "features.ages": ["age", "id"],
        "features.countries": ["country"],
        "features.on_top": ["age", "id"],
        "features.rows": [],
    }
    judge(stats, 1, "missed")
    facts = dict(stats.run("SELECT * FROM pgslo.explain((SELECT max(incident_id) FROM pgslo.incident))").rows)
    assert "features.ages" in facts["views that read it"]
    assert "features.on_top" in facts["views that read it"]
    assert "features.countries" not in facts["views that read it"]


# Explaining


def test_explain_tells_before_and_then_and_evidence_what_moved(stats):
    for batch, present, common in (("1", 100, {"30": 50, "31": 50}), ("2", 40, {"30": 4, "0": 36})):
        stats.run(
            f"""INSERT INTO pgslo_catalog.profile (definition_id, batch, place, column_name, rows, present, sampled, common, summary)
                SELECT definition_id, '{batch}', {batch}, 'age', 100, {present}, {present}, '{json.dumps(common)}',
                       array_fill(NULL::float8, '{{4}}') || {max(common.values()) / present} || array_fill(30::float8, '{{18}}')
                FROM pgslo_catalog.definition"""
        )
    judge(stats, 1, "met")
    judge(stats, 2, "missed")
    facts = dict(stats.run("SELECT * FROM pgslo.explain((SELECT max(incident_id) FROM pgslo.incident))").rows)
    assert (
        facts["profile before"]
        == "age: batch 1: 100 rows, 100.0 % not null, 50.0 % the commonest value, median 30"
    )
    assert (
        facts["profile then"]
        == "age: batch 2: 100 rows, 40.0 % not null, 90.0 % the commonest value, median 30"
    )
    assert facts["first bad batch"] == "50.0 % of 10 rows are not null"
    assert facts["written by"].startswith("loader with nightly, ")
    evidence = stats.run("SELECT * FROM pgslo.evidence((SELECT max(incident_id) FROM pgslo.incident))").rows
    assert evidence == (("value that moved most, age", "0: 0.0 % before, 90.0 % then"),)


def test_evidence_holds_the_failing_rows_of_this_incident(stats):
    stats.run("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'us')")
    stats.run("INSERT INTO features.stats VALUES (2, '2026-11-22', 9, 'us')")
    stats.run("INSERT INTO features.stats VALUES (3, '2026-11-23', 888, 'us')")
    rows = stats.run("SELECT fact FROM pgslo.evidence((SELECT max(incident_id) FROM pgslo.incident))").rows
    assert rows == (("(id) = (3): age = 888",),)


# Telling


def listen(connection):
    connection.execute("LISTEN pgslo_incident_v1")
    seen = [0]

    def told():
        payloads = [json.loads(notice.payload) for notice in connection.notifies(timeout=0.2)]
        assert all(payload == {"version": 1} for payload in payloads)
        if not payloads:
            return []
        # A notification has nothing but its version: who listens reads the events.
        events = connection.execute(
            "SELECT incident_event_id, event, incident_id FROM pgslo.incident_event WHERE incident_event_id > %s ORDER BY 1",
            [seen[-1]],
        ).fetchall()
        seen.extend(number for number, _, _ in events)
        return [(event, incident) for _, event, incident in events]

    return told


def test_a_write_notifies_nobody_and_tick_does_once(apply, connection, connect):
    connection.execute("CREATE SCHEMA features")
    connection.execute(TABLE)
    apply(DEFINITION)
    told = listen(connect())
    connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'us')")
    assert told() == []
    connection.execute("SELECT pgslo.tick()")
    assert told() == [("opened", 1)]
    connection.execute("SELECT pgslo.tick()")
    assert told() == []
    connection.execute("SELECT pgslo.acknowledge(1)")
    assert told() == [("acknowledged", 1)]
    connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-22', 9, 'us')")
    connection.execute("SELECT pgslo.tick()")
    assert told() == [("over", 1)]
    connection.execute("DELETE FROM features.stats WHERE day = '2026-11-21'")
    connection.execute("SELECT pgslo.tick()")
    assert told() == [("resolved", 1)]


def test_what_is_rolled_back_is_told_to_nobody(apply, connection, connect):
    connection.execute("CREATE SCHEMA features")
    connection.execute(TABLE)
    apply(DEFINITION)
    told = listen(connect())
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'us')")
    connection.execute("SELECT pgslo.tick()")
    assert told() == []


def test_only_operators_decide_and_everybody_may_look(apply, connection, connect, role):
    connection.execute("CREATE SCHEMA features")
    connection.execute(TABLE)
    apply(DEFINITION)
    connection.execute("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'us')")
    stranger = connect(role("stranger"))
    for call in (
        *(
            "acknowledge(1)",
            "mute(1, NULL)",
            "mute_rule('a', 'b', NULL)",
            "resolve(1, 'real')",
            "accept(1, 'right')",
            "evidence(1)",
        ),
        *("subscribe('x')", "begin_delivery(1)", "end_delivery(1)"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.execute(f"SELECT pgslo.{call}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger.execute("SELECT * FROM pgslo.delivery")
    for view in ("page", "reader", "incident_event", "budget", "incident"):
        stranger.execute(f"SELECT * FROM pgslo.{view}")
    # Nothing of a table that it may not read; who may, is told.
    assert stranger.execute("SELECT count(*) FROM pgslo.explain(1)").fetchone()[0] == 0
    assert connection.execute("SELECT count(*) FROM pgslo.explain(1)").fetchone()[0] > 5
    operator = role("operator")
    connection.execute(f"GRANT EXECUTE ON FUNCTION pgslo.acknowledge(bigint, text) TO {operator}")
    connect(operator).execute("SELECT pgslo.acknowledge(1)")
    assert connection.execute("SELECT acknowledged_by FROM pgslo.incident").fetchone() == (operator,)


def test_a_task_reads_what_its_sql_reads(session):
    session.run(TABLE)
    session.guard(
        """
        table: features.stats
        key: [id]
        writes: bulk
        batch: {by: day}
        columns:
          age: [range: {min: 0, max: 120}]
          country: [accepted_values: [us, de]]
        tasks:
          churn: {sql: "SELECT avg(age) FROM guarded.stats", view: serving.churn}
          spend: {contact: "#spend", reads: [score], sql: "SELECT country FROM features.stats"}
        """
    )
    found = session.run("SELECT name, columns, known_from FROM pgslo.reader ORDER BY name").rows
    assert found == (("churn", ["age"], "sql"), ("spend", ["score", "country"], "sql"))
    session.run("INSERT INTO features.stats VALUES (1, '2026-11-21', 999, 'us')")
    assert session.run("SELECT age FROM serving.churn").warned == {"age_range"}
    facts = dict(
        session.run("SELECT * FROM pgslo.explain((SELECT max(incident_id) FROM pgslo.incident))").rows
    )
    assert facts["tasks that read it"] == "churn"


def test_a_task_whose_sql_reads_another_table_is_refused(session):
    session.run(TABLE)
    (error,) = session.errors(
        "table: features.stats\nkey: [id]\ncolumns: {age: [not_null]}\ntasks: {churn: {sql: SELECT age FROM other.stats}}"
    )
    assert "slos/example.yml:4:" in error
    assert "the task's SQL does not read features.stats" in error
