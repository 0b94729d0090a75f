"""Labels that come late: when batches are judged, what chance explains, what cannot be measured, and who races whom."""

from __future__ import annotations

import math
import random
import threading
from typing import Any

import psycopg
import pytest
from scipy import stats

from pgslo import database, operations, plan

TABLES = """
CREATE TABLE features.prediction (
    id integer PRIMARY KEY, day date NOT NULL DEFAULT '2026-11-01', score double precision, model_version text DEFAULT 'v1', region text DEFAULT 'a',
    predicted_at timestamptz DEFAULT '2026-11-01 10:00:00+00');
CREATE TABLE features.label (id integer, truth text, known_at timestamptz DEFAULT '2026-11-02 10:00:00+00');
CREATE INDEX ON features.label (id)
"""
DEFINITION = """
    table: features.prediction
    kind: predictions
    owner: risk
    writes: bulk
    batch: {by: day}
    watch: false
    predictions: {score: score, model: model_version, at: predicted_at}
    labels: {table: features.label, on: id, label: truth, at: known_at, positive: "yes", maturity: 2 days, segments: region, classes: ["yes", "no"]}
"""


@pytest.fixture
def guard(session):
    def guard(rules: str = "", definition: str = DEFINITION) -> Any:
        for statement in TABLES.split(";"):
            session.run(statement)
        session.guard(definition + (f"    rules: {rules}\n" if rules else ""))
        return session

    return guard


def predict(session, rows: int, *, first: int = 1, **columns: str) -> None:
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    session.run(
        f"INSERT INTO features.prediction (id{names}) SELECT n{values} FROM generate_series({first}, {first + rows - 1}) n"
    )


def label(session, rows: int, truth: str, *, first: int = 1) -> None:
    session.run(
        f"INSERT INTO features.label (id, truth) SELECT n, {truth} FROM generate_series({first}, {first + rows - 1}) n"
    )


def verdicts(session, batch: str | None = None) -> dict[str, tuple[str, Any, str]]:
    return {
        rule: (verdict, None if value is None else round(value, 6), said)
        for rule, verdict, value, said in session.run(
            f"SELECT rule, verdict, value, said FROM pgslo.verdict WHERE batch = '{batch or '2026-11-01'}'"
        ).rows
    }


def problems(session) -> dict[str, int]:
    session.run("SELECT pgslo.tick()")
    return dict(session.run("SELECT problem, sum(rows)::int FROM pgslo.prediction_problem GROUP BY 1").rows)


# When


def test_a_batch_is_judged_when_its_labels_are_due(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.9}}]")
    predict(session, 100, score="0.9", predicted_at="now() - interval '1 day'")
    label(session, 40, "'yes'")
    session.run("UPDATE features.label SET known_at = now()")
    session.close(definition="features.prediction")
    verdict, value, said = verdicts(session)["right"]
    assert (verdict, value) == ("unknown", None)
    assert said.startswith("labels are complete at 20")
    assert said.endswith("40 of 100 predictions have one by now")
    session.run("UPDATE features.prediction SET predicted_at = predicted_at - interval '2 days'")
    # The newest prediction that was ever in it tells: times that are put back do not hurry it.
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][0] == "unknown"
    session.run("UPDATE pgslo_catalog.pair_batch SET last_at = last_at - interval '2 days'")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"] == (
        "met",
        1,
        "accuracy is 1, 0.91238 to 1 by chance, of 40 pairs; the objective is at least 0.9",
    )


def test_late_and_corrected_labels_open_and_heal(guard):
    session = guard(
        "[right: {ml_metric: {of: accuracy, min: 0.9}}, labelled: {ml_metric: {of: label_coverage, min: 0.9}}]"
    )
    predict(session, 200, score="0.9")
    session.close(definition="features.prediction")
    assert verdicts(session)["right"][0] == "unknown"
    assert verdicts(session)["labelled"][:2] == ("missed", 0)
    assert session.incidents() == {"labelled"}
    label(session, 200, "CASE WHEN n <= 100 THEN 'yes' ELSE 'no' END")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][:2] == ("missed", 0.5)
    assert session.incidents() == {"right"}
    session.run("UPDATE features.label SET truth = 'yes'")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][:2] == ("met", 1)
    assert session.incidents() == set()
    assert session.values("SELECT resolution FROM pgslo.incident ORDER BY incident_id") == [
        "healed",
        "healed",
    ]
    session.run("DELETE FROM features.label WHERE id > 100")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["labelled"][:2] == ("missed", 0.5)


def test_readers_of_the_score_are_warned(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.9}}]")
    predict(session, 200, score="0.9")
    label(session, 200, "'no'")
    session.close(definition="features.prediction")
    assert session.run("SELECT score FROM guarded.prediction").warned == {"right"}
    assert session.run("SELECT region FROM guarded.prediction").warned == set()


