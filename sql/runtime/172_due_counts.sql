-- Batches that are counted again from the table, because rows came or left with a partition.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.recorded_rows(definition_id bigint, batches text[]) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(sum(f.rows), 0)::bigint
    FROM pgslo_catalog.fragment f JOIN pgslo_catalog.applied a USING (definition_id)
    WHERE f.definition_id = recorded_rows.definition_id AND f.batch = ANY (recorded_rows.batches)
      AND f.written_at >= a.applied_at
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.recorded_rows(bigint, text[]) IS
    'Return the rows of batches that were recorded since the last apply, as drift compares them with statistics.';

CREATE OR REPLACE FUNCTION pgslo_catalog.recount_mask(definition pgslo_catalog.definition, first text, last text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := recount_mask.definition;
    -- Hashes that have none of these bits are too rare for a sample.
    no_row CONSTANT bigint := 9223372036854775807;
    largest bigint := (SELECT max(b.rows) FROM pgslo_catalog.batch b WHERE b.definition_id = target.definition_id);
    counted bigint;
BEGIN
    -- The first batches, or the first load after tests, may have a thousand times as many rows, all of which would be sampled.
    IF coalesce(largest, 0) < 20000 THEN
        PERFORM pgslo_catalog.pin_table(target, target.recount);
        EXECUTE format('SELECT max(c.rows) FROM unnest(pgslo_gen.%I($1, $2, $3)) AS c', target.recount)
        INTO counted USING recount_mask.first, recount_mask.last, no_row;
    END IF;
    RETURN pgslo_catalog.sample_mask(greatest(largest, counted));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.recount_mask(pgslo_catalog.definition, text, text) IS
    'Return the mask of sampled rows for a count of batches in a range of the table; it is counted first if no large batch is known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_batches(
    definition pgslo_catalog.definition, first text, last text, batches text[]
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := count_batches.definition;
    id bigint := target.definition_id;
    emptied text[] := ARRAY(
        SELECT c.batch FROM pgslo_catalog.due_count c
        WHERE c.definition_id = id AND c.batch = ANY (count_batches.batches) AND c.is_emptied);
    recorded bigint := pgslo_catalog.recorded_rows(id, emptied);
    mask bigint := pgslo_catalog.recount_mask(target, count_batches.first, count_batches.last);
    -- Rows that are recorded as of an unknown batch may be of any: then all are counted.
    counted text[] := CASE WHEN 'unknown' <> ALL (count_batches.batches) THEN count_batches.batches END;
BEGIN
    PERFORM pgslo_catalog.take_counts(
        target,
        pgslo_catalog.replace_counts(target, count_batches.first, count_batches.last, mask, counted, true),
        mask);
    recorded := recorded - pgslo_catalog.recorded_rows(id, emptied);
    UPDATE pgslo_catalog.applied a SET rows_emptied = a.rows_emptied + recorded
    WHERE a.definition_id = id AND recorded > 0;
    DELETE FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.batch = ANY (count_batches.batches);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_batches(pgslo_catalog.definition, text, text, text[]) IS
    'Count batches that are due in a range of the table; in the whole table without one.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_due(definition pgslo_catalog.definition, until timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := count_due.definition;
    id bigint := target.definition_id;
    size numeric := (SELECT sum(pg_relation_size(p.number)) FROM pgslo_catalog.present_parts(target.relation) AS p);
    -- One scan of a small table takes no time, and without an index several would take longer than one.
    in_one boolean := size < 16 * 1024 * 1024 OR NOT pgslo_catalog.can_find_batches(target) AND NOT EXISTS (
        SELECT FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = target.relation AND a.attname = target.batch_column);
    at_most integer := CASE WHEN in_one THEN 1000 ELSE 1 END;
    last_place numeric := pgslo_catalog.last_place(target);
    newest numeric;
    below numeric;
    batches text[];
    has_counted boolean := false;
BEGIN
    LOOP
        -- Those in the future come last: however many they are, those of today do not wait for them.
        newest := coalesce(
            (SELECT max(c.place) FROM pgslo_catalog.due_count c
             WHERE c.definition_id = id AND c.place > '-Infinity' AND c.place <= last_place),
            (SELECT max(c.place) FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.place > '-Infinity'));
        EXIT WHEN newest IS NULL;
        -- The newest, and those before it up to one that need not be counted.
        below := CASE WHEN NOT in_one THEN (
            SELECT max(b.place) FROM pgslo_catalog.batch b
            WHERE b.definition_id = id AND b.rows > 0 AND b.place < newest
              AND NOT EXISTS (SELECT FROM pgslo_catalog.due_count c WHERE c.definition_id = id AND c.batch = b.name)) END;
        SELECT array_agg(w.batch ORDER BY w.place) INTO batches
        FROM (
            SELECT c.batch, c.place FROM pgslo_catalog.due_count c
            WHERE c.definition_id = id AND c.place > coalesce(below, '-Infinity') AND c.place <= newest
            ORDER BY c.place DESC LIMIT at_most
        ) AS w;
        PERFORM pgslo_catalog.count_batches(target, batches[1], batches[cardinality(batches)], batches);
        has_counted := true;
        EXIT WHEN clock_timestamp() > count_due.until;
        at_most := CASE WHEN in_one THEN at_most ELSE least(2 * at_most, 64) END;
    END LOOP;
    IF NOT has_counted THEN
        -- In a block of its own, so that a timeout during the scan of the whole table undoes nothing else.
        batches := ARRAY(SELECT c.batch FROM pgslo_catalog.due_count c WHERE c.definition_id = id);
        PERFORM pgslo_catalog.count_batches(target, NULL, NULL, batches);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_due(pgslo_catalog.definition, timestamptz) IS
    'Count batches that are due from the table, the newest first, until a time; the others are left for the next time.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_parts(definition pgslo_catalog.definition, until timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := follow_parts.definition;
BEGIN
    -- Rows for quarantine wait the longer the more of them come: batches of all tables are more urgent.
    PERFORM pgslo_catalog.drain_outbox('pgslo_gen.' || quote_ident(target.outbox), follow_parts.until + interval '9 seconds')
    WHERE target.outbox IS NOT NULL;
    IF target.recount IS NULL THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = target.relation::oid
    ) THEN
        PERFORM pgslo_catalog.note_parts(target.definition_id);
        IF target.outbox IS NULL THEN
            RETURN;
        END IF;
    ELSE
        PERFORM pgslo_catalog.compare_parts(target);
    END IF;
    IF target.is_rekeyed THEN
        PERFORM pgslo_catalog.follow_key(target);
    END IF;
    IF EXISTS (SELECT FROM pgslo_catalog.due_count c WHERE c.definition_id = target.definition_id) THEN
        PERFORM pgslo_catalog.count_due(target, follow_parts.until);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_parts(pgslo_catalog.definition, timestamptz) IS
    'Count the batches of rows that came or left with a partition or a child of a table, and those that were noted on shards.';
