-- Segments of a batch: counted from the table when it is closed, judged together, and named in one sentence.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.segment_columns(measure jsonb, counted boolean) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    named integer := (measure ->> 'per')::integer;
    listed text[] := ARRAY(SELECT jsonb_array_elements_text(measure -> 'where'));
BEGIN
    RETURN CASE WHEN counted THEN listed[named + 1:named + (measure ->> 'counted')::integer] ELSE listed[:named] END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segment_columns(jsonb, boolean) IS
    'Return the columns that name segments, or those in which values may be missing.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_segments(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule, closings integer
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (count_segments.rule).rule_id;
    measure jsonb := (count_segments.rule).measure;
    found_segments text[];
    found_rows bigint[];
    found_missing bigint[];
    per text[] := pgslo_catalog.segment_columns(measure, false);
    columns text[] := pgslo_catalog.segment_columns(measure, true);
    known pgslo_catalog.segment_profile;
BEGIN
    PERFORM pgslo_catalog.pin_table(count_segments.definition, measure ->> 'function');
    EXECUTE format('SELECT f.segments, f.counts, f.missing FROM pgslo_gen.%I($1) AS f', measure ->> 'function')
    INTO found_segments, found_rows, found_missing USING (count_segments.batch).name;
    SELECT p.* INTO known FROM pgslo_catalog.segment_profile p
    WHERE p.rule_id = id AND p.batch = (count_segments.batch).name AND NOT p.is_first;
    IF cardinality(found_segments) > pgslo_catalog.most_segments() THEN
        DELETE FROM pgslo_catalog.segment_profile p WHERE p.rule_id = id AND p.batch = (count_segments.batch).name;
        RETURN false;
    END IF;
    found_segments := coalesce(found_segments, '{}');
    -- The numbers of the first closing are kept if they change after that.
    IF known.closings = 1 AND known.segments <> '{}' AND known.per = per AND known.columns = columns
       AND (known.segments, known.rows, known.missing) IS DISTINCT FROM (found_segments, found_rows, found_missing) THEN
        INSERT INTO pgslo_catalog.segment_profile (rule_id, batch, is_first, place, per, columns, segments, rows, missing, closings)
        VALUES (id, known.batch, true, known.place, known.per, known.columns, known.segments, known.rows, known.missing, 1)
        ON CONFLICT ON CONSTRAINT segment_profile_is_kept_once_a_batch DO NOTHING;
    END IF;
    INSERT INTO pgslo_catalog.segment_profile AS p (rule_id, batch, place, per, columns, segments, rows, missing, closings)
    VALUES (id, (count_segments.batch).name, (count_segments.batch).place, per, columns, found_segments,
            coalesce(found_rows, '{}'), coalesce(found_missing, '{}'), count_segments.closings)
    ON CONFLICT ON CONSTRAINT segment_profile_is_kept_once_a_batch DO UPDATE SET
        place = excluded.place, per = excluded.per, columns = excluded.columns, segments = excluded.segments, rows = excluded.rows,
        missing = excluded.missing, odd = '{}',
        closings = CASE WHEN p.closings = 0 THEN 0 ELSE p.closings + excluded.closings END;
    RETURN true;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_segments(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule, integer) IS
    'Count the segments of a batch in the table itself; false if there are too many.';

