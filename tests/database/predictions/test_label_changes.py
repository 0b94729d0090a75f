"""Pairs stay right when writers race, and after changes without an image."""

from __future__ import annotations

import random
import threading

import psycopg
import pytest
from late_labels import DEFINITION, TABLES, label, predict, problems

from pgslo import plan
from pgslo.database import operations, planning


def test_two_writers_cannot_both_miss_a_pair(connection, dsn, apply):
    """Every order of a prediction's and its label's INSERT, COMMIT and of tick(), on two connections."""
    connection.execute("CREATE SCHEMA features")
    for statement in TABLES.split(";"):
        connection.execute(statement.encode())
    apply(DEFINITION)
    key = 0
    ticks = [(), (1,), (2,), (3,), (1, 3), (2, 3), (1, 2, 3)]
    for order in ("pPlL", "plPL", "plLP", "lLpP", "lpLP", "lpPL"):
        for when in ticks:
            key += 1
            with psycopg.connect(dsn) as one, psycopg.connect(dsn) as two:
                for n, act in enumerate(order):
                    if n in when:
                        connection.execute("SELECT pgslo.tick()")
                    match act:
                        case "p":
                            one.execute(
                                "INSERT INTO features.prediction (id, score) VALUES (%s, 0.9)", (key,)
                            )
                        case "l":
                            two.execute("INSERT INTO features.label (id, truth) VALUES (%s, 'yes')", (key,))
                        case "P":
                            one.commit()
                        case "L":
                            two.commit()
    connection.execute("SELECT pgslo.tick()")
    row = connection.execute(
        "SELECT sum(predictions)::int, sum(labelled)::int, sum(decided)::int FROM pgslo_catalog.pair_cell"
    ).fetchone()
    assert row == (key, key, key)


