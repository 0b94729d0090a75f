"""The served value of a model's score: computed by the database for every writer, with the raw score beside it."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

TABLE = """
    CREATE TABLE features.prediction (
        id integer PRIMARY KEY, day date NOT NULL DEFAULT '2026-11-22', score {type}, late boolean, cancelled boolean,
        raw_score {type}, trail text[], model_version text, predicted_at timestamptz DEFAULT '2026-11-22 10:00:00+00', grp text)
"""
HEAD = """
    table: features.prediction
    kind: predictions
    owner: risk
    batch: {by: day}
    predictions: {score: score, class: late, model: model_version, at: predicted_at}
"""
STEPS = """
    post_process:
      raw: raw_score
      trail: trail
      steps:
        - default: 0.2
        - clip: [0, 1]
        - override: {when: "cancelled", score: 0, name: cancelled_is_not_late}
        - round: 2
        - threshold: {at: 0.5, above: true, below: false}
        - abstain: {when: "score > 0.45 AND score < 0.55"}
"""
VERSION = "v:"


def served(session, key=1):
    """Score, class, raw score and trail without its version."""
    ((score, late, raw, trail),) = session.run(
        f"SELECT score, late, raw_score, trail FROM features.prediction WHERE id = {key}"
    ).rows
    assert trail[0].startswith(VERSION)
    return score, late, raw, trail[1:]


@pytest.fixture
def table(session):
    session.run(TABLE.format(type="double precision"))
    session.guard(HEAD + STEPS)
    return session


@pytest.mark.parametrize(
    ("sent", "made", "late", "trail"),
    [
        ("0.7", 0.7, True, ["threshold"]),
        ("0.1234", 0.12, False, ["round", "threshold"]),
        ("NULL", 0.2, False, ["default", "threshold"]),
        ("'NaN'", 0.2, False, ["default", "threshold"]),
        ("7", 1.0, True, ["clip", "threshold"]),
        ("'-Infinity'", 0.0, False, ["clip", "threshold"]),
        ("0.5", 0.5, None, ["threshold", "abstain"]),
    ],
)
def test_steps_run_in_order_and_are_named(table, sent, made, late, trail):
    table.run(f"INSERT INTO features.prediction (id, score) VALUES (1, {sent})")
    score, decided, raw, steps = served(table)
    assert (score, decided, steps) == (made, late, trail)
    if sent == "NULL":
        assert raw is None
    elif sent == "'NaN'":
        assert math.isnan(raw)
    else:
        assert raw == float(sent.strip("'"))
    assert table.broken() == {}


def test_business_rules_override(table):
    table.run("INSERT INTO features.prediction (id, score, cancelled) VALUES (1, 0.9, true)")
    assert served(table) == (0.0, False, 0.9, ["cancelled_is_not_late", "threshold"])


def test_every_writer_is_held(table):
    table.copy("features.prediction (id, score)", ["1\t3", "2\t\\N"])
    assert served(table) == (1.0, True, 3.0, ["clip", "threshold"])
    assert served(table, 2) == (0.2, False, None, ["default", "threshold"])
    table.run("UPDATE features.prediction SET score = 0.333 WHERE id = 1")
    assert served(table) == (0.33, False, 0.333, ["round", "threshold"])
    upsert = "INSERT INTO features.prediction (id, score) VALUES (1, 0.777), (3, -1) ON CONFLICT (id) DO UPDATE SET {}"
    table.run(upsert.format("score = excluded.score"))
    assert served(table) == (0.78, True, 0.777, ["round", "threshold"])
    assert served(table, 3) == (0.0, False, -1.0, ["clip", "threshold"])
    table.run(
        upsert.format("score = excluded.score, raw_score = excluded.raw_score").replace("0.777", "0.666")
    )
    assert served(table) == (0.67, True, 0.666, ["round", "threshold"])


def test_what_excluded_holds_is_not_done_twice(session):
    session.run(TABLE.format(type="double precision"))
    session.guard(
        HEAD
        + """
    post_process:
      raw: raw_score
      trail: trail
      steps: [calibrate: {platt: [-2, 1]}]
    """
    )
    for n in range(3):
        session.run(
            f"INSERT INTO features.prediction (id, score) VALUES (1, 0.{n + 1}) ON CONFLICT (id) DO UPDATE SET score = excluded.score"
        )
        assert served(session)[0] == pytest.approx(1 / (1 + math.exp(-2 * (n + 1) / 10 + 1)))
        assert served(session)[2] == (n + 1) / 10
    # The same number as a score of its own, in a later statement, is what the model gave.
    session.run("UPDATE features.prediction SET score = 0.25")
    assert served(session)[2] == 0.25


def test_history_is_not_rewritten_when_steps_change(table):
    table.run("INSERT INTO features.prediction (id, score) VALUES (1, 0.123), (2, 0.456)")
    (before,) = table.values("SELECT trail[1] FROM features.prediction WHERE id = 1")
    made = table.guard(HEAD + STEPS.replace("round: 2", "round: 1"))
    (note,) = [one for one in made.notes if "post-processing changes" in one]
    assert before in note
    assert "existing rows keep their values" in note
    table.run("UPDATE features.prediction SET grp = 'x' WHERE id = 1")
    assert served(table) == (0.12, False, 0.123, ["round", "threshold"])
    assert table.values("SELECT trail[1] FROM features.prediction WHERE id = 1") == [before]
    table.run("UPDATE features.prediction SET trail = NULL WHERE id = 1")
    assert served(table) == (0.1, False, 0.123, ["round", "threshold"])
    versions = table.values("SELECT version FROM pgslo.post_processing ORDER BY applied_at")
    assert versions == [before, table.values("SELECT trail[1] FROM features.prediction WHERE id = 1")[0]]
    assert table.values("SELECT score FROM features.prediction WHERE id = 2") == [0.46]


def test_nobody_forges_a_trail_or_a_class(table):
    table.run("INSERT INTO features.prediction (id, score) VALUES (1, 0.9)")
    table.run("UPDATE features.prediction SET trail = '{v:forged}'")
    assert served(table) == (0.9, True, 0.9, ["threshold"])
    table.run("UPDATE features.prediction SET late = false")
    assert served(table) == (0.9, True, 0.9, ["threshold"])


def test_rows_from_before_are_left_alone(session):
    session.run(TABLE.format(type="double precision"))
    session.run("INSERT INTO features.prediction (id, score) VALUES (1, 7)")
    session.guard(HEAD + STEPS)
    session.run("UPDATE features.prediction SET grp = 'x'")
    assert session.run("SELECT score, trail FROM features.prediction").rows == ((7.0, None),)


def test_a_copy_of_rows_is_made_anew_from_what_the_model_gave(table):
    table.run("INSERT INTO features.prediction (id, score) VALUES (1, NULL), (2, 5)")
    table.run("CREATE TEMP TABLE kept AS SELECT * FROM features.prediction")
    table.run("DELETE FROM features.prediction")
    table.run("INSERT INTO features.prediction SELECT * FROM kept")
    assert served(table) == (0.2, False, None, ["default", "threshold"])
    assert served(table, 2) == (1.0, True, 5.0, ["clip", "threshold"])


def test_partitions(session):
    session.run(
        """CREATE TABLE features.prediction (id integer, day date, score real, late boolean, cancelled boolean, raw_score real, trail text[],
               model_version text, predicted_at date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"""
    )
    # Its columns stand in another order, as those of attached tables may.
    session.run(
        "CREATE TABLE features.other (trail text[], predicted_at date, raw_score real, day date NOT NULL, id integer NOT NULL, late boolean, cancelled boolean, score real, model_version text)"
    )
    session.run(
        "ALTER TABLE features.prediction ATTACH PARTITION features.other FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    )
    session.guard(HEAD + STEPS)
    session.run("INSERT INTO features.prediction (id, day, score) VALUES (1, '2026-11-22', 2)")
    session.run("INSERT INTO features.other (id, day, score) VALUES (2, '2026-11-22', 2)")
    assert served(session) == served(session, 2) == (1.0, True, 2.0, ["clip", "threshold"])
    assert session.broken() == {}


@pytest.mark.parametrize("type_", ["real", "double precision", "numeric", "numeric(6,3)"])
def test_last_good_value(session, type_):
    session.run(TABLE.format(type=type_))
    session.run("CREATE INDEX ON features.prediction (grp, predicted_at)")
    session.guard(
        HEAD
        + """
    post_process:
      raw: raw_score
      trail: trail
      steps: [default: {last: grp, else: 0.25}, clip: [0, 1]]
    """
    )
    session.run(
        """INSERT INTO features.prediction (id, grp, score, predicted_at) VALUES
           (1, 'a', 0.75, '2026-11-01'), (2, 'a', 0.5, '2026-11-02'), (3, 'a', 'NaN', '2026-11-03'), (4, 'b', 9, '2026-11-03')"""
    )
    session.run(
        "INSERT INTO features.prediction (id, grp, score) VALUES (5, 'a', NULL), (6, 'b', NULL), (7, 'c', NULL)"
    )
    assert [float(one) for one in session.values("SELECT score FROM features.prediction ORDER BY id")] == [
        *(0.75, 0.5, 0.5, 1.0, 0.5, 1.0, 0.25)
    ]
    assert session.broken() == {}


POINTS = [(0.1, 0.05), (0.4, 0.3), (0.8, 0.3), (0.9, 0.95)]


@pytest.mark.parametrize("type_", ["real", "double precision", "numeric"])
@pytest.mark.parametrize("apply", ["on_write", "on_read"])
def test_calibrations(session, type_, apply):
    session.run(TABLE.format(type=type_))
    if apply == "on_read":
        session.run("ALTER TABLE features.prediction DROP raw_score, DROP trail")
    source = "features.prediction" if apply == "on_write" else "guarded.prediction"
    scores = [random.Random(1).random() * 1.2 - 0.1 for _ in range(20)] + [0.1, 0.4, 0.8, 0.9, 0.2]
    tolerance = 1e-6 if type_ == "real" else 1e-12
    for calibration, expected in (
        ("platt: [-3.5, 1.25]", lambda s: 1 / (1 + math.exp(-3.5 * s + 1.25))),
        (
            f"isotonic: {[list(point) for point in POINTS]}",
            lambda s: float(np.interp(s, *zip(*POINTS, strict=True))),
        ),
        (
            "binning: {edges: [0.2, 0.5], values: [0.125, 0.25, 0.75]}",
            lambda s: 0.125 if s < 0.2 else 0.25 if s < 0.5 else 0.75,
        ),
    ):
        session.guard(
            HEAD
            + f"""
    post_process:
      apply: {apply}
      raw: raw_score
      trail: trail
      steps: [calibrate: {{{calibration}}}]
    """
        )
        session.run("DELETE FROM features.prediction")
        session.run(
            f"INSERT INTO features.prediction (id, score) SELECT n, s FROM unnest(ARRAY{scores}) WITH ORDINALITY AS u (s, n)"
        )
        made = session.values(f"SELECT score FROM {source} ORDER BY id")
        raw = scores
        if type_ == "real":
            raw = session.values(f"SELECT raw_score::float8 FROM {source} ORDER BY id")
        assert [float(one) for one in made] == pytest.approx([expected(one) for one in raw], abs=tolerance)
    assert session.broken() == {}


def test_read_time_form_serves_the_same(session):
    session.run(TABLE.format(type="double precision"))
    session.guard(HEAD + STEPS)
    rng = random.Random(7)
    sent = [rng.choice(["NULL", "'NaN'", str(rng.random() * 2 - 0.5)]) for _ in range(200)]
    rows = ", ".join(f"({n}, {s}, {rng.choice(['true', 'false', 'NULL'])})" for n, s in enumerate(sent))
    session.run(f"INSERT INTO features.prediction (id, score, cancelled) VALUES {rows}")
    written = session.run(
        "SELECT id, score, late, raw_score::text, trail FROM features.prediction ORDER BY id"
    ).rows
    session.run("DROP SCHEMA guarded CASCADE")
    session.run("DROP TABLE features.prediction")
    session.run("DELETE FROM pgslo_catalog.definition")
    session.run(TABLE.format(type="double precision"))
    session.run("ALTER TABLE features.prediction DROP raw_score, DROP trail")
    session.run(f"INSERT INTO features.prediction (id, score, cancelled) VALUES {rows}")
    session.guard(HEAD + STEPS.replace("raw: raw_score", "apply: on_read\n      raw: raw_score"))
    read = session.run(
        "SELECT id, score, late, raw_score::text, trail FROM guarded.prediction ORDER BY id"
    ).rows
    assert read == written
    assert session.values("SELECT count(*) FROM features.prediction WHERE score > 1") != [0]


def test_from_reads_to_writes_and_back(session):
    session.run(TABLE.format(type="double precision"))
    on_write = HEAD + STEPS
    on_read = HEAD + STEPS.replace("raw: raw_score", "apply: on_read\n      raw: given").replace(
        "trail: trail", "trail: way"
    )
    session.run("INSERT INTO features.prediction (id, score) VALUES (1, 7)")
    for definition, served in ((on_read, 1.0), (on_write, 7.0), (on_read, 1.0), (HEAD, 7.0)):
        session.guard(definition)
        assert session.plan(definition).steps == ()
        assert session.values("SELECT score FROM guarded.prediction") == [served]
    assert (
        session.values(
            "SELECT proname FROM pg_proc WHERE proname ~ 'served|post_process' AND pronamespace = 'pgslo_gen'::regnamespace"
        )
        == []
    )


def test_readers_need_no_right_but_on_the_view(session):
    session.run(TABLE.format(type="double precision"))
    session.run("ALTER TABLE features.prediction DROP raw_score, DROP trail")
    session.run("CREATE INDEX ON features.prediction (grp, score)")
    session.run("CREATE ROLE post_processing_reader")
    steps = STEPS.replace("raw: raw_score", "apply: on_read\n      raw: raw_score")
    top = "        - top_k: {k: 1, per: grp, into: shown}\n"
    session.guard(HEAD + "    readers: post_processing_reader\n" + steps + top)
    session.run("INSERT INTO features.prediction (id, score, grp) VALUES (1, 7, 'a'), (2, 0.25, 'a')")
    session.run("SET LOCAL ROLE post_processing_reader")
    assert session.run(
        "SELECT id, score, late, raw_score, shown FROM guarded.prediction ORDER BY id"
    ).rows == (
        (1, 1.0, True, 7.0, True),
        (2, 0.25, False, 0.25, False),
    )
    assert session.refused("SELECT * FROM features.prediction").sqlstate == "42501"


@pytest.mark.parametrize("apply", ["on_write", "on_read"])
def test_top_k(session, apply):
    session.run(TABLE.format(type="double precision"))
    session.run("CREATE INDEX ON features.prediction (grp, score)")
    if apply == "on_read":
        session.run("ALTER TABLE features.prediction DROP raw_score, DROP trail")
    session.guard(
        HEAD
        + f"""
    post_process:
      apply: {apply}
      raw: raw_score
      trail: trail
      steps: [clip: [0, 1], top_k: {{k: 2, per: grp, into: shown}}]
    """
    )
    session.run(
        """INSERT INTO features.prediction (id, grp, score) VALUES
           (1, 'a', 0.9), (2, 'a', 5), (3, 'a', 7), (4, 'a', NULL), (5, 'b', 'NaN'), (6, 'b', 0.1), (7, NULL, 0.3)"""
    )
    # Both 5 and 7 are 1 by now; of equals the lower key stands higher.
    query = "SELECT id FROM guarded.prediction WHERE shown ORDER BY id"
    assert session.values(query) == [2, 3, 6, 7]
    session.run("UPDATE features.prediction SET score = 1 WHERE id = 1")
    assert session.values(query) == [1, 2, 6, 7]
    session.run("DELETE FROM features.prediction WHERE id = 1")
    assert session.values(query) == [2, 3, 6, 7]


def test_a_step_that_fails_leaves_what_the_model_gave(session):
    session.run(TABLE.format(type="double precision"))
    session.guard(
        HEAD
        + """
    post_process:
      raw: raw_score
      trail: trail
      steps: [override: {when: "1 / (id - 1) > 0", score: 0}, clip: [0, 1]]
    """
    )
    session.run("INSERT INTO features.prediction (id, score) VALUES (1, 7), (2, 7)")
    assert served(session) == (7.0, None, 7.0, ["failed"])
    assert served(session, 2) == (0.0, None, 7.0, ["override"])
    # The trail of the row says so: a value is no reason to doubt the table.
    assert session.values("SELECT error_message FROM pgslo_catalog.rule_break") == []


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ("[clip: [1, 0]]", "1 is above 0"),
        ("[clop: [0, 1]]", 'step "clop" does not exist'),
        ("[override: {when: cancelled}]", '"override" sets "score" or "class"'),
        ("[override: {when: canceled, score: 0}]", 'column "canceled" of features.prediction does not exist'),
        ("[override: {when: id, score: 0}]", "argument of WHERE must be type boolean"),
        ('[override: {when: "pg_sleep(1) IS NULL", score: 0}]', "pg_sleep"),
        ("[override: {when: cancelled, class: false}]", "Put a threshold step before it"),
        ("[threshold: {at: 0.5, above: 1, below: 0}]", "1 is not a value of column"),
        ("[calibrate: {isotonic: [[0, 0.5], [1, 0.2]]}]", "an isotonic table never falls"),
        ("[calibrate: {isotonic: [[1, 0.5], [0, 0.7]]}]", "the scores have to rise"),
        ("[calibrate: {binning: {edges: [0.5], values: [0.1, 0.2, 0.3]}}]", "1 edges make 2 bins"),
        ("[calibrate: {platt: [1, 2], isotonic: [[0, 0], [1, 1]]}]", "calibrated in one way"),
        ("[clip: [0, 1], default: {last: grp, else: 0}]", "has to be the first one"),
        ("[default: {last: grp, else: 0}]", "has no index that finds rows by grp"),
        ("[default: {last: grp}]", "for rows without an earlier one"),
        ("[top_k: {k: 2, per: grp, into: late}]", 'column "late" of features.prediction exists already'),
    ],
)
def test_refused(session, steps, error):
    session.run(TABLE.format(type="double precision"))
    found = session.errors(HEAD + f"    post_process: {{raw: raw_score, trail: trail, steps: {steps}}}")
    assert error in "\n".join(found)
    assert found[0].startswith("slos/example.yml:")


def test_columns_have_to_fit(session):
    session.run(TABLE.format(type="real"))
    session.run("ALTER TABLE features.prediction ALTER trail TYPE text")
    found = session.errors(HEAD + "    post_process: {raw: raw_score, trail: trail, steps: [clip: [0, 1]]}")
    assert 'column "trail" has type text; a trail is text[]' in found[0]
    found = session.errors(HEAD + "    post_process: {raw: raw, trail: trail, steps: [clip: [0, 1]]}")
    assert 'column "raw" of features.prediction does not exist' in found[0]
    found = session.errors(
        HEAD + "    post_process: {apply: on_read, raw: raw_score, trail: t, steps: [clip: [0, 1]]}"
    )
    assert 'column "raw_score" of features.prediction exists already' in found[0]


@pytest.mark.parametrize("column", ["raw_score", "trail", "score", "cancelled", "late"])
def test_a_renamed_column_stops_no_write(table, column):
    table.run("INSERT INTO features.prediction (id, score) VALUES (1, 7)")
    table.run("DROP SCHEMA guarded CASCADE")
    table.run(f"ALTER TABLE features.prediction RENAME {column} TO gone")
    name = "gone" if column == "score" else "score"
    table.run(f"INSERT INTO features.prediction (id, {name}) VALUES (2, 7)")
    table.run(f"UPDATE features.prediction SET {name} = 8 WHERE id = 1")
    assert table.values(f"SELECT {name} FROM features.prediction ORDER BY id") == [8.0, 7.0]
    assert table.values(
        "SELECT error_message FROM pgslo_catalog.rule_break WHERE error_message LIKE '%field%'"
    )


def test_rules_judge_what_is_served(session):
    session.run(TABLE.format(type="double precision"))
    session.guard(HEAD + STEPS + "    columns: {score: [range: {min: 0, max: 1, on_breach: reject}]}\n")
    session.run("INSERT INTO features.prediction (id, score) VALUES (1, 5)")
    assert served(session)[0] == 1.0