def test_nothing_is_judged_twice_for_nothing(guard):
    session = guard(
        "[right: {ml_metric: {of: accuracy, min: 0.9}}, d: {ml_metric: {of: expected_accuracy, min: 0.5}}]"
    )
    predict(session, 10, score="0.9")
    label(session, 10, "'yes'")
    session.close(definition="features.prediction")
    before = session.values("SELECT judged_at FROM pgslo.verdict")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT judged_at FROM pgslo.verdict") == before


# Chance


def test_only_what_chance_does_not_explain_is_missed(guard):
    session = guard(
        "[right: {ml_metric: {of: accuracy, min: 0.8}}, surer: {ml_metric: {of: accuracy, min: 0.8, confidence: 0.9999}}]"
    )
    predict(session, 100, score="0.9")
    label(session, 100, "CASE WHEN n <= 73 THEN 'yes' ELSE 'no' END")
    session.close(definition="features.prediction")
    assert verdicts(session)["right"][:2] == ("met", 0.73)
    session.run("UPDATE features.label SET truth = 'no' WHERE id <= 5")
    session.run("SELECT pgslo.tick()")
    assert verdicts(session)["right"][:2] == ("missed", 0.68)
    assert verdicts(session)["surer"][:2] == ("met", 0.68)


def test_batches_are_taken_together(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.785, over: 3 batches}}]")
    for day in range(1, 6):
        predict(session, 40, first=day * 100, score="0.9", day=f"date '2026-11-0{day}'")
        label(session, 40, "CASE WHEN n % 10 < 7 THEN 'yes' ELSE 'no' END", first=day * 100)
    session.close(definition="features.prediction")
    assert {batch: verdicts(session, f"2026-11-0{batch}")["right"][0] for batch in range(1, 6)} == {
        1: "met",
        2: "met",
        3: "missed",
        4: "missed",
        5: "missed",
    }
    assert "of 120 pairs in 3 batches" in verdicts(session, "2026-11-03")["right"][2]
    # A correction of the first batch moves the verdicts of those that reach back to it, and of no other.
    session.run("UPDATE features.label SET truth = 'yes' WHERE id < 200")
    session.run("SELECT pgslo.tick()")
    assert [verdicts(session, f"2026-11-0{batch}")["right"][0] for batch in range(1, 6)] == [
        *("met", "met", "met", "missed", "missed")
    ]


def test_the_worst_group_decides(guard):
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.8, per: [model_version, region]}}]")
    predict(session, 300, score="0.9", region="CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'c' END")
    label(session, 300, "CASE WHEN n % 3 = 1 AND n <= 200 THEN 'no' ELSE 'yes' END")
    session.close(definition="features.prediction")
    verdict, value, said = verdicts(session)["right"]
    assert (verdict, value) == ("missed", 0.33)
    assert said.startswith("model_version v1, region b: accuracy is 0.33, ")
    rows = session.run(
        "SELECT segment[1], value FROM pgslo.ml_metric WHERE metric = 'accuracy' ORDER BY 1"
    ).rows
    assert rows == (("a", 1.0), ("b", 0.33), ("c", 1.0))