CREATE OR REPLACE FUNCTION pgslo_catalog.fill_segments(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    until timestamptz := clock_timestamp() + interval '1 second';
    earlier pgslo_catalog.batch;
BEGIN
    -- Batches closed before the rule existed are read from the table: the newest first, for a second each time.
    FOREACH earlier IN ARRAY ARRAY(
        SELECT b FROM pgslo_catalog.batch b
        WHERE b.definition_id = (fill_segments.definition).definition_id AND b.place < (fill_segments.batch).place AND b.place > '-Infinity'
          AND b.closed_at IS NOT NULL AND b.rows > 0
          AND NOT EXISTS (
              SELECT FROM pgslo_catalog.segment_profile p
              WHERE p.rule_id = (fill_segments.rule).rule_id AND p.batch = b.name
                AND p.per = pgslo_catalog.segment_columns((fill_segments.rule).measure, false))
          -- As far back as batches are compared with.
          AND b.place >= coalesce((
              SELECT o.place FROM pgslo_catalog.batch o
              WHERE o.definition_id = (fill_segments.definition).definition_id AND o.place < (fill_segments.batch).place AND o.rows > 0
              ORDER BY o.place DESC OFFSET 62 LIMIT 1), '-Infinity')
        ORDER BY b.place DESC)
    LOOP
        PERFORM pgslo_catalog.count_segments(fill_segments.definition, earlier, fill_segments.rule, 0);
        EXIT WHEN clock_timestamp() > until;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.fill_segments(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule) IS
    'Count the segments of batches before one that have not been counted, for about a second.';

CREATE OR REPLACE FUNCTION pgslo_catalog.segments_said(
    per text[], segments integer, known integer, odd jsonb
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    WITH one AS (
        SELECT o.value ->> 'segment' AS segment, min(o.i) AS i, string_agg(o.value ->> 'said', ', ' ORDER BY o.i) AS said
        FROM jsonb_array_elements(segments_said.odd) WITH ORDINALITY AS o (value, i)
        GROUP BY 1
    ), turn AS (
        SELECT e.segment, e.said, row_number() OVER (ORDER BY e.i) AS turn, count(*) OVER () AS deviating FROM one e
    )
    SELECT CASE WHEN max(t.deviating) IS NULL THEN
                    format('none of %s %s deviates from its baseline', segments_said.known, CASE segments_said.known WHEN 1 THEN 'segment' ELSE 'segments' END)
                ELSE format('%s of %s %s %s: %s%s', max(t.deviating), segments_said.segments,
                    CASE segments_said.segments WHEN 1 THEN 'segment' ELSE 'segments' END, CASE max(t.deviating) WHEN 1 THEN 'deviates' ELSE 'deviate' END,
                    string_agg(format('%s %s: %s', array_to_string(segments_said.per, ' / '), t.segment, t.said),
                               '; ' ORDER BY t.turn) FILTER (WHERE t.turn <= 5),
                    CASE WHEN max(t.deviating) > 5 THEN format('; and %s more', max(t.deviating) - 5) END) END
    FROM turn t
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segments_said(text[], integer, integer, jsonb) IS 'Describe the deviating segments in words: the worst five by name.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_segments(
    definition pgslo_catalog.definition, batch pgslo_catalog.batch, rule pgslo_catalog.rule
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (judge_segments.rule).rule_id;
    name text := (judge_segments.batch).name;
    mine pgslo_catalog.segment_profile;
    before integer;
    known integer;
    bound float8;
    found jsonb;
    scores float8[];
BEGIN
    IF NOT pgslo_catalog.count_segments(judge_segments.definition, judge_segments.batch, judge_segments.rule, 1) THEN
        RETURN;
    END IF;
    PERFORM pgslo_catalog.fill_segments(judge_segments.definition, judge_segments.batch, judge_segments.rule);
    SELECT p.* INTO mine FROM pgslo_catalog.segment_profile p WHERE p.rule_id = id AND p.batch = name AND NOT p.is_first;
    before := (SELECT count(*) FROM pgslo_catalog.segments_before(id, name));
    IF before < pgslo_catalog.least_batches() THEN
        UPDATE pgslo_catalog.segment_profile p
        SET deviating = NULL, score = NULL, said = format('%s known, %s are needed', CASE before WHEN 1 THEN '1 batch' ELSE before || ' batches' END,
                                            pgslo_catalog.least_batches())
        WHERE p.rule_id = id AND p.batch = name AND NOT p.is_first;
        RETURN;
    END IF;
    -- The more is compared, the farther chance goes in one of the comparisons.
    bound := greatest(sqrt(2 * ln(greatest(cardinality(mine.segments), 1) * (1 + cardinality(mine.columns)))) + 2.2, 4)
        / coalesce((judge_segments.definition).sensitivity, 1);
    SELECT coalesce(jsonb_agg(jsonb_build_object('segment', o.segment, 'column', coalesce(o.column_name, ''), 'said', o.said)
                              ORDER BY o.score DESC, o.segment COLLATE "C", o.column_name COLLATE "C" NULLS FIRST)
                    FILTER (WHERE o.score >= bound), '[]'),
           count(*) FILTER (WHERE o.column_name IS NULL),
           ARRAY(SELECT max(u.score) FROM unnest(array_agg(o.segment), array_agg(o.score)) AS u (segment, score) GROUP BY u.segment ORDER BY 1 DESC)
    INTO found, known, scores
    FROM (
        SELECT r.segment, NULL AS column_name, r.score,
               format('%s, usually %s', pgslo_catalog.rows_shown(r.value::numeric),
                   CASE WHEN r.low = r.high THEN pgslo_catalog.shown(r.low::numeric)
                        ELSE format('%s to %s', pgslo_catalog.shown(r.low::numeric), pgslo_catalog.shown(r.high::numeric)) END) AS said
        FROM pgslo_catalog.segment_rows(id, name) AS r
        WHERE NOT pgslo_catalog.is_holiday((judge_segments.definition).holidays, mine.place)
        UNION ALL
        SELECT v.segment, v.column_name, v.score,
               format('%s: null: %s, usually %s', v.column_name, pgslo_catalog.amount(v.value, 'share'),
                   CASE WHEN pgslo_catalog.amount(v.low, 'share') = pgslo_catalog.amount(v.high, 'share') THEN pgslo_catalog.amount(v.low, 'share')
                        ELSE format('%s to %s', pgslo_catalog.amount(v.low, 'share'), pgslo_catalog.amount(v.high, 'share')) END)
        FROM pgslo_catalog.segment_values(id, name) AS v
    ) o;
    UPDATE pgslo_catalog.segment_profile p
    SET deviating = (SELECT count(DISTINCT o.value ->> 'segment') FROM jsonb_array_elements(found) AS o),
        said = pgslo_catalog.segments_said(mine.per, cardinality(mine.segments), known, found),
        -- Of those that may deviate, the first one too many. In units of chance, whose exponent goes with the square.
        score = (scores[floor(greatest(coalesce((judge_segments.rule).warn_high, (judge_segments.rule).reject_high), 0))::integer + 1] / bound) ^ 2,
        odd = coalesce((
            SELECT jsonb_object_agg(w.segment, w.columns)
            FROM (SELECT o.value ->> 'segment' AS segment, jsonb_agg(o.value ->> 'column') AS columns
                  FROM jsonb_array_elements(found) AS o GROUP BY 1) w), '{}')
    WHERE p.rule_id = id AND p.batch = name AND NOT p.is_first;
    DELETE FROM pgslo_catalog.segment_profile p
    WHERE p.rule_id = id AND p.place < (
        SELECT o.place FROM pgslo_catalog.segment_profile o
        WHERE o.rule_id = id AND NOT o.is_first ORDER BY o.place DESC OFFSET 119 LIMIT 1);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_segments(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule) IS
    'Count and judge the segments of a batch, and record which deviate and how.';

CREATE OR REPLACE FUNCTION pgslo_catalog.has_new_crowd(batch pgslo_catalog.batch, rule pgslo_catalog.rule) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT NOT EXISTS (
            SELECT FROM pgslo_catalog.segment_profile p
            WHERE p.rule_id = (has_new_crowd.rule).rule_id AND p.batch = (has_new_crowd.batch).name AND NOT p.is_first)
        AND EXISTS (
            SELECT FROM pgslo_catalog.segment_profile p
            WHERE p.rule_id = (has_new_crowd.rule).rule_id AND NOT p.is_first AND p.deviating IS NOT NULL
              AND p.place < (has_new_crowd.batch).place
              AND p.place >= coalesce((
                  SELECT b.place FROM pgslo_catalog.batch b
                  WHERE b.definition_id = (has_new_crowd.rule).definition_id AND b.place < (has_new_crowd.batch).place AND b.rows > 0
                  ORDER BY b.place DESC OFFSET 27 LIMIT 1), '-Infinity'))
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.has_new_crowd(pgslo_catalog.batch, pgslo_catalog.rule) IS
    'Return whether a batch has too many segments to be evaluated, and one of the 28 before it was evaluated.';

CREATE OR REPLACE FUNCTION pgslo_catalog.segments_score(batch pgslo_catalog.batch, rule pgslo_catalog.rule) RETURNS float8
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    IF (segments_score.rule).measure ->> 'form' = 'segments' THEN
        RETURN (
            SELECT p.score FROM pgslo_catalog.segment_profile p
            WHERE p.rule_id = (segments_score.rule).rule_id AND p.batch = (segments_score.batch).name AND NOT p.is_first);
    END IF;
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segments_score(pgslo_catalog.batch, pgslo_catalog.rule) IS
    'Return the score of a batch by a rule about segments, 1 at its bound; NULL for other rules.';

CREATE OR REPLACE FUNCTION pgslo_catalog.segments_found(
    batch pgslo_catalog.batch, rule pgslo_catalog.rule, OUT value float8, OUT said text
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    SELECT p.deviating, p.said INTO value, said FROM pgslo_catalog.segment_profile p
    WHERE p.rule_id = (segments_found.rule).rule_id AND p.batch = (segments_found.batch).name AND NOT p.is_first;
    IF NOT FOUND THEN
        said := format('more than %1$s segments: batches of at most %1$s are judged', pgslo_catalog.most_segments());
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.segments_found(pgslo_catalog.batch, pgslo_catalog.rule) IS
    'Return the number of deviating segments of a batch, and their description.';