def test_concurrent_writers_and_ticks_agree_with_a_recount(connection, dsn, apply):
    connection.execute("CREATE SCHEMA features")
    for statement in TABLES.split(";"):
        connection.execute(statement.encode())
    apply(DEFINITION)
    done = threading.Event()
    failed: list[BaseException] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)
        try:
            with psycopg.connect(dsn) as own:
                for _ in range(60):
                    first, last = sorted((rng.randint(1, 200), rng.randint(1, 200)))
                    one = rng.choice(
                        [
                            "INSERT INTO features.prediction (id, score, day) SELECT n, {s}, date '2026-11-01' + n % 3 FROM generate_series({a}, {b}) n ON CONFLICT (id) DO UPDATE SET score = excluded.score",
                            "INSERT INTO features.label (id, truth) SELECT n, '{y}' FROM generate_series({a}, {b}) n",
                            "UPDATE features.label SET truth = '{y}' WHERE id = {a}",
                            "DELETE FROM features.label WHERE id BETWEEN {a} AND {b}",
                            "DELETE FROM features.prediction WHERE id = {a}",
                        ]
                    ).format(a=first, b=last, s=rng.random(), y=rng.choice(["yes", "no"]))
                    try:
                        own.execute(one.encode())
                        own.rollback() if rng.random() < 0.2 else own.commit()
                    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                        own.rollback()  # of the tables' own rows: the statements lock them in different orders
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    def tick() -> None:
        with psycopg.connect(dsn, autocommit=True) as own:
            while not done.is_set():
                own.execute("SELECT pgslo.tick()")

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    ticker = threading.Thread(target=tick)
    for thread in (ticker, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    ticker.join()
    assert failed == []
    connection.execute("SELECT pgslo.tick()")
    query = "SELECT batch, model, segment, to_jsonb(c) - '{pair_cell_id,coarse}'::text[] FROM pgslo_catalog.pair_cell c WHERE predictions <> 0 OR label_without_prediction <> 0 ORDER BY 1, 2, 3"
    added_up = connection.execute(query).fetchall()
    connection.execute("SELECT pgslo.recount_pairs('features.prediction')")
    assert added_up == connection.execute(query).fetchall()
    assert added_up
    assert connection.execute("SELECT count(*) FROM pgslo_catalog.rule_break").fetchone() == (0,)


def test_rows_that_were_there_are_counted_by_the_first_tick(session):
    for statement in TABLES.split(";"):
        session.run(statement)
    predict(session, 10, score="0.9")
    label(session, 5, "'yes'")
    session.guard(DEFINITION)
    session.run("UPDATE features.label SET truth = 'no' WHERE id = 1")
    session.run("SELECT pgslo.tick()")
    assert session.run("SELECT value, pairs FROM pgslo.ml_metric WHERE metric = 'accuracy'").rows == (
        (0.8, 5),
    )


@pytest.mark.parametrize("emptied", ["features.label", "features.prediction"])
def test_truncate_counts_anew(guard, emptied):
    session = guard()
    predict(session, 10, score="0.9")
    label(session, 10, "'yes'")
    session.run("SELECT pgslo.tick()")
    session.run(f"TRUNCATE {emptied}")
    if emptied == "features.label":
        label(session, 2, "'no'")
    session.run("SELECT pgslo.tick()")
    rows = session.run("SELECT value, pairs FROM pgslo.ml_metric WHERE metric = 'accuracy'").rows
    assert rows == (((0.0, 2),) if emptied == "features.label" else ())
    assert problems(session) == ({} if emptied == "features.label" else {"label_without_prediction": 10})


def test_a_pause_is_made_up_for(guard):
    session = guard()
    predict(session, 10, score="0.9")
    session.run("SELECT pgslo.tick()")
    session.run("SELECT pgslo.pause('features.prediction')")
    label(session, 10, "'yes'")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT value FROM pgslo.ml_metric WHERE metric = 'label_coverage'") == [0]
    session.run("SELECT pgslo.resume('features.prediction')")
    label(session, 1, "'no'", first=11)
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT value FROM pgslo.ml_metric WHERE metric = 'label_coverage'") == [1]
    assert problems(session) == {"label_without_prediction": 1}


def test_other_segments_are_counted_anew(guard):
    session = guard()
    predict(session, 10, score="0.9", region="CASE WHEN n <= 5 THEN 'a' ELSE 'b' END")
    session.run("SELECT pgslo.tick()")
    session.guard(DEFINITION.replace("segments: region, ", ""))
    session.run("SELECT pgslo.tick()")
    assert session.run("SELECT segment, predictions::int FROM pgslo_catalog.pair_cell").rows == (([], 10),)


def test_a_renamed_column_stops_no_write(guard):
    session = guard()
    session.run("DROP SCHEMA guarded CASCADE")
    session.run("ALTER TABLE features.label RENAME truth TO t")
    session.run("INSERT INTO features.label (id, t) VALUES (1, 'yes')")
    session.run("ALTER TABLE features.prediction RENAME score TO s")
    predict(session, 1, s="0.5")
    assert session.values("SELECT count(*) > 0 FROM pgslo_catalog.rule_break") == [True]
    session.run("SELECT pgslo.tick()")


def test_partitions_of_both(session):
    session.run(
        "CREATE TABLE features.prediction (id integer, day date, score real, model_version text, region text, predicted_at timestamp, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
    )
    session.run("CREATE TABLE features.p1 PARTITION OF features.prediction DEFAULT")
    session.run(
        "CREATE TABLE features.label (id integer, truth text, known_at timestamp) PARTITION BY HASH (id)"
    )
    session.run(
        "CREATE TABLE features.l1 PARTITION OF features.label FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    )
    session.run("CREATE INDEX ON features.label (id)")
    session.guard(DEFINITION)
    session.run(
        "INSERT INTO features.prediction VALUES (1, '2026-11-01', 0.9, 'v', 'a', '2026-11-01'), (2, '2026-11-01', 0.9, 'v', 'a', '2026-11-01')"
    )
    session.run("INSERT INTO features.p1 VALUES (3, '2026-11-01', 0.9, 'v', 'a', '2026-11-01')")
    session.run("INSERT INTO features.label VALUES (1, 'yes', '2026-11-02')")
    session.run("INSERT INTO features.l1 VALUES (2, 'no', '2026-11-02'), (3, 'yes', '2026-11-02')")
    session.run("SELECT pgslo.tick()")
    assert session.run("SELECT value, pairs FROM pgslo.ml_metric WHERE metric = 'accuracy'").rows == (
        (pytest.approx(2 / 3), 3),
    )


def test_two_models_share_a_label_table(session):
    for statement in TABLES.split(";"):
        session.run(statement)
    session.run("CREATE TABLE features.other (LIKE features.prediction INCLUDING ALL)")
    session.guard(DEFINITION)
    session.guard(DEFINITION.replace("features.prediction", "features.other"))
    for table in ("prediction", "other"):
        session.run(f"INSERT INTO features.{table} (id, score) VALUES (1, 0.{5 if table == 'other' else 1})")
    label(session, 1, "'yes'")
    session.run("SELECT pgslo.tick()")
    rows = session.run(
        "SELECT definition, value FROM pgslo.ml_metric WHERE metric = 'accuracy' ORDER BY 1"
    ).rows
    assert rows == (("features.other", 1.0), ("features.prediction", 0.0))


@pytest.mark.parametrize(
    ("replace", "by", "error"),
    [
        ("features.label", "features.nothing", "table features.nothing does not exist"),
        ("label: truth", "label: nothing", 'column "nothing" of features.label does not exist'),
        ("on: id", "on: region", 'column "region" of features.label does not exist'),
        ("at: known_at, ", "", "may hold two labels for one prediction"),
        ("at: known_at", "at: id", 'column "id" of type integer is not a time'),
        ("batch: {by: day}", "settle: 1 hour", "no column says the batch of a row"),
        (", at: predicted_at", "", '"labels" needs "at"'),
        ('positive: "yes"', "positive: maybe", '"positive" is not one of "classes"'),
        ("segments: region", "segments: nothing", 'column "nothing" of features.prediction does not exist'),
        ('positive: "yes", ', "", 'column "truth" of type text is not a number'),
    ],
)
def test_refused(session, replace, by, error):
    for statement in TABLES.split(";"):
        session.run(statement)
    assert replace in DEFINITION
    found = session.errors(DEFINITION.replace(replace, by))
    assert error in "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("{of: auk, min: 1}", 'metric "auk" does not exist'),
        ("{of: auc}", '"ml_metric" needs "min" or "max"'),
        ("{of: mae, max: 1}", '"mae" is about numbers, and these are classes'),
        ("{of: default_share, max: 1}", '"default_share" needs a step "default"'),
        ("{of: auc, min: 0.5, per: id}", 'metrics are not kept apart by "id"'),
        ("{of: auc, min: 0.5, confidence: 1}", "leaves nothing to chance"),
        ("{of: auc, min: 0.5, over: 0}", "expected a number of batches"),
        ("{of: auc, min: 0.5}, reject_below: 0.1", '"reject_below" does not fit "ml_metric"'),
        ("{of: auc, min: 0.5}, on_breach: reject", '"ml_metric" cannot reject a statement'),
    ],
)
def test_rules_are_refused(session, rule, error):
    for statement in TABLES.split(";"):
        session.run(statement)
    found = session.errors(DEFINITION + f"    rules: [r: {{ml_metric: {rule}}}]")
    assert error in "\n".join(found)


