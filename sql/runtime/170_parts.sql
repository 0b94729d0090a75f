-- Rows that come with a partition that is attached, or leave with one that is detached, dropped or truncated.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.present_parts(relation regclass) RETURNS TABLE (number oid, file oid, link text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH RECURSIVE part AS (
        SELECT present_parts.relation::oid AS oid, '' AS link
        UNION
        -- ATTACH writes the row again: the part may have been written to before, while it belonged to no table.
        SELECT i.inhrelid, concat(p.link, ' ', i.xmin) FROM part p JOIN pg_inherits i ON i.inhparent = p.oid WHERE NOT i.inhdetachpending
    )
    SELECT c.oid, CASE WHEN c.oid = present_parts.relation THEN 0 ELSE c.relfilenode END, string_agg(p.link, ',' ORDER BY p.link COLLATE "C")
    FROM part p JOIN pg_class c ON c.oid = p.oid
    WHERE c.relkind IN ('r', 'f') OR c.oid = present_parts.relation
    GROUP BY c.oid, c.relfilenode
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.present_parts(regclass) IS
    'Return a table and the partitions and children with rows of it, the number of their files, and by which transactions they became parts.';

CREATE OR REPLACE FUNCTION pgslo_catalog.is_armed(relation regclass, part oid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT NOT EXISTS (
        SELECT FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid
        WHERE g.tgrelid = is_armed.relation AND g.tgtype & 1 = 0 AND f.pronamespace = 'pgslo_gen'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = is_armed.part AND o.tgname = g.tgname AND o.tgfoid = g.tgfoid))
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.is_armed(regclass, oid) IS
    'Return whether a part has each statement trigger that pgslo made on the whole table.';

CREATE OR REPLACE FUNCTION pgslo_catalog.part_places(definition pgslo_catalog.definition, part oid) RETURNS numrange
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
-- As the functions that write batches down evaluate an author's expression.
SET timezone = 'UTC'
SET timezone_abbreviations = 'Default'
SET array_nulls = on
SET gin_fuzzy_search_limit = 0
SET datestyle = 'ISO, YMD'
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := part_places.definition;
    -- Types of PostgreSQL's own, so that no conversion of another role runs.
    literal text := E'(''[^''\\\\]+''::(?:date|timestamp without time zone|timestamp with time zone|smallint|integer|bigint|numeric)|[0-9.]+)';
    -- A term in parentheses, with at most two levels of others inside. Those in constants and names do not count.
    flat text := E'[^()''"]|''[^'']*''|"[^"]*"';
    term text := format(E'\\((?:%1$s|\\((?:%1$s|\\((?:%1$s)*\\))*\\))*\\)', flat);
    bound text[];
    cut numeric;
    uncut numeric;
    places numrange := '(,)';
BEGIN
    IF target.batch_column IS NULL OR target.batch_by IS NULL THEN
        RETURN places;
    END IF;
    FOR bound IN
        SELECT regexp_match(one.found[1], format(E'^\\((.+) (>=|>|=|<=|<) %s\\)$', literal))
        FROM (
            SELECT pg_get_partition_constraintdef(part_places.part)
            UNION ALL
            SELECT pg_get_expr(k.conbin, k.conrelid) FROM pg_constraint k
            WHERE k.conrelid = part_places.part AND k.contype = 'c' AND k.convalidated
        ) AS condition (text)
        -- Each term of a conjunction is true of each row. In any other condition, a comparison may not be.
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN condition.text ~ format(E'^\\(%1$s( AND %1$s)+\\)$', term)
                    THEN substr(condition.text, 2, length(condition.text) - 2)
                WHEN condition.text ~ format('^%s$', term) THEN condition.text
            END
        ) AS conjunction (text)
        CROSS JOIN LATERAL regexp_matches(conjunction.text, term, 'g') AS one (found)
    LOOP
        CONTINUE WHEN bound IS NULL OR bound[1] <> quote_ident(target.batch_column) OR bound[3] LIKE '%infinity%';
        EXECUTE format(
            'SELECT %1$s, (SELECT %1$s FROM (SELECT r.%2$I AS raw) AS b) FROM (SELECT %3$s AS %2$I) AS r, LATERAL (SELECT %4$s AS raw) AS b',
            target.batch_place, target.batch_column, bound[3], target.batch_by)
        INTO cut, uncut;
        CONTINUE WHEN cut = '-Infinity';  -- The bound is later than any time stamp.
        places := places * CASE
            WHEN bound[2] IN ('>=', '>') THEN numrange(cut, NULL)
            WHEN bound[2] = '<' THEN numrange(NULL, cut, CASE WHEN cut = uncut THEN '()' ELSE '(]' END)
            WHEN bound[2] = '<=' THEN numrange(NULL, cut, '(]')
            ELSE numrange(cut, cut, '[]')
        END;
    END LOOP;
    RETURN places;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.part_places(pgslo_catalog.definition, oid) IS
    'Return the order of the batches that partition bounds and CHECK constraints of a part allow; all where these are not about the batch.';

