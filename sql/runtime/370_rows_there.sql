-- Learning from existing rows: the newest batches of a table, and the state of each column.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.need_history(definition text) RETURNS pgslo_catalog.definition
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    is_watched boolean;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = need_history.definition;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', need_history.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    END IF;
    is_watched := EXISTS (SELECT FROM pgslo_catalog.watched_column w WHERE w.definition_id = target.definition_id);
    -- Without batches nothing is watched, whatever the definition says of that.
    IF target.batch_by IS NULL OR is_watched AND target.recount IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('rows of %s do not say which batch they belong to', target.name),
            DETAIL = CASE WHEN is_watched
                THEN 'Nothing can be learned from existing rows; profiles are taken of later writes.'
                ELSE 'Bounds are learned from one batch to the next, and its definition has no batch; nothing is measured.' END,
            HINT = 'Say it in the definition: batch: {by: <a date, time or number>}.';
    ELSIF NOT is_watched THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no column of %s is watched', target.name),
            DETAIL = 'Its definition says so, and has no rule about batches either; nothing is measured.',
            HINT = 'Leave watch: false out of the definition.';
    END IF;
    RETURN target;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.need_history(text) IS 'Return a definition whose rows name their batch; an error names the missing part.';

CREATE OR REPLACE FUNCTION pgslo_catalog.newest_batches(definition pgslo_catalog.definition, batches integer)
RETURNS TABLE (name text, place numeric, rows bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    key text := (newest_batches.definition).batch_by;
    -- The clock's batches are cut from a value that may have an index; the result of the cut has none.
    cut text := (regexp_match(key, E'^date_bin\\(''[^'']*'', (.+), ''2001-01-01 00:00:00\\+00''\\)$'))[1];
    value text := coalesce(cut, key);
    question text;
BEGIN
    IF EXISTS (
        SELECT FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am m ON m.oid = c.relam
        WHERE i.indrelid = (newest_batches.definition).relation AND i.indpred IS NULL AND i.indisvalid AND m.amname = 'btree'
          AND value = '(r.' || pg_get_indexdef(i.indexrelid, 1, true) || ')'
    ) THEN
        -- From batch to batch by the index: older rows are never read.
        question := format(
            'WITH RECURSIVE step AS (
                 SELECT (SELECT max(%1$s) FROM %2$s AS r) AS newest
                 UNION ALL
                 SELECT (SELECT max(%1$s) FROM %2$s AS r WHERE %1$s < %3$s) FROM step s WHERE s.newest IS NOT NULL
             ), found AS MATERIALIZED (
                 SELECT s.newest, %3$s AS raw FROM step s WHERE s.newest IS NOT NULL LIMIT %5$s
             )
             SELECT %6$s, %4$s, (SELECT count(*) FROM %2$s AS r WHERE %1$s >= b.raw AND %1$s <= b.newest)
             FROM found AS b WHERE %4$s > ''-Infinity''',
            value, (newest_batches.definition).relation, CASE WHEN cut IS NULL THEN 's.newest' ELSE replace(key, cut, 's.newest') END,
            (newest_batches.definition).batch_place, quote_nullable(newest_batches.batches), (newest_batches.definition).batch_name);
    ELSE
        question := format(
            'SELECT %s, %s AS place, b.rows FROM (SELECT %s AS raw, count(*) AS rows FROM %s AS r GROUP BY 1) AS b
             WHERE b.raw IS NOT NULL AND %2$s > ''-Infinity'' ORDER BY 2 DESC LIMIT %5$s',
            (newest_batches.definition).batch_name, (newest_batches.definition).batch_place, key,
                (newest_batches.definition).relation, quote_nullable(newest_batches.batches));
    END IF;
    PERFORM pgslo_catalog.pin_table(newest_batches.definition, (newest_batches.definition).reader);
    RETURN QUERY
    SELECT a.batch, a.place, a.rows
    FROM unnest(pgslo_catalog.asked_batches(newest_batches.definition, question)) AS a
    WHERE a.place > '-Infinity'
    ORDER BY a.place DESC LIMIT newest_batches.batches;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.newest_batches(pgslo_catalog.definition, integer) IS
    'Return the newest batches that are in a table and their rows, newest first; by index where there is one, else in one scan.';

CREATE OR REPLACE FUNCTION pgslo.history(definition text, batches integer DEFAULT 400) RETURNS TABLE (batch text, rows bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
-- An error rather than a count of what policies show.
SET row_security = off
AS $pgslo$
    SELECT n.name, n.rows
    FROM pgslo_catalog.newest_batches(pgslo_catalog.need_history(history.definition), history.batches) AS n
    ORDER BY n.place
$pgslo$;
COMMENT ON FUNCTION pgslo.history(text, integer) IS 'Return the newest batches that are in the table itself, and their rows, oldest first.';

CREATE OR REPLACE FUNCTION pgslo_catalog.settle_learned(definition_id bigint, place numeric) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- The past has no answers about faults: a batch far beyond its bounds counts as a fault, except for a rise of the rows.
    WITH judged AS MATERIALIZED (
        -- Once for all columns.
        SELECT last.name, j.*
        FROM (
            SELECT b.name, b.place FROM pgslo_catalog.batch b
            WHERE b.definition_id = settle_learned.definition_id AND b.place < settle_learned.place
            ORDER BY b.place DESC LIMIT 1
        ) AS last
        CROSS JOIN LATERAL pgslo_catalog.judge_learned(settle_learned.definition_id, last.name, last.place) AS j
    )
    UPDATE pgslo_catalog.profile p
    SET baseline = false
    FROM judged j
    WHERE p.definition_id = settle_learned.definition_id AND p.batch = j.name AND coalesce(p.base, p.column_name) = j.column_name
      AND j.verdict = 'missed' AND j.score >= 2
      AND NOT (j.column_name = '*' AND j.value > j.high AND j.value > 1)
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.settle_learned(bigint, numeric) IS
    'Remove the columns that missed in the last batch before a place from the baseline of later batches.';

CREATE OR REPLACE FUNCTION pgslo.learn_batches(definition text, batches text[], largest bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := pgslo_catalog.need_history(learn_batches.definition);
    columns text[] := pgslo_catalog.watched_columns(target.definition_id);
    mask bigint := pgslo_catalog.sample_mask(learn_batches.largest);
    one pgslo_catalog.measured;
    taken pgslo_catalog.batch;
    learned integer := 0;
BEGIN
    IF learn_batches.batches[1] IS NULL THEN
        RETURN 0;  -- Without a name, all of the table would be counted.
    END IF;
    -- Beside tick(), which would count the same batches; writers and readers do not wait for it.
    PERFORM pgslo_catalog.wait_for_turn('tick');
    FOR one IN
        SELECT c.*
        FROM unnest(pgslo_catalog.replace_counts(target, learn_batches.batches[1],
            learn_batches.batches[cardinality(learn_batches.batches)], mask, learn_batches.batches, false)) AS c
        ORDER BY c.place
    LOOP
        PERFORM pgslo_catalog.take_count(target, one, mask);
        UPDATE pgslo_catalog.batch b SET closed_at = coalesce(b.closed_at, clock_timestamp()), revision = greatest(b.revision, 1)
        WHERE b.definition_id = target.definition_id AND b.name = one.batch
        RETURNING b.* INTO taken;
        BEGIN
            -- Each when the next one comes: the newest may not be complete.
            PERFORM pgslo_catalog.settle_learned(target.definition_id, one.place);
            PERFORM pgslo_catalog.profile_batch(target, taken, columns, one.sample, pgslo_catalog.level_of(mask), taken.present);
            learned := learned + 1;
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE = 'SL004' OR SQLSTATE ~ '^(40|55|57)' THEN
                RAISE;
            END IF;
            -- The other batches are learned from.
            PERFORM pgslo_catalog.record_unprofiled(taken, SQLSTATE, SQLERRM);
        END;
    END LOOP;
    -- Whether these were younger than others is known when the newest are read; older ones only count as old.
    UPDATE pgslo_catalog.profile p
    SET closing = 0, first_age = 64, age = 64
    WHERE p.definition_id = target.definition_id AND p.batch = ANY (learn_batches.batches) AND p.closing = 1;
    UPDATE pgslo_catalog.profile p
    SET first_age = r.later, age = r.later
    FROM (
        SELECT b.name, row_number() OVER (ORDER BY b.place DESC) - 1 AS later FROM pgslo_catalog.batch b
        WHERE b.definition_id = target.definition_id AND b.rows > 0 AND b.place <= pgslo_catalog.last_place(target)
        ORDER BY b.place DESC LIMIT 64
    ) AS r
    WHERE p.definition_id = target.definition_id AND p.batch = r.name AND p.closing = 0;
    -- Missing batches in history are not reported.
    DELETE FROM pgslo_catalog.expected_look l
    WHERE l.rule_id IN (SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.definition_id = target.definition_id);
    PERFORM pgslo_catalog.judge_expected(target);
    -- Hundreds of batches at once would keep hundreds of whole profiles until tick() has thinned them.
    PERFORM pgslo_catalog.thin_profiles(target, pgslo_catalog.whole_from(target), 1000000);
    RETURN learned;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.learn_batches(text, text[], bigint) IS
    'Store the profiles of consecutive batches, oldest first; the largest has this number of rows. Opens no incident.';

CREATE OR REPLACE FUNCTION pgslo.learn(definition text, batches integer DEFAULT 400) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
SET gin_fuzzy_search_limit = 0
AS $pgslo$
DECLARE
    names text[];
    counts bigint[];
    learned integer := 0;
BEGIN
    SELECT array_agg(h.batch), array_agg(h.rows) INTO names, counts FROM pgslo.history(learn.definition, learn.batches) AS h;
    -- A few batches at a time, and so a few scans where no index helps, and never all samples in memory.
    FOR low IN 1..coalesce(cardinality(names), 0) BY 20 LOOP
        learned := learned + pgslo.learn_batches(learn.definition, names[low:low + 19], (SELECT max(c.rows) FROM unnest(counts[low:low + 19]) AS c (rows)));
    END LOOP;
    RETURN learned;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.learn(text, integer) IS
    'Store the profiles of the newest batches of the table, so that bounds need not wait for new ones; opens no incident.';

CREATE OR REPLACE FUNCTION pgslo.learned(definition text)
RETURNS TABLE (column_name text, batches integer, needed integer, state text, usual text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    WITH target AS (
        SELECT d.* FROM pgslo_catalog.definition d WHERE d.name = learned.definition
    ), watched AS (
        SELECT w.column_name, w.kind, w.ordinal FROM pgslo_catalog.watched_column w JOIN target USING (definition_id) WHERE w.base IS NULL
        UNION ALL
        SELECT '*', 'table', -1 FROM target
        UNION ALL
        -- Paths into the values of the newest batch.
        SELECT p.column_name, CASE WHEN p.summary[15] > 0.5 THEN 'number' ELSE 'text' END, w.ordinal
        FROM pgslo_catalog.watched_column w JOIN target USING (definition_id)
        CROSS JOIN LATERAL (
            SELECT q.definition_id, q.batch FROM pgslo_catalog.profile q
            WHERE q.definition_id = target.definition_id AND q.column_name = w.column_name ORDER BY q.place DESC LIMIT 1
        ) n
        JOIN pgslo_catalog.profile p ON p.definition_id = n.definition_id AND p.batch = n.batch AND p.base = w.column_name
    ), newest AS MATERIALIZED (
        SELECT w.column_name, w.kind, w.ordinal, p.batches, p.sampled
        FROM watched w
        LEFT JOIN LATERAL (
            SELECT q.learned_from + q.baseline::integer AS batches, q.sampled FROM pgslo_catalog.profile q JOIN target USING (definition_id)
            WHERE q.column_name = w.column_name ORDER BY q.place DESC LIMIT 1
        ) p ON true
    ), range AS MATERIALIZED (
        SELECT n.column_name, k.name, k.kind, k.words, min(x.value) AS low, max(x.value) AS high
        FROM newest n
        CROSS JOIN LATERAL (
            SELECT q.summary FROM pgslo_catalog.profile q JOIN target USING (definition_id)
            WHERE q.column_name = n.column_name AND q.baseline ORDER BY q.place DESC LIMIT 28
        ) h
        JOIN pgslo_catalog.summary_kinds() k ON k.name = ANY (CASE n.kind
            WHEN 'table' THEN ARRAY['rows', 'duplicate'] WHEN 'number' THEN ARRAY['null', 'p05', 'p50', 'p95']
            WHEN 'time' THEN ARRAY['null', 'hour']
            WHEN 'presence' THEN ARRAY['null'] WHEN 'parts' THEN ARRAY['null'] WHEN 'json' THEN ARRAY['null']
            ELSE ARRAY['null', 'distinct', 'top', 'length_mean'] END)
        CROSS JOIN LATERAL (SELECT CASE WHEN k.kind = 'log' THEN exp(h.summary[k.ordinal]) ELSE h.summary[k.ordinal] END AS value) x
        WHERE x.value IS NOT NULL
        GROUP BY n.column_name, k.ordinal, k.name, k.kind, k.words
    ), told AS (
        SELECT r.column_name,
               string_agg(format('%s %s', r.words, CASE
                   WHEN pgslo_catalog.amount(r.low, r.kind) = pgslo_catalog.amount(r.high, r.kind) THEN pgslo_catalog.amount(r.low, r.kind)
                   ELSE pgslo_catalog.amount(r.low, r.kind) || ' to ' || pgslo_catalog.amount(r.high, r.kind) END), ', ' ORDER BY k.ordinal) AS usual
        FROM range r JOIN pgslo_catalog.summary_kinds() k USING (name)
        GROUP BY r.column_name
    )
    SELECT n.column_name, coalesce(n.batches, 0), greatest(pgslo_catalog.least_batches() - coalesce(n.batches, 0), 0),
           CASE
               WHEN n.batches IS NULL THEN 'unknown: no batch of it was seen yet'
               WHEN n.batches < pgslo_catalog.least_batches() THEN format('unknown: %s of %s batches are known', n.batches, pgslo_catalog.least_batches())
               WHEN n.sampled = 0 THEN 'unknown: its newest batch has no value'
               WHEN n.batches < pgslo_catalog.enough_batches()
                   THEN format('known, with wider bounds until there are %s batches (%s so far)', pgslo_catalog.enough_batches(), n.batches)
               ELSE 'known'
           END,
           nullif(concat_ws(', ', t.usual, CASE n.kind
               WHEN 'presence' THEN 'only whether there is a value' WHEN 'parts' THEN 'and its parts' WHEN 'json' THEN 'and its keys' END), '')
    FROM newest n LEFT JOIN told t USING (column_name)
    ORDER BY n.ordinal, n.column_name
$pgslo$;
COMMENT ON FUNCTION pgslo.learned(text) IS
    'Return the baseline of each column in words, the number of batches behind it, and the number still needed; column * is the table.';