def test_drift_looks_at_the_label_table(connection, apply):
    connection.execute("CREATE SCHEMA features")
    for statement in TABLES.split(";"):
        connection.execute(statement.encode())
    connection.execute("DROP TABLE features.label")
    connection.execute(
        "CREATE TABLE features.label (id integer, truth text, known_at timestamptz) PARTITION BY HASH (id)"
    )
    connection.execute("CREATE INDEX ON features.label (id)")
    connection.execute(
        "CREATE TABLE features.l1 PARTITION OF features.label FOR VALUES WITH (MODULUS 2, REMAINDER 0)"
    )
    apply(DEFINITION)
    assert operations.find_drift(connection) == ()
    connection.execute(
        "CREATE TABLE features.l2 PARTITION OF features.label FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
    )
    connection.execute("ALTER TABLE features.l1 DISABLE TRIGGER ALL")
    found = {(one.what, one.thing) for one in operations.find_drift(connection)}
    assert {what for what, _ in found} == {"unarmed", "switched off"}
    assert all(("features.l2" in thing) == (what == "unarmed") for what, thing in found)
    assert len(found) == 10
    apply(DEFINITION)
    assert operations.find_drift(connection) == ()


def test_uninstall_leaves_nothing_on_the_label_table(session):
    for statement in TABLES.split(";"):
        session.run(statement)
    session.guard(DEFINITION)
    removal = planning.plan_removal(session.connection, ["features.prediction"])
    for _, statement in plan.order_statements(removal):
        session.connection.execute(statement.script.encode(), prepare=False)
    assert session.values("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgslo%'") == [0]
    assert session.values("SELECT count(*) FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace") == [
        0
    ]
    for table in ("pair_cell", "pair_fragment", "pair_score", "pair_batch", "post_processing"):
        assert session.values(f"SELECT count(*) FROM pgslo_catalog.{table}") == [0]