CREATE OR REPLACE FUNCTION pgslo_catalog.note_parts(definition_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = note_parts.definition_id;
    IF EXISTS (
        SELECT FROM pgslo_catalog.known_part k
        WHERE k.definition_id = target.definition_id AND k.number = target.relation::oid
    ) THEN
        -- tick() counts the rows that were added and removed. The definition may have other batches now.
        UPDATE pgslo_catalog.known_part k
        SET places = pgslo_catalog.part_places(target, k.number), is_armed = a.is_armed,
            is_newly_armed = k.is_newly_armed OR a.is_armed AND NOT k.is_armed
        FROM pgslo_catalog.present_parts(target.relation) AS p
        CROSS JOIN LATERAL pgslo_catalog.is_armed(target.relation, p.number) AS a (is_armed)
        WHERE k.definition_id = target.definition_id AND k.number = p.number;
        RETURN;
    END IF;
    -- Nothing was recorded, or of another table: after a restore all tables have other numbers.
    DELETE FROM pgslo_catalog.known_part k WHERE k.definition_id = target.definition_id;
    INSERT INTO pgslo_catalog.known_part (definition_id, number, file, is_armed, places, link)
    SELECT target.definition_id, p.number, p.file, pgslo_catalog.is_armed(target.relation, p.number),
           pgslo_catalog.part_places(target, p.number), p.link
    FROM pgslo_catalog.present_parts(target.relation) AS p
    ON CONFLICT ON CONSTRAINT known_part_is_known_once DO NOTHING;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.note_parts(bigint) IS 'Record the partitions and children of a table, unless they are recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.known_batches(definition_id bigint, places numrange)
RETURNS TABLE (batch text, place numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT k.name, min(k.place)
    FROM (
        SELECT b.name, b.place FROM pgslo_catalog.batch b
        WHERE b.definition_id = known_batches.definition_id AND b.rows <> 0
        UNION ALL
        SELECT f.batch, f.place FROM pgslo_catalog.fragment f
        WHERE f.definition_id = known_batches.definition_id AND f.operation NOT IN ('merged', 'recounted', 'recount', 'truncate')
    ) AS k (name, place)
    -- Constraints are satisfied by NULL, and bounds by infinite dates, the order of which is below any other.
    WHERE k.place <@ known_batches.places OR k.place = '-Infinity'
    GROUP BY k.name
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.known_batches(bigint, numrange) IS 'Return the batches of an order in which rows are recorded, and those without an order.';

CREATE OR REPLACE FUNCTION pgslo_catalog.batches_in_part(definition pgslo_catalog.definition, part oid)
RETURNS TABLE (batch text, place numeric, rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- As the functions that write batches down evaluate an author's expression.
SET timezone = 'UTC'
SET timezone_abbreviations = 'Default'
SET array_nulls = on
SET gin_fuzzy_search_limit = 0
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_numeric = 'C'
SET lc_monetary = 'C'
SET lc_time = 'C'
SET transform_null_equals = off
-- An error rather than what policies show.
SET row_security = off
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := batches_in_part.definition;
    name text;
    question text;
BEGIN
    -- It locks the parts as well, so that none of them is renamed or given away from here on.
    PERFORM pgslo_catalog.pin_table(target, target.reader);
    SELECT format('%I.%I', n.nspname, c.relname) INTO name
    FROM pgslo_catalog.present_parts(target.relation) AS p
    JOIN pg_class c ON c.oid = p.number JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.number = batches_in_part.part;
    IF name IS NULL THEN
        RETURN;  -- It left meanwhile, which the next tick() finds.
    END IF;
    question := format(
        'SELECT %s, %s, b.rows FROM (SELECT %s AS raw, count(*) AS rows FROM ONLY %s AS r GROUP BY 1) AS b',
        target.batch_name, target.batch_place, target.batch_by, name);
    RETURN QUERY SELECT a.batch, a.place, a.rows FROM unnest(pgslo_catalog.asked_batches(target, question)) AS a;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.batches_in_part(pgslo_catalog.definition, oid) IS
    'Return the batches of the rows in a partition or child, read with the rights of the table''s owner.';

CREATE OR REPLACE FUNCTION pgslo_catalog.unrecorded_batches(definition pgslo_catalog.definition, part oid, places numrange)
RETURNS TABLE (batch text, place numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (unrecorded_batches.definition).definition_id;
BEGIN
    RETURN QUERY
    SELECT n.batch, n.place
    FROM pgslo_catalog.batches_in_part(unrecorded_batches.definition, unrecorded_batches.part) AS n
    -- All rows of the batch are in this part and were recorded: it was made and written to through the table.
    -- Any part may have rows of a batch without an order.
    WHERE NOT ((unrecorded_batches.definition).writes = 'bulk' AND n.place > '-Infinity' AND n.rows = (
                  SELECT coalesce(sum(f.rows), 0) FROM pgslo_catalog.fragment f
                  WHERE f.definition_id = id AND f.batch = n.batch)
               AND NOT EXISTS (
                  SELECT FROM pgslo_catalog.present_parts((unrecorded_batches.definition).relation) AS p
                  LEFT JOIN pgslo_catalog.known_part k ON k.definition_id = id AND k.number = p.number
                  WHERE p.number <> unrecorded_batches.part AND n.place <@ coalesce(k.places, '(,)')
                    AND pg_relation_size(p.number) > 0));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.unrecorded_batches(pgslo_catalog.definition, oid, numrange) IS
    'Return the batches of a partition or child whose rows may not be recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.compare_parts(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := compare_parts.definition;
    id bigint := target.definition_id;
    one jsonb;
    changed record;
    is_due boolean := false;
BEGIN
    -- Those that were recorded before it was.
    UPDATE pgslo_catalog.known_part k SET link = p.link
    FROM pgslo_catalog.present_parts(target.relation) AS p
    WHERE k.definition_id = id AND k.number = p.number AND k.link IS NULL;
    -- A part that was detached and attached again counts as a dropped one, and then a new one.
    -- An array, because code of the table's owner, which reading a part may call, could fetch from the query of a loop.
    FOREACH one IN ARRAY ARRAY(
        SELECT jsonb_build_object(
                   'number', number, 'is_gone', p.number IS NULL, 'file', p.file, 'link', p.link, 'places', k.places,
                   'has_rows', coalesce(k.is_newly_armed, true) AND (c.relkind = 'f' OR pg_relation_size(c.oid) > 0),
                   -- After TRUNCATE of the whole table, its parts are empty except for rows recorded since.
                   'is_rewritten', k.file <> p.file AND NOT EXISTS (
                       SELECT FROM pgslo_catalog.fragment f WHERE f.definition_id = id AND f.operation = 'truncate'))
        FROM (SELECT w.* FROM pgslo_catalog.known_part w WHERE w.definition_id = id) AS k
        FULL JOIN pgslo_catalog.present_parts(target.relation) AS p USING (number, link)
        LEFT JOIN pg_class c ON c.oid = p.number
        WHERE k.file IS DISTINCT FROM p.file OR k.is_newly_armed
        ORDER BY number, p.number IS NOT NULL)
    LOOP
        SELECT c.* INTO changed
        FROM jsonb_to_record(one)
            AS c (number bigint, is_gone boolean, file bigint, link text, places numrange, has_rows boolean, is_rewritten boolean);
        IF changed.places IS NULL THEN
            changed.places := pgslo_catalog.part_places(target, changed.number);
        END IF;
        IF target.batch_by IS NULL THEN
            is_due := is_due OR changed.is_gone OR changed.is_rewritten OR changed.has_rows;
        ELSE
            INSERT INTO pgslo_catalog.due_count AS c (definition_id, batch, place, is_emptied)
            SELECT id, b.batch, b.place, NOT changed.is_gone
            FROM pgslo_catalog.known_batches(id, changed.places) AS b
            WHERE changed.is_gone OR changed.is_rewritten
            ON CONFLICT ON CONSTRAINT due_count_is_due_once DO UPDATE SET is_emptied = c.is_emptied OR excluded.is_emptied;
            IF changed.has_rows THEN
                INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
                SELECT id, b.batch, b.place, false
                FROM pgslo_catalog.unrecorded_batches(target, changed.number, changed.places) AS b
                ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
            END IF;
        END IF;
        IF changed.is_gone THEN
            DELETE FROM pgslo_catalog.known_part k WHERE k.definition_id = id AND k.number = changed.number;
        ELSE
            INSERT INTO pgslo_catalog.known_part (definition_id, number, file, is_armed, places, link)
            VALUES (id, changed.number, changed.file, pgslo_catalog.is_armed(target.relation, changed.number), changed.places, changed.link)
            ON CONFLICT ON CONSTRAINT known_part_is_known_once DO UPDATE SET file = excluded.file, is_newly_armed = false;
        END IF;
    END LOOP;
    IF FOUND THEN
        -- Only a scan of the whole table finds rows of batches without an order. Readers are warned until it is done.
        PERFORM pgslo_catalog.mark_unjudged(target.name, r.rules, u.batches, u.places, '55000', 'rows came or left without a trigger')
        FROM (
            SELECT array_agg(c.batch), array_agg(c.place) FROM pgslo_catalog.due_count c
            WHERE c.definition_id = id AND c.place = '-Infinity'
        ) AS u (batches, places)
        CROSS JOIN (
            SELECT array_agg(w.name) FROM pgslo_catalog.rule w
            WHERE w.definition_id = id AND w.scope = 'row' AND w.on_breach IN ('warn', 'flag')
              AND w.mechanism LIKE '% trigger' AND w.retired_at IS NULL
        ) AS r (rules);
    END IF;
    IF is_due AND target.writes = 'bulk' THEN
        -- Batches without an order, which only a scan of the whole table finds.
        PERFORM pgslo_catalog.recount_batches(target, NULL, true);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.compare_parts(pgslo_catalog.definition) IS
    'Compare the partitions and children of a table with those seen last, and record the batches that have to be counted.';
