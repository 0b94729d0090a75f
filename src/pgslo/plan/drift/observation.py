"""Whether rules evaluate writes: pauses, disabled triggers, partitions, subscriptions, unrecorded rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pgslo import naming
from pgslo.plan.drift.findings import Facts, Finding


def find(facts: Facts, pauses: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Everything because of which rules of one definition do not see writes.

    Args:
        facts: The table then and now.
        pauses: The pauses in force.
    """
    name = facts.definition
    for pause in pauses:
        if pause["definition"] == name:
            thing = f"rule {pause['rule']}" if pause["rule"] else "every rule"
            yield Finding(name, "paused", thing, f"paused by {pause['paused_by']}", f"pgslo resume {name}")
    for table, trigger in facts.switched_off:
        said = "it is disabled, or fires in replica sessions only; rows written meanwhile were not evaluated"
        to_do = to_restore(facts, trigger, "pgslo apply enables it again")
        yield Finding(name, "switched off", f"trigger {trigger} ON {table}", said, to_do)
    for table, trigger in facts.unarmed:
        said = "rows written straight to this partition are not judged by it"
        yield Finding(
            name,
            "unarmed",
            f"trigger {trigger} ON {table}",
            said,
            "pgslo apply creates the triggers of new partitions",
        )
    for table in facts.detached:
        said = "it is not a partition any more, and rows written to it are still evaluated and counted"
        yield Finding(
            name, "detached", f"table {table}", said, "pgslo apply drops the triggers", is_hint=True
        )
    for broken in facts.broken:
        rule, _, error = broken.partition(": ")
        to_do = "pgslo plan shows the differences; until then, writes succeed"
        yield Finding(name, "broken", f"rule {rule}", f"it can no longer be judged: {error}", to_do)
    counts = facts.counts
    if counts is not None and counts.quarantine_bytes >= 0.8 * counts.quarantine_max_bytes:
        share = counts.quarantine_bytes / counts.quarantine_max_bytes
        said = f"{share * 100:.0f} % of its bound is used; once it is full, rows that would be quarantined are rejected"
        to_do = "release or drop rows, or raise quarantine: {max_bytes: …}"
        yield Finding(name, "quarantine full", f"table {facts.table_name}", said, to_do, is_hint=share < 1)
    if counts is not None and counts.repairs_left_out_at is not None:
        said = f"repaired values were not recorded since {counts.repairs_left_out_at:%Y-%m-%d %H:%M}, until the next tick"
        to_do = (
            "run pgslo tick every minute; find who writes such values, or raise quarantine: {max_bytes: …}"
        )
        yield Finding(name, "not recorded", f"table {facts.table_name}", said, to_do, is_hint=True)
    fires_always = _fires_always(facts)
    for table in facts.subscribed:
        if fires_always and facts.writes == "stream" and not facts.records_rows:
            continue
        said = f"{table} is written by a subscription, whose rows no trigger of pgslo sees"
        to_do = "declare fires: always and writes: stream, or evaluate the rules at the publisher; constraints hold here as well"
        if fires_always:
            said = f"{table} is written by a subscription, which fires no statement trigger: only row triggers see its rows"
            to_do = "declare writes: stream, with rules about single rows alone"
        yield Finding(name, "not observed", f"table {table}", said, to_do)
    for who in () if fires_always else facts.replica_roles:
        said = f"session_replication_role is replica for {who}: triggers do not fire for their writes"
        yield Finding(name, "not observed", who, said, "ALTER … RESET session_replication_role")
    if facts.waiting_batches:
        many = "1 batch waits" if facts.waiting_batches == 1 else f"{facts.waiting_batches:,} batches wait"
        said = f"{many} to be evaluated for minutes: pgslo.tick() does not run, or does not keep up"
        yield Finding(
            name,
            "waiting",
            f"batches of {facts.table_name}",
            said,
            "run pgslo tick every minute",
            is_hint=True,
        )
    yield from _unseen(facts)


def unseen(facts: Facts) -> int | None:
    """Rows written since the last apply that no trigger recorded, rows rolled back among them; ``None``: unknown."""
    counts = facts.counts
    if counts is None or not facts.records_rows:
        return None
    then, now = counts.rows_written_then, counts.rows_written_now
    if then is None or now is None or now < then or counts.statistics_reset_at is not None:
        return None
    rows = now - then - counts.rows_recorded
    # A session reports its writes up to ten seconds late.
    return rows if rows > counts.rows_just_before else 0


def _fires_always(facts: Facts) -> bool:
    """Whether the last apply made each trigger that observes rows fire in replica sessions as well."""
    observing = f"pgslo_{naming.MEASURE_ORDER}_"
    triggers = [
        one
        for one in facts.applied_objects or ()
        if one["kind"] == "trigger" and ".".join(one["relation"]) == facts.applied_name
    ]
    return any(one.get("fires_always") for one in triggers) and all(
        one.get("fires_always") for one in triggers if one["names"][0].startswith(observing)
    )


def _unseen(facts: Facts) -> Iterator[Finding]:
    """Compare the table with the records: the counters as a hint, the newest batch for sure."""
    counts = facts.counts
    if counts is None or not facts.records_rows:
        return
    then, now = counts.rows_written_then, counts.rows_written_now
    if then is None or now is None:
        return
    newer = counts.newest_in_table is not None and (
        counts.newest_recorded is None or counts.newest_in_table > counts.newest_recorded
    )
    surplus = now - then - counts.rows_recorded
    since = f"{facts.applied_at:%Y-%m-%d %H:%M} UTC"
    counted = f"{now - then:,} rows were written since {since}, {counts.rows_recorded:,} of them recorded"
    innocent, to_do = (
        "rows that were rolled back count as written too",
        "if much was not rolled back: look for a replica role, disabled triggers, a new partition",
    )
    is_unknown = counts.statistics_reset_at is not None or now < then
    if is_unknown:
        begun = counts.statistics_reset_at
        counted = f"the number of rows written since {since} cannot be determined"
        innocent, to_do = (
            f"the server counts only since {begun:%Y-%m-%d %H:%M} UTC"
            if begun
            else "partitions with rows left, or statistics were reset",
            "pgslo learn --from-table counts the batches that are in the table",
        )
    elif surplus <= 0:
        return
    if newer:
        said = f"{counted}, and the table's newest batch is not among the recorded ones"
        to_do = "find its writer (replica role, disabled triggers, a new partition), fix the cause, and load the batch again"
        yield Finding(facts.definition, "unseen rows", f"table {facts.table_name}", said, to_do)
    elif is_unknown or surplus > counts.rows_just_before:
        said = f"{counted}; {innocent}"
        yield Finding(facts.definition, "unseen rows", f"table {facts.table_name}", said, to_do, is_hint=True)


def to_restore(facts: Facts, trigger: str, to_do: str) -> str:
    """The remedy for a trigger; rows that an assertion missed are not checked once it is enabled."""
    if trigger.startswith((f"pgslo_{naming.ASSERT_ORDER}_", f"pgslo_{naming.SETTLE_ORDER}_")):
        return f"{to_do}; then pgslo.audit('{facts.definition}') finds rows written meanwhile"
    return to_do