def test_intervals_are_those_of_the_books(guard):
    session = guard()
    rng = random.Random(5)
    pairs = [(rng.random(), rng.random()) for _ in range(500)]
    rows = ", ".join(f"({n}, {s})" for n, (s, _) in enumerate(pairs))
    session.run(f"INSERT INTO features.prediction (id, score) VALUES {rows}")
    rows = ", ".join(f"({n}, '{'yes' if u < s else 'no'}')" for n, (s, u) in enumerate(pairs))
    session.run(f"INSERT INTO features.label (id, truth) VALUES {rows}")
    session.run("SELECT pgslo.tick()")
    found = {
        metric: (value, low, high)
        for metric, value, low, high in session.run(
            "SELECT metric, value, low, high FROM pgslo.ml_metric"
        ).rows
    }
    truth, score = [u < s for s, u in pairs], [s for s, _ in pairs]
    said = [s >= 0.5 for s in score]
    shares = {
        "accuracy": (sum(a == b for a, b in zip(said, truth, strict=True)), 500),
        "precision": (sum(a and b for a, b in zip(said, truth, strict=True)), sum(said)),
        "recall": (sum(a and b for a, b in zip(said, truth, strict=True)), sum(truth)),
    }
    for metric, (good, whole) in shares.items():
        interval = stats.binomtest(good, whole).proportion_ci(0.95, "wilson")
        assert found[metric] == pytest.approx((good / whole, interval.low, interval.high), abs=1e-9)
    tp, other = shares["precision"][0], sum(a or b for a, b in zip(said, truth, strict=True))
    jaccard = stats.binomtest(tp, other).proportion_ci(0.95, "wilson")
    f1 = [2 * j / (1 + j) for j in (tp / other, jaccard.low, jaccard.high)]
    assert found["f1"] == pytest.approx(tuple(f1), abs=1e-9)
    losses = [-math.log(s if y else 1 - s) for s, y in zip(score, truth, strict=True)]
    briers = [(s - y) ** 2 for s, y in zip(score, truth, strict=True)]
    for metric, parts in (("log_loss", losses), ("brier", briers)):
        mean = sum(parts) / 500
        half = stats.norm.ppf(0.975) * stats.sem(parts)
        assert found[metric] == pytest.approx((mean, mean - half, mean + half), abs=1e-9)
    auc = stats.mannwhitneyu(
        [s for s, y in zip(score, truth, strict=True) if y],
        [s for s, y in zip(score, truth, strict=True) if not y],
    ).statistic / (sum(truth) * (500 - sum(truth)))
    q1, q2, n1, n2 = auc / (2 - auc), 2 * auc**2 / (1 + auc), sum(truth), 500 - sum(truth)
    error = math.sqrt((auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n2 - 1) * (q2 - auc**2)) / (n1 * n2))
    assert found["auc"] == pytest.approx(
        (auc, auc - stats.norm.ppf(0.975) * error, auc + stats.norm.ppf(0.975) * error), abs=1e-9
    )
    expected = [max(s, 1 - s) for s in score]
    half = stats.norm.ppf(0.975) * math.sqrt(sum(c * (1 - c) for c in expected)) / 500
    assert found["expected_accuracy"] == pytest.approx(
        (sum(expected) / 500, sum(expected) / 500 - half, sum(expected) / 500 + half), abs=1e-9
    )


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 0.975, 0.995, 0.9999, 1 - 1e-9])
def test_normal_quantile(session, share):
    assert session.values(f"SELECT pgslo_catalog.normal_quantile({share})") == [
        pytest.approx(stats.norm.ppf(share), abs=1e-6)
    ]


def test_a_model_at_the_bound_is_rarely_told(guard):
    """Fifty batches of a model that is exactly as good as the objective: at 95 % one in forty is missed by chance."""
    session = guard("[right: {ml_metric: {of: accuracy, min: 0.8}}]")
    rng = random.Random(11)
    rows = [(day, n, rng.random() < 0.8) for day in range(50) for n in range(100)]
    values = ", ".join(f"({day * 100 + n}, date '2026-01-01' + {day}, 0.9)" for day, n, _ in rows)
    session.run(f"INSERT INTO features.prediction (id, day, score) VALUES {values}")
    values = ", ".join(f"({day * 100 + n}, '{'yes' if right else 'no'}')" for day, n, right in rows)
    session.run(f"INSERT INTO features.label (id, truth) VALUES {values}")
    session.close(definition="features.prediction")
    counts = dict(
        session.run("SELECT verdict, count(*)::int FROM pgslo.verdict WHERE rule = 'right' GROUP BY 1").rows
    )
    assert counts["met"] + counts.get("missed", 0) == 50
    assert counts.get("missed", 0) <= 4


def test_many_scores_are_kept_to_four_digits_and_the_error_is_told(guard):
    session = guard()
    predict(session, 12000, score="(n * 7919 % 12007) / 12007.0::float8")
    label(
        session, 12000, "CASE WHEN (n * 7919 % 12007) / 12007.0 + sin(n) / 3 > 0.5 THEN 'yes' ELSE 'no' END"
    )
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT coarse FROM pgslo_catalog.pair_cell") == [True]
    assert session.values("SELECT count(*) <= 10001 FROM pgslo_catalog.pair_score") == [True]
    ((value, low, high),) = session.run(
        "SELECT value, low, high FROM pgslo.ml_metric WHERE metric = 'auc'"
    ).rows
    (exact,) = session.values(
        """SELECT sum(CASE WHEN p.score > n.score THEN 1.0 WHEN p.score = n.score THEN 0.5 ELSE 0 END)::float8 / count(*)
           FROM (SELECT score FROM features.prediction JOIN features.label USING (id) WHERE truth = 'yes' AND id % 4 = 0) p,
                (SELECT score FROM features.prediction JOIN features.label USING (id) WHERE truth = 'no' AND id % 4 = 0) n"""
    )
    assert low < value < high
    assert value == pytest.approx(exact, abs=0.02)
    # What is taken away is taken from where it was put.
    session.run("DELETE FROM features.label")
    session.run("SELECT pgslo.tick()")
    assert session.values("SELECT count(*) FROM pgslo_catalog.pair_score") == [0]


# What cannot be measured


