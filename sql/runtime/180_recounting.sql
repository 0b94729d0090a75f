-- Counting batches from the table itself, where the records of writes do not determine their rows.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.take_count(definition pgslo_catalog.definition, counted pgslo_catalog.measured, mask bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    columns text[] := pgslo_catalog.watched_columns((take_count.definition).definition_id);
    place numeric := coalesce((counted).place, pgslo_catalog.arrival((take_count.definition).definition_id, (counted).batch));
BEGIN
    INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, tallies, first_written_at, last_written_at, counted_at)
    VALUES ((take_count.definition).definition_id, (counted).batch, place, (counted).rows, coalesce(pgslo_catalog.signed(columns, (counted).present, 1), '{}'),
            coalesce(pgslo_catalog.signed(pgslo_catalog.tally_slots((take_count.definition).tallies), (counted).tallies, 1), '{}'), clock_timestamp(),
            clock_timestamp(), clock_timestamp())
    ON CONFLICT ON CONSTRAINT batch_name_is_unique_in_its_definition DO UPDATE SET
        rows = excluded.rows, present = excluded.present, tallies = excluded.tallies, counted_at = excluded.counted_at,
        last_written_at = CASE WHEN b.rows = excluded.rows THEN b.last_written_at ELSE excluded.last_written_at END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.take_count(pgslo_catalog.definition, pgslo_catalog.measured, bigint) IS
    'Store the counts of a batch from the table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.overdrawn(definition_id bigint) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- Only from these can more rows have been removed than are known.
    suspects text[] := ARRAY(
        SELECT g.batch FROM pgslo_catalog.fragment g
        WHERE g.definition_id = overdrawn.definition_id AND g.operation NOT IN ('merged', 'recounted') AND g.rows < 0
        UNION
        SELECT b.name FROM pgslo_catalog.batch b WHERE b.definition_id = overdrawn.definition_id AND b.rows < 0);
BEGIN
    -- Nearly always.
    IF suspects = '{}' THEN
        RETURN '{}';
    END IF;
    -- A transaction that removes a row has seen it committed, so the record of the row has a lower number.
    RETURN ARRAY(
        SELECT s.batch
        FROM (
            SELECT k.batch, k.place, k.is_new, k.rows, sum(k.rows) OVER (PARTITION BY k.batch ORDER BY k.fragment_id) AS known
            FROM (
                -- Few by key, many in one scan: each look-up may be a scan if statistics are old.
                SELECT f.batch, f.place, f.rows, f.fragment_id, f.operation NOT IN ('merged', 'recounted') AS is_new
                FROM unnest(suspects) AS w (batch)
                CROSS JOIN LATERAL (
                    SELECT g.* FROM pgslo_catalog.fragment g
                    WHERE g.definition_id = overdrawn.definition_id AND g.batch = w.batch OFFSET 0
                ) f
                WHERE cardinality(suspects) <= 100
                UNION ALL
                SELECT f.batch, f.place, f.rows, f.fragment_id, f.operation NOT IN ('merged', 'recounted')
                FROM pgslo_catalog.fragment f
                WHERE f.definition_id = overdrawn.definition_id AND cardinality(suspects) > 100
            ) k
        ) s
        GROUP BY s.batch
        -- One that seems to be emptied may have rows from before pgslo.
        HAVING (min(s.known) < 0 OR sum(s.rows) <= 0) AND min(s.place) > '-Infinity' AND max(s.place) < 'Infinity' AND bool_or(s.is_new));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.overdrawn(bigint) IS
    'Return batches that lost all the known rows, or more: some are older than pgslo, or were written with triggers disabled.';

