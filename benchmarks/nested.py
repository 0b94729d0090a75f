"""What COPY of embeddings and documents costs when they are watched: python -m benchmarks.nested.

Of a table without rules beyond those learned, against the same table without pgslo; in CPU of the server process.
"""

from __future__ import annotations

import argparse

from benchmarks import harness
from benchmarks.harness import Goal, Series, Taken

_EMBEDDING = "(SELECT array_agg((sin(g * 12.9898 * i) + random() / 50)::real) FROM generate_series(1, 384) i)"
_DOCUMENT = (
    "jsonb_build_object('clicks_7d', g % 50, 'ctr', random(), 'device', 'ios', 'name', md5(g::text),"
    " 'geo', jsonb_build_object('country', 'us', 'dist', 100 * random()))"
)
_LARGE = "(SELECT jsonb_object_agg('key_' || i, random()) FROM generate_series(1, 50) i WHERE g > 0)"
#: The type of the column, its values, and how many times as much as without pgslo a COPY may cost; of one, no goal.
_KINDS: dict[str, tuple[str, str, float | None]] = {
    "vector": ("vector(384)", f"{_EMBEDDING}::vector", 1.15),
    "array": ("real[]", _EMBEDDING, 1.15),
    "jsonb": ("jsonb", _DOCUMENT, 1.10),
    # Ten times as many keys, with a fixed cost of statements that is small beside them.
    "large": ("jsonb", _LARGE, 1.10),
    # The fixed cost alone: what watching a number takes.
    "number": ("integer", "g % 50", None),
}
_DEFINITION = "{{table: public.{table}, owner: benchmarks, writes: bulk, batch: {{by: ds}}}}"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 rows, three rounds")
    quick = parser.parse_args().quick
    rows, rounds = (5_000, 3) if quick else (20_000, 7)
    goals = []
    with harness.serve() as server, harness.connect(server, "nested") as conn:
        known = conn.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").rowcount
        if known:
            conn.execute("CREATE EXTENSION vector")
        for kind, (type_, value, limit) in _KINDS.items():
            if kind == "vector" and not known:
                print("this server has no pgvector")
                continue
            variants = [f"{kind}_bare", f"{kind}_watched"]
            for variant in variants:
                conn.execute(
                    f"CREATE TABLE {variant} (id bigint, ds date, value {type_}, PRIMARY KEY (id, ds))".encode()
                )
            harness.guard(conn, _DEFINITION.format(table=variants[1]))
            file = conn.execute(f"SELECT current_setting('data_directory') || '/{kind}.copy'").fetchone()
            path = file[0] if file else ""
            query = f"SELECT g, date '2026-01-01', {value} FROM generate_series(1, {rows}) g"
            conn.execute(f"COPY ({query}) TO '{path}'".encode())

            def measure(variant: str, path: str = path) -> Taken:
                conn.execute(f"TRUNCATE {variant}".encode())
                conn.execute("CHECKPOINT")
                command = f"COPY {variant} FROM '{path}'".encode()
                return harness.timed(lambda: conn.execute(command, prepare=False), conn)

            series = Series(variants).run(rounds, measure)
            bare, watched = (min(one[name].cpu or 0 for one in series.rounds) for name in variants)
            print(f"COPY of {rows:,} rows, {kind}: CPU {bare:.3f} s, watched {watched:.3f} s")
            ratio = series.cpu_ratio(variants[1], variants[0])
            if limit is not None:
                goals.append(Goal(f"COPY of {kind}, watched against not, CPU", ratio, limit))
    harness.show_goals(goals)


if __name__ == "__main__":
    main()
