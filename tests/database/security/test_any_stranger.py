"""Whatever a stranger defines: none of it runs as another role, no bad row is stored for it, no incident is hidden, and she reads no value.

PostgreSQL itself runs some of her functions as the role that writes, for example the CHECK of a domain. So each
statement of a writer or reader that ran one is compared with the same statement on a twin of the table that is not guarded.
Seeded random cases; PGSLO_FUZZ_CASES asks for more of them, PGSLO_FUZZ_SEED for others.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from typing import Any

import hostile
import psycopg
import pytest
import rights
from attacks import Attack, Observed
from click.testing import CliRunner
from nightly import NIGHTLY

from pgslo.cli import main
from pgslo.errors import DefinitionErrors, PgsloError

TABLES = 8
CASES = max((2 if NIGHTLY else 1) * TABLES, int(os.environ.get("PGSLO_FUZZ_CASES", "0")) * 2 // 5)
SEED = os.environ.get("PGSLO_FUZZ_SEED", "11")

#: A part of every key and text of the innocent tables, which the stranger must not read.
MARK = "hush"
#: Columns with a rule each, between 0 and 100.
BAD = ("rejecting", "holding", "flagging", "warning")
ACTIONS = ("warn", "flag", "quarantine", "reject")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("block", range(-(-CASES // TABLES)))
def test_a_stranger_gains_nothing(world: Any, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = Attack(world, random.Random(f"{SEED} {block}"), monkeypatch)
    for number in range(TABLES):
        Case(attack, f"t{number}").run()
    assert not attack.failures, f"\n-- PGSLO_FUZZ_SEED={SEED} block {block}\n" + "\n\n".join(attack.failures)
    assert attack.guarded > 0


class Case(Observed):
    """One table with columns of her types, its definition, and all that is done with it."""

    def __init__(self, attack: Attack, name: str) -> None:
        self.is_hers = attack.random.random() < 0.3
        super().__init__(attack, f"{'evil' if self.is_hers else 'features'}.{name}")
        self.owner = "mallory" if self.is_hers else "installer"
        self.columns: list[hostile.Column] = []
        self.rules: dict[str, list[Any]] = {}
        self.next = 0
        self.is_changed = False

    def run(self) -> None:
        self.prepare()
        if not self.apply():
            return
        self.attack.guarded += 1
        self.take_locks()
        steps: list[Callable[[], None]] = [
            self.write_all,
            self.read_all,
            self.operate,
            self.take_snapshots,
            self.release,
            self.look,
        ]
        late = self.stranger.casts([column.type for column in self.columns], self.random.choice((0, 3)))
        if self.random.random() < 0.3:
            late += self.stranger.forged(self.table, "forged")
        for text in late:
            self.attempt("mallory", text)
        if self.is_hers and self.random.random() < 0.5:
            self.add_to_table()
        self.write_all()
        self.random.shuffle(steps)
        change = self.random.choice((None, None, *steps))
        for step in steps:
            if step == change:
                self.is_changed = True
                for text in self.stranger.changes([column.type for column in self.columns]):
                    self.attempt("mallory", text)
            step()
        self.eavesdrop()
        self.uninstall()

    # Set-up

    def take_locks(self) -> None:
        """Let her hold the advisory locks whose keys anybody can compute."""
        self.attack.locker.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
        if self.random.random() < 0.2:
            text = (
                "SELECT pg_catalog.count(pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(k, n))) FROM pg_catalog.generate_series(0, 300) AS n, "
                "pg_catalog.unnest(ARRAY['pgslo tick', 'pgslo incident', 'pgslo watch', 'pgslo learn', 'pgslo run']) AS k"
            )
            self.attack.locker.execute(text)
            self.note("mallory", f"{text}; -- she stays connected")

    def prepare(self) -> None:
        stranger = self.stranger
        types, self.columns = stranger.types(self.random.choice((1, 2, 3)))
        names = [column.type for column in self.columns]
        statements = [
            *types, *stranger.casts(names, self.random.randint(1, 6)), *stranger.operators(names, self.random.randint(0, 3)),
            *stranger.functions(names, self.random.randint(0, 3)),
            *stranger.operators(names, self.random.randint(0, 2), schema="public"), *stranger.functions(names, self.random.randint(0, 2), schema="public"),
        ]  # fmt: skip
        if self.random.random() < 0.3:
            statements += stranger.forged(self.table, "forged")
        for text in statements:
            self.attempt("mallory", text)
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        key = self.random.choice(
            (
                "id",
                "id",
                "id, k",
                *(f"id, {column.name}" for column in self.columns if column.form != "composite"),
            )
        )
        self.key = key.split(", ")
        for table in (self.table, self.twin):
            self.attempt(
                self.owner,
                f"CREATE TABLE {table} (id int4, d date, k text, rejecting int4, holding int4, flagging int4, warning int4, p float8, raw float8, trail text[], {columns}, PRIMARY KEY ({key}))",
            )
            self.attempt(self.owner, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO $writer")
            self.attempt(self.owner, f"GRANT SELECT ON {table} TO $reader")
            for column in ("k", *(column.name for column in self.columns)):
                self.attempt(self.owner, f"CREATE INDEX ON {table} ({column})")
            self.attempt(self.owner, f"INSERT INTO {table} {self.row()}")
        self.attempt(self.owner, f"GRANT SELECT ON {self.twin} TO $trainer, $installer")
        if self.is_hers:
            for text in stranger.row_casts(self.table):
                self.attempt("mallory", text)
            if self.random.random() < 0.5:
                self.add_to_table()
        self.attack.traces()

    def add_to_table(self) -> None:
        for text in self.stranger.of_table():
            for table in (self.table, self.twin) if "$table" in text else (self.table,):
                named = text.replace("$table", table).replace("$statistics", f"s_{table.replace('.', '_')}")
                self.attempt("mallory", named)

    def apply(self) -> bool:
        """Apply a definition, with fewer rules each time that one is refused; return whether there is one now."""
        pieces = self._pieces()
        for _ in range(6):
            text = json.dumps(self._definition(pieces), ensure_ascii=False)
            self.note("installer", f"pgslo apply {self.attack.world.sql(text)}")
            try:
                rights.apply(self.attack.sessions["installer"], self.attack.world.sql(text))
            except DefinitionErrors as error:
                self.note("installer", f"refused: {error.errors}"[:600].replace("\n", " "))
                self.check("apply, refused")
                pieces = self._without(pieces, error)
            except (PgsloError, psycopg.Error, AssertionError) as error:
                self.fail(f"apply: {error!r}")
                return False
            else:
                self.check("apply")
                self.rules = pieces["columns"]
                self.wanted = pieces
                return True
        return False

    def _without(self, pieces: dict[str, Any], error: DefinitionErrors) -> dict[str, Any]:
        """Leave out the refused pieces, or else any piece."""
        told = " ".join(str(one) for one in error.errors)
        refused = [
            column.name
            for column in self.columns
            if f'"{column.name}"' in told and column.name in pieces["columns"]
        ]
        for name in refused:
            pieces["columns"].pop(name)
        if not refused or "assertion" in told or "index" in told:
            pieces["assertions"] = []
        if not refused or "batch" in told:
            pieces["batch"] = {"by": "d"}
        if self.random.random() < (0.1 if refused else 0.5):
            pieces["more"] = {}
        return pieces

    def _pieces(self) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {
            column: [{"range": {"min": 0, "max": 100, "on_breach": action, "name": f"is_{column}"}}]
            for column, action in zip(BAD, ("reject", "quarantine", "flag", "warn"), strict=True)
        }
        if self.random.random() < 0.4:
            columns["p"] = [{"repair": {"clip": [0, 10]}}]
        for column in self.columns:
            chosen = self.random.sample(self._rules_of(column), self.random.choice((0, 1, 1, 2)))
            columns[column.name] = [
                {
                    kind: {
                        **({"expression": parameters} if isinstance(parameters, str) else parameters),
                        "name": f"x_{column.name}_{number}",
                    }
                }
                for number, (kind, parameters) in enumerate(chosen)
            ]
        first = self.columns[0]
        batch = self.random.choice(
            ({"by": "d"}, {"by": "d"}, {"by": "k"}, "statement", {"by": first.name}, {"every": "1 day"})
        )
        assertions = []
        if self.random.random() < 0.6:
            form = self.random.choice(
                (
                    {"all_equal": "warning"},
                    {"all_equal": first.name},
                    {"count": {"min": 0, "max": 10**6}},
                    {"adds_up_to": {"column": "warning", "total": 5, "tolerance": 10**6}},
                )
            )
            by = self.random.choice((first.name, "k", None))
            # Those that no row of the test violates may reject.
            actions = ("warn", "flag") if "all_equal" in form else ("reject", "reject", "flag")
            one = {**form, "on_breach": self.random.choice(actions)} | ({"group_by": by} if by else {})
            assertions = [{"together": one}]
        more: dict[str, Any] = {}
        if self.random.random() < 0.4:
            more["kind"] = "predictions"
            more["predictions"] = {"score": "p", "at": "d"}
            more["post_process"] = {
                "raw": "raw", "trail": "trail", "apply": self.random.choice(("on_write", "on_read")),
                "steps": [{"default": 0.5}, {"clip": [0, 10]}],
            }  # fmt: skip
            if more["post_process"]["apply"] == "on_read":
                more["post_process"].update(raw="given", trail="steps")
            columns.pop("p", None)
        if self.random.random() < 0.5:
            more["tasks"] = {
                f"task_{self.table.replace('.', '_')}": {
                    "reads": ["flagging", first.name],
                    "contact": "#x",
                    "view": f"features.{self.table.replace('.', '_')}_task",
                }
            }
        if self.random.random() < 0.3:
            more["freshness"] = {"max_age": "1 day"}
        return {
            "columns": columns,
            "batch": batch,
            "assertions": assertions,
            "more": more,
            "writes": self.random.choice(("bulk", "bulk", "stream")),
        }

    def _rules_of(self, column: hostile.Column) -> list[tuple[str, Any]]:
        action = {"on_breach": self.random.choice(ACTIONS)}
        name, good, bad = column.name, column.good, column.bad
        other = self.random.choice([one.name for one in self.columns if one != column] or ["k"])
        return [
            ("not_null", action), ("not_blank", action), ("completeness", {"min": 0.5}), ("accepted_values", {"values": [good], **action}), ("accepted_values", {"values": [good], **action}),
            ("not_accepted_values", {"values": [bad], **action}), ("statistic", {"of": "distinct", "min": 1}), ("statistic", {"of": "top_share", "max": 0.99}),
            ("expression", {"expression": f"{name} = '{good}'", **action}), ("expression", {"expression": f"{name} IS NOT DISTINCT FROM {other}", "on_breach": "flag"}),
            ("expression", {"expression": f"{name}::text = '{good}'", **action}), ("expression", {"expression": f"lower({name}) = '{good}'", **action}),
            ("expression", {"expression": f"{name} || '' = '{good}'", **action}), ("expression", {"expression": f"{name} IN ('{good}')", **action}),
            ("repair", {"default": good}), ("repair", {"map": {bad: good}}), ("repair", {"expression": f"coalesce({name}, '{good}')"}), ("repair", {"trim": True, "lower": True}),
            ("repair", {"clip": [good, good]}), ("range", {"min": good, "max": good, **action}), ("length", {"max": 100, **action}), ("pattern", {"matches": ".", **action}),
            ("format", {"format": "json", "on_breach": "flag"}), ("compare", {"operator": "=", "to": other, "on_breach": "flag"}), ("unique", {"on_breach": "flag"}),
            ("change", {"of": "distinct", "relative_to": "previous", "max": 0.5}), ("drift", {"by": "tv", "relative_to": "previous", "max": 0.9}),
            ("monotonic", {"order": "id"}), ("freshness", {"max_unchanged": "3 batches"}), ("statistic", {"of": "mean", "min": 0}),
            ("references", {"table": self.twin, "column": name, "on_breach": "flag"}),
        ]  # fmt: skip

    def _definition(self, pieces: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "table": self.table, "key": self.key, "writes": pieces["writes"], "batch": pieces["batch"], "columns": pieces["columns"],
            "readers": ["$reader", "$trainer"], **pieces["more"],
        }  # fmt: skip
        if pieces["assertions"]:
            made["assertions"] = pieces["assertions"]
        return made

    # Writing

    def row(self, **bad: Any) -> str:
        """A row as SQL: a list of columns and one of values."""
        self.next += 1
        values: dict[str, str] = {
            "id": str(self.next),
            "d": "'2026-01-01'",
            "k": f"'{MARK}{self.next}'",
            **dict.fromkeys(BAD, "1"),
            "p": "0.5",
        }
        values |= {column.name: f"'{column.good}'" for column in self.columns}
        values |= {name: str(value) for name, value in bad.items()}
        return f"({', '.join(values)}) VALUES ({', '.join(values.values())})"

    def write_all(self) -> None:
        for setting, value in self.stranger.settings():
            self.attempt("writer", f"SET {setting} = '{value}'")
        for text in self.stranger.shadows():
            self.attempt("writer", text)
        held = self.count("pgslo_catalog.quarantine")
        good = self.write(f"INSERT INTO $table {self.row()}")
        # Whoever owns the table may change its columns' types, and disable triggers; it is recorded.
        if good is None and not (self.is_hers and self.is_changed):
            self.write_bad(held)
            if not self.is_changed:
                self.write_bad_of_hers()
            if (
                not self.is_hers
                and self.is_post_processed()
                and self.count(f"{self.table} AS t WHERE t.p OPERATOR(pg_catalog.>) 10")
            ):
                self.fail("a score that post-processing clips")
        first = self.columns[0]
        for text in (
            f"INSERT INTO $table {self.row()}, {self.row().partition('VALUES ')[2]}",
            f"UPDATE $table SET warning = warning + 1 WHERE id = {self.next}",
            f"UPDATE $table SET {first.name} = '{first.bad}' WHERE id = {self.next}",
            f"INSERT INTO $table {self.row()} ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET warning = excluded.warning, {first.name} = excluded.{first.name}",
            f"INSERT INTO $table {self.row(**{first.name: 'NULL'})}",
            f"INSERT INTO $table {self.row(**{column.name: f'{chr(39)}{column.bad}{chr(39)}' for column in self.columns})}",
            f"UPDATE $table SET p = 77 WHERE id = {self.next - 1}",
            f"DELETE FROM $table WHERE id = {self.next}",
        ):  # fmt: skip
            if self.random.random() < 0.7:
                self.write(text)
        self.attack.sessions["writer"].execute("RESET ALL")
        self.attempt("writer", "DISCARD TEMP")
        self.attempt("writer", "CLOSE ALL")

    def write_bad(self, held: int) -> None:
        """See that each action happens to a bad row, although the same row without its fault could be written."""
        for column in self.random.sample(BAD, 2):
            text = f"INSERT INTO $table {self.row(**{column: 999})}"
            identity = self.next
            error = self.write(text)
            stored = self.count(f"{self.table} AS t WHERE t.id OPERATOR(pg_catalog.=) {identity}") == 1
            if column == "rejecting" and (error is None or error.sqlstate != "23514" or stored):
                self.fail(f"a row that a rule rejects: {error}")
            elif column == "holding" and (
                error is not None or stored or self.count("pgslo_catalog.quarantine") <= held
            ):
                self.fail(f"a row that a rule quarantines: {error}, stored {stored}")
            elif column in ("flagging", "warning") and (
                error is not None or not stored or not self.has_incident(f"is_{column}")
            ):
                self.fail(f"a row of which an incident tells: {error}, stored {stored}")

    def write_bad_of_hers(self) -> None:
        """Check that a value of her type that violates a rule is refused, or reported."""
        for column in self.columns:
            stated = [
                (kind, parameters)
                for rule in self.rules.get(column.name, ())
                for kind, parameters in rule.items()
            ]
            if any(kind == "repair" for kind, _ in stated) or column.name in self.key:
                continue
            for kind, parameters in stated:
                if (
                    kind not in ("accepted_values", "not_accepted_values")
                    and parameters.get("expression") != f"{column.name} = '{column.good}'"
                ):
                    continue
                action = parameters["on_breach"]
                text = f"INSERT INTO $table {self.row(**{column.name: f'{chr(39)}{column.bad}{chr(39)}'})}"
                identity = self.next
                error = self.write(text)
                stored = self.count(f"{self.table} AS t WHERE t.id OPERATOR(pg_catalog.=) {identity}") == 1
                if stored and (
                    action in ("reject", "quarantine") or not self.has_incident(parameters["name"])
                ):
                    self.fail(f"a bad value of her type, {kind}, {action}: {text}: {error}")

    def is_post_processed(self) -> bool:
        return self.wanted["more"].get("post_process", {}).get("apply") == "on_write"

    def count(self, source: str) -> int:
        (found,) = self.attack.world.admin.execute(
            f"SELECT pg_catalog.count(*) FROM {source}".encode()
        ).fetchone()
        return int(found)

    def has_incident(self, rule: str) -> bool:
        return bool(
            self.count(
                f"pgslo_catalog.incident i JOIN pgslo_catalog.rule r USING (rule_id) JOIN pgslo_catalog.definition d ON d.definition_id OPERATOR(pg_catalog.=) r.definition_id "
                f"WHERE r.name OPERATOR(pg_catalog.=) '{rule}' AND d.name OPERATOR(pg_catalog.=) '{self.table}'"
            )
        )

    # Reading

    def read_all(self) -> None:
        name = self.table.partition(".")[2]
        for part in ("reader", "trainer"):
            for setting, value in self.stranger.settings():
                self.attempt(part, f"SET {setting} = '{value}'")
            for view in (
                f"guarded.{name}",
                f"guarded.{name}_strict",
                f"guarded.{name}_status",
                f"features.{self.table.replace('.', '_')}_task",
            ):
                self.attempt(part, f"SELECT * FROM {view}")
                self.check(
                    f"read {view}",
                    twin=lambda part=part: self.read_part_of_twin(part),
                )
                self.attempt(part, f"SELECT pg_catalog.count(*) FROM {view} WHERE flagging > 3")
                self.check(
                    f"read part of {view}",
                    twin=lambda part=part: self.read_part_of_twin(part),
                )
            self.attack.sessions[part].execute("RESET ALL")

    # People

    def operate(self) -> None:
        table = self.table
        for part, text in (
            ("operator", f"SELECT * FROM pgslo.close_batch('{table}')"),
            ("operator", "SELECT pgslo.tick()"),
            ("operator", f"SELECT pgslo.recount_pairs('{table}')"),
            ("operator", f"SELECT pgslo.pause('{table}')"),
            ("operator", f"SELECT pgslo.resume('{table}')"),
            ("installer", f"SELECT pgslo.learn('{table}')"),
            ("installer", f"SELECT * FROM pgslo.backtest('{table}', 3)"),
            ("installer", f"SELECT * FROM pgslo.learned('{table}')"),
            ("installer", f"SELECT * FROM pgslo.history('{table}')"),
            (
                "installer",
                "SELECT e.* FROM pgslo.incident i CROSS JOIN LATERAL pgslo.explain(i.incident_id) AS e",
            ),
            (
                "steward",
                "SELECT e.* FROM pgslo.incident i CROSS JOIN LATERAL pgslo.evidence(i.incident_id) AS e",
            ),
            ("steward", f"SELECT * FROM pgslo.audit('{table}')"),
        ):
            self.attempt(part, text)
            self.check(text)

    def take_snapshots(self) -> None:
        name = self.table.partition(".")[2]
        first = self.columns[0]
        condition = self.random.choice(
            (
                "NULL",
                "'flagging > 0'",
                f"'{first.name} IS NOT NULL'",
                f"'{first.name} = ''{first.good}'''",
                f"'{first.name}::text <> ''x'''",
            )
        )
        if self.random.random() < 0.3:
            called = f"evil.condition_{name}"
            self.attempt(
                "mallory", self.stranger.function("", "bool", "true", "condition of a snapshot", name=called)
            )
            condition = f"'{called}()'"
        # The condition is the trainer's own, and may run whatever the trainer may run; but as nobody else.
        runs = "evil." in condition or "=" in condition or "::" in condition
        own = (
            {(label, self.attack.world.names["trainer"], "trainer") for label in self.stranger.labels}
            if runs
            else set()
        )
        for kind, as_reference in (("copy", "false"), ("reference", "true")):
            snapshot = f"{kind}_{name}"
            text = f"SELECT pgslo.create_snapshot('{snapshot}', 'guarded', '{name}', {condition}, {as_reference})"
            self.attempt("trainer", text)
            # Policies of the table run as the role that reads it, here as on the twin.
            self.check(text, allowed=own, twin=lambda: self.read_twin("trainer"))
            for part in ("trainer", "installer"):
                self.attempt(part, f"SELECT * FROM pgslo.verify_snapshot('{snapshot}')")
                self.check(
                    f"{part} verifies {snapshot} where {condition}",
                    allowed=own,
                    twin=lambda part=part: self.read_twin(part),
                )
        for text in (
            f"SELECT * FROM pgslo.snapshot_diff('copy_{name}', 'reference_{name}')",
            f"SELECT pgslo.drop_snapshot('copy_{name}')",
            f"SELECT pgslo.drop_snapshot('reference_{name}')",
        ):
            self.attempt("trainer", text)
            self.check(text)
        for (view,) in self.attack.world.admin.execute(
            "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'evil'::regnamespace AND c.relkind = 'v'"
        ).fetchall():
            self.attempt("mallory", f"GRANT SELECT ON evil.{view} TO $trainer")
            if (
                self.attempt("trainer", f"SELECT pgslo.create_snapshot('forged_{view}', 'evil', '{view}')")
                is None
            ):
                self.fail(f"a snapshot of the stranger's view {view}")
            self.check(f"a snapshot of the stranger's view {view}")

    def release(self) -> None:
        rows = self.attack.world.admin.execute(
            "SELECT q.quarantine_id, q.operation FROM pgslo_catalog.quarantine q WHERE q.state = 'held'"
        ).fetchall()
        for number, _ in rows:
            text = self.random.choice(
                (
                    f"SELECT pgslo.discard({number})",
                    f"SELECT pgslo.release({number}, '{{\"holding\": 5}}')",
                    f"SELECT pgslo.release({number}, '{{\"holding\": 5}}')",
                )
            )
            self.attempt("steward", text)
            self.check(text)

    def look(self) -> None:
        """What pgslo's owner, or a superuser, looks at from the command line and by Alembic."""
        self.attack.acting = by = self.random.choice(("installer", "superuser"))
        for arguments in (
            ("status", "--rules"), ("drift",), ("report", "--output", os.devnull), ("suggest", self.table), ("learn", self.table), ("backtest", self.table, "--batches", "3"),
            ("incidents",), ("quarantine", "list"), ("snapshot", "list"), ("plan",), ("gate",), ("metrics",), ("export", "--to", "odcs"),
        ):  # fmt: skip
            result = CliRunner().invoke(main, arguments)
            self.note(by, f"pgslo {' '.join(arguments)} -- {result.exit_code}")
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                self.fail(f"pgslo {' '.join(arguments)}: {result.exception!r}")
            # The output of a type's owner is no function of hers: what she makes runs as she, or not at all.
            self.check(f"{by}: pgslo {' '.join(arguments)}")
        self.attack.autogenerate()
        self.check(f"{by}: alembic revision --autogenerate")
        self.attack.acting = "installer"

    def read_part_of_twin(self, part: str) -> None:
        """A guarded view has a condition, and with ``constraint_exclusion = on`` PostgreSQL looks at constraints for its sake."""
        self.attack.attempt(part, f"SELECT * FROM {self.twin} WHERE flagging > 3")

    def read_twin(self, part: str) -> None:
        self.attack.attempt(part, f"SELECT * FROM {self.twin}")

    def eavesdrop(self) -> None:
        """Read as the stranger what everybody may read."""
        session = self.attack.sessions["mallory"]
        names = session.execute(
            "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'pgslo'::regnamespace AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT')"
        ).fetchall()
        texts = [f"SELECT pg_catalog.concat(v) FROM pgslo.{name} AS v" for (name,) in names]
        texts += [
            f"SELECT pg_catalog.concat(pgslo.status_of('{self.table}'))",
            "SELECT pg_catalog.concat(e.topic, e.fact) FROM pgslo.incident i CROSS JOIN LATERAL pgslo.explain(i.incident_id) AS e",
            f"SELECT pg_catalog.concat(h) FROM pgslo.healthy_batches('{self.table}') AS h",
            f"SELECT pg_catalog.concat(h) FROM pgslo.learned('{self.table}') AS h",
            f"SELECT pg_catalog.concat(h) FROM pgslo.history('{self.table}') AS h",
        ]
        notices: list[str] = []
        session.add_notice_handler(
            lambda said: notices.append(f"{said.message_primary} {said.message_detail} {said.message_hint}")
        )
        texts.append(
            f"SELECT pg_catalog.concat(pgslo.guard('{self.table}', '{{*,{','.join(BAD)},{','.join(c.name for c in self.columns)}}}'))"
        )
        for text in texts:
            notices.clear()
            try:
                rows = session.execute(text.encode(), prepare=False).fetchall()
            except psycopg.Error as error:
                rows = [(str(error),)]
            read = "\n".join([*(str(row[0]) for row in rows), *notices])
            if not self.is_hers and re.search(rf"{MARK}\d", read):
                self.note("mallory", text)
                self.fail(
                    f"mallory reads a value by {text}: {next(line for line in read.splitlines() if MARK in line)[:300]}"
                )
        session._notice_handlers.clear()
        self.check("what everybody may read")

    def uninstall(self) -> None:
        result = CliRunner().invoke(main, ["uninstall", self.table, "--drop-quarantine", "--yes"])
        self.note("installer", f"pgslo uninstall {self.table}")
        self.check("uninstall")
        if result.exit_code != 0:
            self.fail(f"uninstall: {result.output[-500:]} {result.exception!r}")