CREATE OR REPLACE FUNCTION pgslo_catalog.take_counts(
    definition pgslo_catalog.definition, counted pgslo_catalog.measured[], mask bigint
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (take_counts.definition).definition_id;
    one pgslo_catalog.measured;
    before pgslo_catalog.batch;
    after pgslo_catalog.batch;
BEGIN
    FOREACH one IN ARRAY ARRAY(SELECT c FROM unnest(take_counts.counted) AS c ORDER BY c.place) LOOP
        SELECT b.* INTO before FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch;
        PERFORM pgslo_catalog.take_count(take_counts.definition, one, take_counts.mask);
        UPDATE pgslo_catalog.batch b SET failures = coalesce(f.failures, '{}')
        FROM pgslo_catalog.fragment f
        WHERE f.definition_id = id AND f.batch = one.batch AND f.operation = 'recounted'
          AND b.definition_id = id AND b.name = one.batch;
        SELECT b.* INTO after FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = one.batch;
        IF (before.rows, before.present, before.tallies) IS DISTINCT FROM (after.rows, after.present, after.tallies)
            AND (before.closed_at IS NOT NULL
                 -- Of a streamed table, only batches that are newer than any known one are closed later.
                 OR (take_counts.definition).writes = 'stream' AND one.rows > 0 AND EXISTS (
                     SELECT FROM pgslo_catalog.batch b
                     WHERE b.definition_id = id AND b.closed_at IS NOT NULL AND b.place > after.place))
        THEN
            PERFORM pgslo_catalog.judge_closed(take_counts.definition, one.batch,
                pgslo_catalog.watched_columns(id), one.sample, pgslo_catalog.level_of(take_counts.mask));
        END IF;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.take_counts(pgslo_catalog.definition, pgslo_catalog.measured[], bigint) IS
    'Record the counts of batches, and evaluate closed batches whose counts changed, and those that no later count would close.';

CREATE OR REPLACE FUNCTION pgslo_catalog.recount_batches(
    definition pgslo_catalog.definition, batches text[], judges boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (recount_batches.definition).definition_id;
    mask bigint;
    -- A single one by an index if there is one; several in one scan. No range of keys finds a batch without an order.
    single text := CASE WHEN cardinality(recount_batches.batches) = 1 AND coalesce(
        pgslo_catalog.known_place(id, recount_batches.batches[1]),
        (SELECT b.place FROM pgslo_catalog.batch b WHERE b.definition_id = id AND b.name = recount_batches.batches[1])) > '-Infinity'
        THEN recount_batches.batches[1] END;
BEGIN
    mask := pgslo_catalog.recount_mask(recount_batches.definition, single, single);
    PERFORM pgslo_catalog.take_counts(recount_batches.definition,
        pgslo_catalog.replace_counts(recount_batches.definition, single, single, mask, recount_batches.batches, recount_batches.judges),
        mask);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.recount_batches(pgslo_catalog.definition, text[], boolean) IS
    'Count batches from the table, all if none are named, and evaluate those again whose counts changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.recount_unknown(definition pgslo_catalog.definition) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (recount_unknown.definition).definition_id;
    overdrawn text[];
    due text;
    counted integer := 0;
    until timestamptz := clock_timestamp() + interval '1 second';
BEGIN
    -- Usually there is nothing new. The statement below, planned for many, would read the records of all batches to find that.
    IF NOT EXISTS (SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted')) THEN
        RETURN 0;
    END IF;
    IF EXISTS (SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'recount' AND f.batch = '') THEN
        -- A partition was emptied, or another table took the name: only the table has the rows of each batch.
        -- Where rows of an unknown batch were not judged, all rows are.
        PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, NULL, pgslo_catalog.has_unknown_rows(id));
    ELSIF pgslo_catalog.has_unknown_rows(id) THEN
        BEGIN
            PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, NULL, true);
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            -- They stay unjudged, and readers are warned.
        END;
    END IF;
    overdrawn := pgslo_catalog.overdrawn(id);
    IF overdrawn <> '{}' THEN
        BEGIN
            IF cardinality(overdrawn) > 3 THEN
                -- Each batch with fragments gets its counts from the one scan.
                overdrawn := ARRAY(SELECT DISTINCT f.batch FROM pgslo_catalog.fragment f
                                   WHERE f.definition_id = id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate'));
                PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, overdrawn);
            ELSE
                FOREACH due IN ARRAY overdrawn LOOP
                    PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, ARRAY[due]);
                END LOOP;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            IF pgslo_catalog.is_transient(SQLSTATE) OR SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            -- A column was dropped, which writes report, or policies hide rows: the records are summed, as before.
        END;
    END IF;
    FOREACH due IN ARRAY ARRAY(
        SELECT f.batch FROM pgslo_catalog.fragment f
        WHERE f.definition_id = id AND f.operation = 'recount' AND f.batch <> ''
        ORDER BY f.place DESC)
    LOOP
        EXIT WHEN clock_timestamp() > until;
        -- Columns could not be measured for a while, and can be again. A big table without an index is not read for that: they stay unmeasured.
        DELETE FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'recount' AND f.batch = due;
        IF pgslo_catalog.can_find_batches(recount_unknown.definition) THEN
            PERFORM pgslo_catalog.recount_batches(recount_unknown.definition, ARRAY[due]);
            counted := counted + 1;
        END IF;
    END LOOP;
    RETURN counted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.recount_unknown(pgslo_catalog.definition) IS
    'Count those batches of a loaded table from the table that cannot be determined from the records; return how many were evaluated.';