def test_bad_input_is_counted_and_nothing_is_lost(guard):
    session = guard()
    predict(session, 10, score="0.9")
    label(session, 10, "'yes'")
    assert problems(session) == {}
    label(session, 3, "'yes'", first=100)
    assert problems(session) == {"label_without_prediction": 3}
    predict(session, 3, first=100, score="0.9")
    assert problems(session) == {}
    session.run("INSERT INTO features.label VALUES (1, 'no', '2026-11-03 10:00:00+00')")
    assert problems(session) == {"two_labels": 1}
    assert session.values("SELECT value FROM pgslo.ml_metric WHERE metric = 'accuracy'") == [12 / 13]
    session.run(
        "UPDATE features.prediction SET score = CASE id WHEN 2 THEN 1.5 WHEN 3 THEN -0.1 WHEN 4 THEN 'NaN' WHEN 5 THEN NULL END WHERE id BETWEEN 2 AND 5"
    )
    session.run("UPDATE features.label SET truth = 'perhaps' WHERE id = 6")
    session.run("UPDATE features.label SET truth = NULL WHERE id = 7")
    session.run("UPDATE features.label SET known_at = '2026-10-31' WHERE id = 8")
    session.run("UPDATE features.prediction SET model_version = NULL WHERE id = 9")
    assert problems(session) == {
        "two_labels": 1,
        "score_outside": 2,
        "score_missing": 2,
        "unknown_label": 2,
        "label_before_prediction": 1,
        "model_missing": 1,
    }
    assert session.values("SELECT sum(pairs)::int FROM pgslo.ml_metric WHERE metric = 'accuracy'") == [
        13 - 2 - 2 - 2 - 1
    ]
    session.run("DELETE FROM features.label")
    session.run("DELETE FROM features.prediction")
    assert problems(session) == {}
    assert session.values("SELECT count(*) FROM pgslo.ml_metric") == [0]


def test_unknown_classes_are_counted(session):
    for statement in TABLES.split(";"):
        session.run(statement)
    session.run("ALTER TABLE features.prediction ADD kind text")
    session.guard(DEFINITION.replace("score: score,", "score: score, class: kind,"))
    session.run(
        "INSERT INTO features.prediction (id, score, kind) VALUES (1, 0.9, 'yes'), (2, 0.9, 'maybe'), (3, 0.9, NULL)"
    )
    label(session, 3, "'yes'")
    assert problems(session) == {"unknown_class": 1}
    assert session.values("SELECT value FROM pgslo.ml_metric WHERE metric = 'accuracy'") == [1]


def test_shares_of_defaults_and_abstentions(session):
    for statement in TABLES.split(";"):
        session.run(statement)
    session.run("ALTER TABLE features.prediction ADD raw_score float8, ADD trail text[], ADD late boolean")
    session.guard(
        """
    table: features.prediction
    kind: predictions
    writes: bulk
    batch: {by: day}
    watch: false
    predictions: {score: score, class: late, model: model_version}
    post_process:
      {raw: raw_score, trail: trail, steps: [default: 0.2, threshold: 0.5, abstain: {when: "score BETWEEN 0.4 AND 0.6", name: unsure}]}
    rules: [d: {ml_metric: {of: default_share, max: 0.05}}, a: {ml_metric: {of: abstain_share, max: 0.05}}, e: {ml_metric: {of: expected_accuracy, min: 0.85}}]
        """
    )
    predict(session, 100, score="CASE WHEN n <= 10 THEN NULL WHEN n <= 12 THEN 0.5 ELSE 0.9 END")
    session.close(definition="features.prediction")
    found = verdicts(session)
    assert found["d"][:2] == ("missed", 0.1)
    assert found["a"][:2] == ("met", 0.02)
    assert found["e"][0] == "met"
    assert found["e"][1] == pytest.approx((10 * 0.8 + 88 * 0.9) / 98, abs=1e-6)
    assert session.incidents() == {"d"}


# Races, and changes that no image tells


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
        ('positive: "yes"', "positive: maybe", '"positive" is none of "classes"'),
        ("segments: region", "segments: nothing", 'column "nothing" of features.prediction does not exist'),
        ('positive: "yes", ', "", 'column "truth" of type text is no number'),
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
    removal = database.plan_removal(session.connection, ["features.prediction"])
    for _, statement in plan.order_statements(removal):
        session.connection.execute(statement.text.text.encode(), prepare=False)
    assert session.values("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgslo%'") == [0]
    assert session.values("SELECT count(*) FROM pg_proc WHERE pronamespace = 'pgslo_gen'::regnamespace") == [
        0
    ]
    for table in ("pair_cell", "pair_fragment", "pair_score", "pair_batch", "post_processing"):
        assert session.values(f"SELECT count(*) FROM pgslo_catalog.{table}") == [0]
