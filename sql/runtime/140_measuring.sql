-- From what statements wrote to batches, their profiles and verdicts. Writers append fragments; tick() alone adds them up.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.sample_mask(rows bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- 2 to the power of the level, less one: about 2,000 of the rows have an entity whose hash has none of its bits.
    RETURN CASE WHEN sample_mask.rows > 2000 THEN (1::bigint << ceil(ln(sample_mask.rows / 2000.0) / ln(2))::integer) - 1 ELSE 0 END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sample_mask(bigint) IS 'Return the mask of sampled rows of a statement: those whose entity''s hash has none of these bits.';

CREATE OR REPLACE FUNCTION pgslo_catalog.level_of(mask bigint) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN CASE WHEN level_of.mask = 0 THEN 0 ELSE round(ln(level_of.mask + 1) / ln(2)) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.level_of(bigint) IS 'Return the number of bits of a mask.';

CREATE OR REPLACE FUNCTION pgslo_catalog.sample_rows(sample text[]) RETURNS SETOF text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    one text[];
BEGIN
    -- Slice by slice in one pass; indexing would start again for each row.
    IF sample_rows.sample IS NOT NULL THEN
        FOREACH one SLICE 1 IN ARRAY sample_rows.sample LOOP
            RETURN NEXT one;
        END LOOP;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sample_rows(text[]) IS 'Return the rows of a sample.';

CREATE OR REPLACE FUNCTION pgslo_catalog.sample_within(
    definition_id bigint, sample text[], level smallint, OUT within text[], OUT at_level smallint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- As many values as 2,000 rows of 30 columns have; with more columns, fewer rows suffice.
    wanted constant integer := greatest(200, 60000 / greatest(array_length(sample_within.sample, 2) - 1, 1));
    entities bigint[];
    remaining bigint[];
BEGIN
    within := sample_within.sample;
    at_level := sample_within.level;
    IF array_length(within, 1) IS NULL OR array_length(within, 1) <= 2 * wanted OR at_level = 0 AND EXISTS (
        -- How many values differ is known of all rows alone.
        SELECT FROM pgslo_catalog.rule r
        WHERE r.definition_id = sample_within.definition_id AND r.retired_at IS NULL
          AND coalesce(r.measure #>> '{of,of}', r.measure ->> 'of') IN ('distinct', 'distinct_share'))
    THEN
        RETURN;
    END IF;
    entities := ARRAY(SELECT r.one[1]::bigint FROM pgslo_catalog.sample_rows(within) AS r (one));
    WHILE cardinality(entities) > 2 * wanted AND at_level < 62 LOOP
        remaining := ARRAY(SELECT e.entity FROM unnest(entities) AS e (entity) WHERE e.entity & ((2::bigint << at_level::integer) - 1) = 0);
        -- Few entities with many rows each: none of these may be among the next.
        EXIT WHEN cardinality(remaining) < wanted;
        entities := remaining;
        at_level := at_level + 1;
    END LOOP;
    IF at_level > sample_within.level THEN
        within := (
            SELECT array_agg(r.one) FROM pgslo_catalog.sample_rows(sample_within.sample) AS r (one)
            WHERE r.one[1]::bigint & ((1::bigint << at_level::integer) - 1) = 0);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sample_within(bigint, text[], smallint) IS
    'Return a sample with about 60,000 values, but at least 200 rows: of wide tables the rows of a coarser level.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_measured(
    definition text, operation text, sign integer, columns text[], tallies text[], rules text[],
    counted pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = record_measured.definition);
BEGIN
    PERFORM pgslo_catalog.append_fragments(id, record_measured.operation, record_measured.sign, record_measured.columns,
        record_measured.tallies, record_measured.rules, record_measured.counted, record_measured.samples, record_measured.mask);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_measured(text, text, integer, text[], text[], text[], pgslo_catalog.measured[], pgslo_catalog.measured[], bigint) IS
    'Append the rows that a statement added to its batches (sign 1; 0 when its rows are counted elsewhere) or removed (-1).';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_truncate(definition text, relation regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    note bigint;
    emptied bigint;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = record_truncate.definition;
    IF record_truncate.relation <> target.relation AND EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = record_truncate.relation::oid
    ) THEN
        RETURN;  -- tick() finds its new file.
    END IF;
    -- No other session writes to the table meanwhile, so all fragments with lower numbers are of earlier writes.
    INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, operation)
    VALUES (target.definition_id, '', '-Infinity', 0, CASE WHEN record_truncate.relation = target.relation THEN 'truncate' ELSE 'recount' END)
    RETURNING fragment_id INTO note;
    IF record_truncate.relation = target.relation THEN
        -- Those that tick() is at just now are left to it.
        WITH gone AS (
            DELETE FROM pgslo_catalog.fragment f
            WHERE f.fragment_id IN (
                SELECT g.fragment_id FROM pgslo_catalog.fragment g
                WHERE g.definition_id = target.definition_id AND g.operation <> 'truncate'
                FOR UPDATE SKIP LOCKED)
            RETURNING f.*
        )
        SELECT sum(g.rows) INTO emptied
        FROM gone g JOIN pgslo_catalog.applied a USING (definition_id)
        WHERE g.written_at >= a.applied_at AND g.operation <> 'recount' AND (g.rows > 0 OR target.batch_is_of_row);
        -- The statistics system goes on counting them, and drift compares with it.
        UPDATE pgslo_catalog.fragment f SET rows_emptied = emptied WHERE f.fragment_id = note AND emptied <> 0;
        DELETE FROM pgslo_catalog.rule_break b
        WHERE b.rule_break_id IN (
            SELECT k.rule_break_id FROM pgslo_catalog.rule_break k
            WHERE k.definition_id = target.definition_id AND k.batch IS NOT NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_truncate(text, regclass) IS 'Note that a table was emptied, or a part of it.';

CREATE OR REPLACE FUNCTION pgslo_catalog.added_up(parts jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT coalesce(jsonb_object_agg(s.key, s.total), '{}')
    FROM (
        SELECT e.key, sum(e.value::numeric) AS total
        FROM unnest(added_up.parts) AS p (part) CROSS JOIN LATERAL jsonb_each_text(p.part) AS e
        GROUP BY e.key
        HAVING sum(e.value::numeric) <> 0
    ) s
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.added_up(jsonb[]) IS 'Return the sums of counts by name.';

CREATE OR REPLACE FUNCTION pgslo_catalog.merge_batch(definition_id bigint, batch text) RETURNS pgslo_catalog.fragment
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    merged pgslo_catalog.fragment;
    -- By number from here on: fragments that are committed meanwhile wait for the next time.
    parts bigint[] := ARRAY(SELECT f.fragment_id FROM pgslo_catalog.fragment f
                            WHERE f.definition_id = merge_batch.definition_id AND f.batch = merge_batch.batch);
    began timestamptz;
    ended timestamptz;
    takes boolean;
    samples bigint;
    mask bigint;
    sampled bigint;
BEGIN
    IF parts = '{}' THEN
        RETURN NULL;
    END IF;
    PERFORM pgslo_catalog.record_news(parts);
    PERFORM pgslo_catalog.note_overdrawn(merge_batch.definition_id, merge_batch.batch, parts);
    -- A role that accepts the batch just now has not seen all of it.
    SELECT CASE WHEN count(*) > 0 AND NOT pgslo_catalog.is_being_accepted(merge_batch.definition_id, merge_batch.batch)
                THEN (array_agg(f.xid ORDER BY f.xid DESC))[1] ELSE pg_current_xact_id() END
    INTO merged.xid
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.failures IS NOT NULL;
    SELECT max(f.fragment_id), min(f.place), sum(f.rows), nullif(pgslo_catalog.added_up(array_agg(f.failures)), '{}'),
           pgslo_catalog.added_up(array_agg(f.present)), pgslo_catalog.added_up(array_agg(f.tallies)), max(f.level),
           max(f.written_at), min(f.written_at), bool_or(f.operation = 'delete'), count(f.sample)
    INTO merged.fragment_id, merged.place, merged.rows, merged.failures, merged.present, merged.tallies, merged.level,
         ended, began, takes, samples
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts);
    -- The newest write of which rows are left: rows that came and went make nothing newer.
    SELECT coalesce(max(s.written_at) FILTER (WHERE s.left_since > 0), ended) INTO merged.written_at
    FROM (
        SELECT f.written_at, sum(f.rows) OVER (ORDER BY f.fragment_id DESC) AS left_since
        FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts)
    ) s;
    SELECT f.writer, f.application INTO merged.writer, merged.application
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = merged.fragment_id;
    SELECT f.sample_columns INTO merged.sample_columns
    FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.sample_columns IS NOT NULL ORDER BY f.fragment_id DESC LIMIT 1;
    merged.definition_id := merge_batch.definition_id;
    merged.batch := merge_batch.batch;

    -- Sampled rows that were not removed again, at the coarsest level of all: exactly the existing ones.
    mask := (1::bigint << coalesce(merged.level, 0)::integer) - 1;
    IF takes THEN
        SELECT array_agg(s.one), count(*) INTO merged.sample, sampled
        FROM (
            SELECT r.one FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
            WHERE f.fragment_id = ANY (parts) AND f.operation <> 'delete' AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0
            EXCEPT ALL
            SELECT r.one FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
            WHERE f.fragment_id = ANY (parts) AND f.operation = 'delete' AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0
        ) s;
    ELSIF samples = 1 THEN
        SELECT f.sample, array_length(f.sample, 1) INTO merged.sample, sampled
        FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts) AND f.sample IS NOT NULL;
    ELSE
        SELECT array_agg(r.one), count(*) INTO merged.sample, sampled
        FROM pgslo_catalog.fragment f CROSS JOIN LATERAL pgslo_catalog.sample_rows(f.sample) AS r (one)
        WHERE f.fragment_id = ANY (parts) AND f.sample_columns = merged.sample_columns AND r.one[1]::bigint & mask = 0;
    END IF;
    DELETE FROM pgslo_catalog.fragment f WHERE f.fragment_id = ANY (parts);
    WHILE sampled > 4000 AND merged.level < 62 LOOP
        merged.level := merged.level + 1;
        mask := (1::bigint << merged.level::integer) - 1;
        SELECT array_agg(r.one), count(*) INTO merged.sample, sampled
        FROM pgslo_catalog.sample_rows(merged.sample) AS r (one) WHERE r.one[1]::bigint & mask = 0;
    END LOOP;
    IF sampled > 0 THEN
        -- Rows that no profile needs are not kept: storing them costs more than to make one.
        SELECT w.within, w.at_level INTO merged.sample, merged.level
        FROM pgslo_catalog.sample_within(merge_batch.definition_id, merged.sample, merged.level) AS w;
    END IF;

    -- It keeps the number of the newest it is made of: a TRUNCATE that is not committed yet must not make it newer.
    INSERT INTO pgslo_catalog.fragment (fragment_id, definition_id, batch, place, rows, failures, operation, present, tallies, level, sample_columns, sample,
                                        writer, application, written_at, xid)
    OVERRIDING SYSTEM VALUE
    VALUES (merged.fragment_id, merged.definition_id, merged.batch, merged.place, merged.rows, merged.failures, 'merged', merged.present, merged.tallies,
            merged.level, merged.sample_columns, merged.sample, merged.writer, merged.application, merged.written_at, merged.xid);

    INSERT INTO pgslo_catalog.batch AS b (definition_id, name, place, rows, present, tallies, failures, first_written_at, last_written_at, writer, application)
    VALUES (merged.definition_id, merged.batch, merged.place, merged.rows, merged.present, merged.tallies, coalesce(merged.failures, '{}'),
            began, ended, merged.writer, merged.application)
    ON CONFLICT ON CONSTRAINT batch_name_is_unique_in_its_definition DO UPDATE SET
        place = excluded.place, rows = excluded.rows, present = excluded.present, tallies = excluded.tallies, failures = excluded.failures,
        last_written_at = excluded.last_written_at, writer = excluded.writer, application = excluded.application;
    RETURN merged;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.merge_batch(bigint, text) IS 'Merge the fragments of a batch, and record the sums of the batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.watched_columns(definition_id bigint) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN ARRAY(SELECT w.column_name FROM pgslo_catalog.watched_column w WHERE w.definition_id = watched_columns.definition_id ORDER BY w.ordinal);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.watched_columns(bigint) IS 'Return the columns whose profile is kept, in the order of samples.';

CREATE OR REPLACE FUNCTION pgslo_catalog.record_raising(
    definition text, rule pgslo_catalog.rule, batch pgslo_catalog.batch, said text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Every read looks at these notes, and who writes rows decides how many batches there are.
    IF 100 > (SELECT count(*) FROM pgslo_catalog.rule_break b
              WHERE b.rule_id = (record_raising.rule).rule_id AND b.error_code = '22000')
    THEN
        PERFORM pgslo_catalog.mark_unjudged(record_raising.definition, ARRAY[(record_raising.rule).name],
            ARRAY[(record_raising.batch).name], ARRAY[(record_raising.batch).place], '22000', record_raising.said);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.record_raising(text, pgslo_catalog.rule, pgslo_catalog.batch, text) IS
    'Note for readers that a rule has no value for a batch, because its expression raises an error for a row.';