CREATE OR REPLACE FUNCTION pgslo_catalog.replace_counts(
    definition pgslo_catalog.definition, first text, last text, mask bigint, batches text[], judges boolean
) RETURNS pgslo_catalog.measured[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := replace_counts.definition;
    columns text[] := pgslo_catalog.watched_columns(target.definition_id);
    counted pgslo_catalog.measured[];
    seen pg_snapshot;
    -- Rows of an unknown batch were not judged: they may be in any, also in one with as many rows as before.
    has_unknown boolean := replace_counts.judges AND target.judge IS NOT NULL AND replace_counts.batches IS NULL
        AND replace_counts.first IS NULL AND pgslo_catalog.has_unknown_rows(target.definition_id);
BEGIN
    PERFORM pgslo_catalog.pin_table(target, target.recount);
    seen := pg_current_snapshot();
    PERFORM pgslo_catalog.record_news(ARRAY(
        SELECT f.fragment_id FROM pgslo_catalog.fragment f
        WHERE f.definition_id = target.definition_id AND f.failures IS NOT NULL
          AND (replace_counts.batches IS NULL OR f.batch = ANY (replace_counts.batches))));
    -- One statement, so one snapshot: it counts exactly the rows of the fragments that it removes.
    EXECUTE format(
        $query$
        WITH known AS MATERIALIZED (
            SELECT k.batch, min(k.place) AS place
            FROM (
                SELECT b.name AS batch, b.place FROM pgslo_catalog.batch b WHERE b.definition_id = $4 AND b.rows <> 0
                UNION ALL
                SELECT f.batch, f.place FROM pgslo_catalog.fragment f
                WHERE f.definition_id = $4 AND f.operation NOT IN ('recount', 'truncate')
                  AND (f.rows <> 0 OR f.failures IS NOT NULL)
            ) AS k
            -- No scan of a range finds the rows of a batch without an order, and none those of an unknown batch.
            WHERE $8 IS NULL OR k.batch = ANY ($8) AND (k.place > '-Infinity' OR $1 IS NULL AND k.batch <> 'unknown')
            GROUP BY k.batch
        ), present AS MATERIALIZED (
            SELECT c.* FROM unnest(pgslo_gen.%I($1, $2, $3)) AS c WHERE $8 IS NULL OR c.batch = ANY ($8)
        ), counted AS MATERIALIZED (
            SELECT p.* FROM present p
            UNION ALL
            SELECT k.batch, k.place, 0, '{}', '{}', '{}', NULL FROM known k
            WHERE ($8 IS NULL OR $9) AND NOT EXISTS (SELECT FROM present p WHERE p.batch = k.batch)
        ), gone AS (
            DELETE FROM pgslo_catalog.fragment f
            WHERE ($6 = 'bulk' OR $9 AND $10) AND f.definition_id = $4
              AND ($1 IS NULL AND $8 IS NULL OR f.batch IN (SELECT c.batch FROM counted c))
            RETURNING f.batch, f.rows, f.failures, f.written_at, f.xid
        ), kept AS (
            SELECT g.batch, sum(g.rows) AS rows, nullif(pgslo_catalog.added_up(array_agg(g.failures)), '{}') AS failures,
                   sum(g.rows) FILTER (WHERE g.rows > 0) AS rows_added, max(g.written_at) AS written_at,
                   -- A role that accepts a missed batch may not have seen all of it.
                   CASE WHEN bool_and(pg_visible_in_snapshot(g.xid, $12)) AND NOT EXISTS (
                       SELECT FROM pgslo_catalog.rule r JOIN pgslo_catalog.missed_batch m USING (rule_id)
                       WHERE r.definition_id = $4 AND m.batch = g.batch AND m.ended_at IS NULL)
                   THEN (array_agg(g.xid ORDER BY g.failures IS NULL, g.xid DESC))[1] END AS xid,
                   nullif(pgslo_catalog.added_up(array_agg(g.failures) FILTER (WHERE g.rows > 0)), '{}') AS failures_added
            FROM gone g GROUP BY g.batch
        ), written AS (
            INSERT INTO pgslo_catalog.fragment
                (definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample, written_at, xid)
            SELECT $4, c.batch, coalesce(c.place, pgslo_catalog.arrival($4, c.batch)), c.rows,
                   -- Failing rows are the same where the rows are as many as before, and known where all of them were written since.
                   -- Otherwise those that are known count until the rule is evaluated again.
                   CASE WHEN NOT j.is_due AND c.rows > 0 THEN
                       CASE c.rows WHEN k.rows_added THEN k.failures_added ELSE k.failures END END,
                   'recounted', coalesce(pgslo_catalog.signed($5, c.present, 1), '{}'),
                   coalesce(pgslo_catalog.signed($7, c.tallies, 1), '{}'), pgslo_catalog.level_of($3), $5, c.sample,
                   -- A batch that only lost rows is not newer for that.
                   CASE WHEN c.rows <= k.rows THEN k.written_at ELSE clock_timestamp() END,
                   coalesce(k.xid, pg_current_xact_id())
            FROM counted c
            LEFT JOIN kept k ON k.batch = c.batch
            CROSS JOIN LATERAL (SELECT $9 AND $10 AND ($11 OR $8 IS NOT NULL OR c.rows IS DISTINCT FROM k.rows) AS is_due) AS j
            WHERE $6 = 'bulk' OR $9 AND $10
            RETURNING batch, place, rows
        ), settled AS (
            DELETE FROM pgslo_catalog.rule_break b
            WHERE $9 AND b.definition_id = $4
              AND (b.batch IN (SELECT w.batch FROM written w WHERE w.rows = 0) OR $11 AND b.batch = 'unknown' AND b.pause_id IS NULL)
        ), due AS (
            INSERT INTO pgslo_catalog.rule_break (definition_id, rule_id, error_code, error_message, said, batch, place)
            SELECT $4, r.rule_id, '55000', m.said, m.said, w.batch, w.place
            FROM written w
            JOIN pgslo_catalog.rule r ON r.definition_id = $4 AND r.scope = 'row'
                AND r.mechanism LIKE '%% trigger' AND r.retired_at IS NULL
                AND (r.on_breach IN ('warn', 'flag')
                     -- Rows of a subscription are not rejected, but flagged.
                     OR r.on_breach = 'reject' AND EXISTS (
                         SELECT FROM kept k WHERE k.batch = w.batch AND k.failures ? r.name))
            CROSS JOIN (SELECT 'rows came or left without a trigger' AS said) AS m
            WHERE $10 AND w.rows > 0
              AND ($9 AND ($11 OR $8 IS NOT NULL OR w.rows IS DISTINCT FROM (SELECT k.rows FROM kept k WHERE k.batch = w.batch))
                   OR EXISTS (
                       SELECT FROM kept k
                       WHERE k.batch = w.batch AND k.failures ? r.name AND w.rows <> k.rows AND w.rows IS DISTINCT FROM k.rows_added))
        )
        SELECT array_agg(c::pgslo_catalog.measured ORDER BY c.place) FROM counted c
        $query$, target.recount)
    INTO counted
    USING replace_counts.first, replace_counts.last, replace_counts.mask, target.definition_id, columns, target.writes,
        pgslo_catalog.tally_slots(target.tallies), replace_counts.batches, replace_counts.judges, target.judge IS NOT NULL,
        has_unknown, seen;
    PERFORM pgslo_catalog.warn_raising(target, counted);
    RETURN counted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.replace_counts(pgslo_catalog.definition, text, text, bigint, text[], boolean) IS
    'Count batches from the table in place of what writers recorded of them; with judges, rules evaluate their rows again.';
