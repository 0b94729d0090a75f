"""A writer gains no silence through values at the end of the range of a type, and no operator sees such a value."""

from typing import Any

import psycopg
import pytest

DIGITS = "9" * 95
#: Values of a column of each type that did not fit the numbers of a profile.
EXTREME = {
    "text": [f"{DIGITS}e99", f"-{DIGITS}e99", "1e-99", "1e400", "-1e400", "1e999", "1e-999"],
    "numeric": [
        "1e200",
        "-1e200",
        "1e400",
        "-1e400",
        "1e-400",
        "1e-16000",
        "1e131071",
        "NaN",
        "Infinity",
        "-Infinity",
    ],
    "float8": [
        "1e200",
        "-1e200",
        "1.7e308",
        "-1.7e308",
        "1e-307",
        "4.9e-324",
        "NaN",
        "Infinity",
        "-Infinity",
    ],
}


def verdicts(world: Any, rule: str) -> list[tuple[str, str]]:
    """Return batches and verdicts of a rule."""
    found: list[tuple[str, str]] = world.run(
        "installer", f"SELECT batch, verdict FROM pgslo.verdict WHERE rule = '{rule}' ORDER BY batch"
    )
    return found


def breaks(world: Any) -> list[tuple[str, str]]:
    """Return rules that cannot be evaluated, and why."""
    found: list[tuple[str, str]] = world.run(
        "superuser",
        "SELECT r.name, b.error_message FROM pgslo_catalog.rule_break b LEFT JOIN pgslo_catalog.rule r USING (rule_id)",
    )
    return found


@pytest.mark.parametrize("type_", EXTREME)
def test_no_value_stops_the_evaluation_of_a_table(world: Any, type_: str) -> None:
    world.run(
        "installer",
        f"""CREATE TABLE features.ex (id int PRIMARY KEY, day int, v {type_}, n int);
            GRANT ALL ON features.ex TO $writer""",
    )
    drift = f"\n    - drift: {{by: {'psi' if type_ == 'text' else 'ks'}, relative_to: previous, max: 10, name: drifts}}"
    numbers = (
        "\n    - statistic: {of: max, max: 1e300, name: largest}\n    - statistic: {of: mean, max: 1e300, name: average}"
        "\n    - change: {of: mean, relative_to: 2 batches, name: changes, max: 1e300}"
        if type_ != "text"
        else ""
    )
    world.apply(
        f"""
table: features.ex
key: [id]
writes: bulk
batch: {{by: day}}
columns:
  v:{drift}{numbers}
  n:
    - statistic: {{of: mean, max: 10, name: middle}}
"""
    )
    # Enough batches for bounds to be learned, then each of the values alone, then in pairs, then batches as before.
    world.run(
        "writer",
        "INSERT INTO features.ex SELECT n, n / 10, (n % 10 + 1)::text::"
        + type_
        + ", 5 FROM generate_series(0, 249) n",
    )
    world.run("operator", "SELECT pgslo.close_batch('features.ex')")
    day, key = 30, 1000
    for values in [
        *([one] for one in EXTREME[type_]),
        *zip(EXTREME[type_], EXTREME[type_][1:], strict=False),
    ]:
        listed = ", ".join(f"({key + i}, {day}, '{value}'::{type_}, 500)" for i, value in enumerate(values))
        world.run("writer", f"INSERT INTO features.ex VALUES {listed}, ({key + 9}, {day}, '5', 500)")
        world.run("operator", f"SELECT pgslo.close_batch('features.ex', '{day}')")
        day, key = day + 1, key + 10
    assert verdicts(world, "middle") == sorted(
        [(str(n), "met") for n in range(25)] + [(str(n), "missed") for n in range(30, day)]
    )
    assert breaks(world) == []
    assert world.run(
        "superuser", "SELECT count(DISTINCT batch) FROM pgslo_catalog.profile WHERE column_name = 'v'"
    ) == [(day - 5,)]
    world.run("operator", "SELECT pgslo.tick()")
    # From the table itself.
    world.run("installer", "SELECT pgslo.learn('features.ex')")
    world.run("installer", "SELECT count(*) FROM pgslo.backtest('features.ex')")
    assert breaks(world) == []


def test_statistics_count_large_and_small_numbers(world: Any) -> None:
    world.run(
        "installer",
        """CREATE TABLE features.ex (id int PRIMARY KEY, day int, x float8, y float8, z numeric);
           GRANT ALL ON features.ex TO $writer""",
    )
    world.apply(
        """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  x:
    - statistic: {of: max, max: 100, name: largest}
    - statistic: {of: quantile, quantile: 1, max: 100, name: highest}
  y:
    - statistic: {of: min, min: 0, name: smallest}
    - statistic: {of: median, max: 0.5, name: middle}
  z:
    - statistic: {of: max, max: 100, name: greatest}
"""
    )
    world.run(
        "writer",
        "INSERT INTO features.ex VALUES (1, 1, 5, 1e-150, 1), (2, 1, 6, 1e-150, 2), (3, 1, 1e200, -1e200, 1e400)",
    )
    world.run("operator", "SELECT pgslo.close_batch('features.ex')")
    found = dict(
        world.run(
            "installer", "SELECT rule, verdict || ' ' || value FROM pgslo.verdict WHERE kind = 'statistic'"
        )
    )
    assert found == {
        "largest": "missed 1e+200",
        "highest": "missed 1e+200",
        "smallest": "missed -1e+200",
        "middle": "met 1e-150",
        # Beyond every float8.
        "greatest": "missed 1e+250",
    }


