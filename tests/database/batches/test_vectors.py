"""A new model, vectors of other entities, zeros and another norm are found in embeddings whose mean is near zero."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

ROWS, LEARNED = 100, 22
#: A fixed vector of norm 1 for each entity, and small noise.
USUAL = "(SELECT array_agg((sin(u * 12.9898 * i + i * i) / 4 + (random() - 0.5) / 50)::real) FROM generate_series(1, 32) i)"
FAULTS = {
    "new model": USUAL.replace("sin", "cos"),
    "other entities": USUAL.replace("u *", "(u + 37) *"),
    "zeros": "array_fill(0::real, ARRAY[32])",
    "half": f"({USUAL})[1:16] || array_fill(0::real, ARRAY[16])",
    "norm": USUAL.replace("/ 4 +", "* 0.75 +"),
}


def day(session, k: int, value: str = USUAL, share: float = 0, usual: str = USUAL) -> list[str]:
    session.run(
        f"INSERT INTO features.t SELECT u, date '2026-01-01' + {k}, (CASE WHEN u % 10 < {10 * share} THEN {value} ELSE {usual} END)"
        f"{session.cast} FROM generate_series(1, {ROWS}) u"
    )
    found = session.run(
        f"SELECT said FROM pgslo.close_batch('features.t', '{k}'::integer + date '2026-01-01' || '') WHERE verdict = 'missed'"
    )
    return [said for (said,) in found.rows]


def learned(session, type_: str = "real[]", usual: str = USUAL) -> None:
    session.run("SELECT setseed(0.5)")
    session.cast = "" if type_ == "real[]" else f"::{type_}"
    session.run(f"CREATE TABLE features.t (user_id bigint, ds date, emb {type_}, PRIMARY KEY (user_id, ds))")
    session.guard("{table: features.t, owner: me, writes: bulk, batch: {by: ds}}")
    for k in range(LEARNED):
        assert day(session, k, usual=usual) == []


def check(session) -> None:
    """Each fault is found, in all rows and in a tenth; undone before the next."""
    for share in (1, 0.1):
        for fault, value in FAULTS.items():
            with session.connection.transaction(force_rollback=True):
                (said,) = day(session, LEARNED, value, share)
                if fault in ("new model", "other entities"):
                    assert "turned" in said or "mean vector" in said, (fault, share, said)
    assert day(session, LEARNED) == []


def test_faults_of_arrays_are_found(session):
    learned(session)
    check(session)
    kept = session.run(
        "SELECT count(*), max(cardinality(vectors)) FROM pgslo_catalog.profile WHERE vectors IS NOT NULL"
    )
    assert kept.rows == ((3, 16 * ROWS),)


@pytest.mark.parametrize("type_", ["features.vector(32)", "features.halfvec(32)"])
def test_faults_of_vectors_of_pgvector_are_found(session, type_):
    if not session.run("SELECT FROM pg_available_extensions WHERE name = 'vector'").count:
        pytest.skip("this server has no pgvector")
    session.run("CREATE EXTENSION vector SCHEMA features")
    learned(session, type_)
    check(session)


#: The same vectors beside one of norm 3 that all share: their mean is far from zero.
FAR = f"ARRAY(SELECT x + 3 / sqrt(32) FROM unnest({USUAL}) AS v (x))::real[]"


@pytest.mark.parametrize("type_", ["real[]", "features.vector(32)"])
def test_faults_of_vectors_whose_mean_is_far_from_zero_are_found(session, type_):
    if type_ != "real[]":
        if not session.run("SELECT FROM pg_available_extensions WHERE name = 'vector'").count:
            pytest.skip("this server has no pgvector")
        session.run("CREATE EXTENSION vector SCHEMA features")
    learned(session, type_, FAR)
    faults = {name: value.replace(USUAL, FAR) for name, value in FAULTS.items() if name != "norm"}
    faults["norm"] = f"ARRAY(SELECT 10 * x FROM unnest({FAR}) AS v (x))::real[]"
    faults["other entities"] = FAR.replace("u *", "(u + 37) *")
    faults["new model"] = FAR.replace("sin", "cos")
    for share in (1, 0.3):
        for fault, value in faults.items():
            with session.connection.transaction(force_rollback=True):
                assert day(session, LEARNED, value, share, FAR), (fault, share)
    assert day(session, LEARNED, usual=FAR) == []


def test_vectors_that_are_frozen_are_found(session):
    learned(session)
    session.run(
        f"INSERT INTO features.t SELECT user_id, ds + 1, emb FROM features.t WHERE ds = date '2026-01-01' + {LEARNED - 1}"
    )
    (said,) = session.values(
        "SELECT said FROM pgslo.close_batch('features.t') WHERE verdict = 'missed' AND rule = 'emb_learned'"
    )
    assert "equal to those of an earlier batch" in said or "turned" in said


@pytest.mark.parametrize(
    ("one", "other", "cosine"),
    [
        ("{1,0}", "{1,0}", 1), ("{1,0}", "{0,1}", 0), ("{1,0}", "{-2,0}", -1), ("{1e300,0}", "{1e300,0}", None),
        ("{0,0}", "{1,0}", None), ("{NaN,1}", "{1,0}", None), ("{1e-199,1e-180}", "{0,1}", 1), ("{1,NULL}", "{1,0}", 1),
        ("{}", "{}", None),
    ],
)  # fmt: skip
def test_cosine(session, one, other, cosine):
    assert session.run(f"SELECT pgslo_catalog.cosine('{one}', '{other}')").rows == ((cosine,),)