SUMS = """
table: features.ex
key: [id]
watch: false
writes: {writes}
batch: {{by: day}}
columns:
  n:
    - statistic: {{of: mean, max: 10, name: n_mean}}
    - statistic: {{of: sum, max: 1000, name: n_sum}}
    - statistic: {{of: stddev, max: 100, name: n_stddev}}
    - change: {{of: mean, relative_to: previous, max: 1, name: n_change}}
  c:
    - statistic: {{of: mean, max: 10, name: c_mean}}
"""


@pytest.mark.parametrize("writes", ["bulk", "stream"])
@pytest.mark.parametrize("large", ["1e131071", "-1e131071", "Infinity"])
def test_a_sum_that_overflows_takes_no_other_with_it(world: Any, writes: str, large: str) -> None:
    world.run(
        "installer",
        """CREATE TABLE features.ex (id int PRIMARY KEY, day int, n numeric, c int);
           CREATE INDEX ON features.ex (day);
           GRANT ALL ON features.ex TO $writer""",
    )
    world.apply(SUMS.format(writes=writes))

    def verdicts() -> dict[str, str]:
        world.run("operator", "SELECT pgslo.close_batch('features.ex', '2')")
        return dict(world.run("installer", "SELECT rule, verdict FROM pgslo.verdict WHERE batch = '2'"))

    world.run("writer", "INSERT INTO features.ex VALUES (1, 1, 4, 5), (2, 1, 6, 5)")
    world.run("operator", "SELECT pgslo.close_batch('features.ex', '1')")
    for key in range(11, 14):
        world.run(
            "writer", f"INSERT INTO features.ex VALUES ({key}, 2, '{large}', 500), ({key + 10}, 2, 5, 500)"
        )
    found = verdicts()
    assert found["c_mean"] == "missed"
    if large == "1e131071":
        assert found == dict.fromkeys(["n_mean", "n_sum", "n_stddev", "n_change", "c_mean"], "missed")
    assert "unknown" not in found.values()
    assert breaks(world) == []
    # Rows that leave are subtracted as they were added.
    world.run("writer", "DELETE FROM features.ex WHERE id BETWEEN 11 AND 20; UPDATE features.ex SET c = 5")
    assert verdicts() == dict.fromkeys(["n_mean", "n_sum", "n_stddev", "n_change", "c_mean"], "met")


def test_a_failing_profile_costs_no_verdict_of_other_rules(world: Any) -> None:
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day int, n int); GRANT ALL ON features.ex TO $writer",
    )
    world.apply(
        """
table: features.ex
key: [id]
writes: bulk
batch: {by: day}
columns:
  n:
    - statistic: {of: mean, max: 10, name: average}
    - statistic: {of: median, max: 10, name: middle}
"""
    )
    world.run(
        "installer",
        """CREATE OR REPLACE FUNCTION pgslo_catalog.phase_of(definition_id bigint, place numeric) RETURNS numeric
           LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'value 4711'; END$$""",
    )
    world.run("writer", "INSERT INTO features.ex VALUES (1, 1, 500)")
    returned = world.run("operator", "SELECT rule, verdict, said FROM pgslo.close_batch('features.ex')")
    assert {rule: verdict for rule, verdict, _ in returned} == {
        "average": "missed",
        "middle": "unknown",
        "learned": "unknown",
        "id_learned": "unknown",
        "n_learned": "unknown",
    }
    assert "4711" not in str(returned)
    assert sorted(breaks(world)) == [("learned", "value 4711"), ("middle", "value 4711")]
    # Readers of the view are warned, without the value.
    told = world.run("operator", "SELECT definition, broken FROM pgslo.rule WHERE broken IS NOT NULL")
    assert len(told) == 2
    assert "4711" not in str(told)
    assert world.run("installer", "SELECT count(*) FROM pgslo.incident WHERE rule = 'average'") == [(1,)]


def test_errors_of_close_batch_show_no_value(world: Any) -> None:
    world.run(
        "installer",
        "CREATE TABLE features.ex (id int PRIMARY KEY, day int, n int); GRANT ALL ON features.ex TO $writer",
    )
    world.apply("table: features.ex\nkey: [id]\nwrites: bulk\nbatch: {by: day}\n")
    world.run("writer", "INSERT INTO features.ex VALUES (1, 1, 500)")
    world.run(
        "installer",
        """CREATE OR REPLACE FUNCTION pgslo_catalog.judge_batch(definition_id bigint, batch text) RETURNS void LANGUAGE plpgsql AS
           $$BEGIN RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = 'value 4711'; END$$""",
    )
    with pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught:
        world.run("operator", "SELECT pgslo.close_batch('features.ex')")
    assert str(caught.value).startswith("could not evaluate batches of features.ex")
    assert "4711" not in "".join(
        str(getattr(caught.value.diag, name)) for name in dir(caught.value.diag) if name[0] != "_"
    )
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="value 4711"):
        world.run("installer", "SELECT pgslo.close_batch('features.ex')")
