-- Pairs of a prediction and its label: completed by tick() from what changed, added up, measured and judged.
--
-- A writer only appends images of the added rows (sign 1) and the removed rows (-1). tick() looks up, in one statement and so
-- in one snapshot, the rows that have the keys of these images now; subtracting the images gives the rows of its last run.
-- The sum of the pairs now, less the sum of that time, is added to the sums. So two writers who insert a prediction and its
-- label at the same time cannot both miss the pair: the later commit is seen with the other.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.want_pairs_anew(definition text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    INSERT INTO pgslo_catalog.pair_fragment (definition_id)
    SELECT d.definition_id FROM pgslo_catalog.definition d WHERE d.name = want_pairs_anew.definition AND d.pairs IS NOT NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.want_pairs_anew(text) IS 'Request a recount of the pairs of a definition by tick(), after changes that no image records.';

CREATE OR REPLACE FUNCTION pgslo_catalog.forget_pairs(definition_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    DELETE FROM pgslo_catalog.pair_score s USING pgslo_catalog.pair_cell c
    WHERE c.definition_id = forget_pairs.definition_id AND s.pair_cell_id = c.pair_cell_id;
    DELETE FROM pgslo_catalog.pair_cell c WHERE c.definition_id = forget_pairs.definition_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.forget_pairs(bigint) IS 'Delete the sums over the pairs of a definition.';

CREATE OR REPLACE FUNCTION pgslo_catalog.register_predictions(definition_id bigint, document jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    wanted jsonb := nullif(document -> 'pairs', 'null');
    steps jsonb := document -> 'post_processing';
    known pgslo_catalog.definition;
BEGIN
    SELECT d.* INTO known FROM pgslo_catalog.definition d WHERE d.definition_id = register_predictions.definition_id;
    UPDATE pgslo_catalog.definition d SET pairs = wanted WHERE d.definition_id = register_predictions.definition_id;
    IF wanted IS NULL THEN
        DELETE FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = register_predictions.definition_id;
        PERFORM pgslo_catalog.forget_pairs(register_predictions.definition_id);
        DELETE FROM pgslo_catalog.pair_batch b WHERE b.definition_id = register_predictions.definition_id;
    ELSIF wanted - 'maturity' IS DISTINCT FROM known.pairs - 'maturity' OR known.is_rekeyed THEN
        PERFORM pgslo_catalog.want_pairs_anew(known.name);
    END IF;
    -- Rules may be new: evaluated batches are evaluated by them as well.
    UPDATE pgslo_catalog.pair_batch b SET early_due = true, late_due = true WHERE b.definition_id = register_predictions.definition_id;
    IF steps IS NOT NULL AND steps ->> 'version' IS DISTINCT FROM (
        SELECT p.version FROM pgslo_catalog.post_processing p
        WHERE p.definition_id = register_predictions.definition_id ORDER BY p.post_processing_id DESC LIMIT 1
    ) THEN
        INSERT INTO pgslo_catalog.post_processing (definition_id, version, steps)
        VALUES (register_predictions.definition_id, steps ->> 'version', steps -> 'steps');
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.register_predictions(bigint, jsonb) IS
    'Register the predictions of a definition; if pairs are formed in another way, they are recounted.';

-- Pairs

CREATE OR REPLACE FUNCTION pgslo_catalog.cell_text(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- An index over models and segments takes 2,700 bytes.
    RETURN CASE WHEN octet_length(cell_text.value) > 200 THEN concat(left(cell_text.value, 30), '...', md5(cell_text.value)) ELSE cell_text.value END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.cell_text(text) IS 'Return a model or a segment; of a long one, its beginning and a hash.';

CREATE OR REPLACE FUNCTION pgslo_catalog.complete_pairs(definition pgslo_catalog.definition) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- The planner knows nothing of how much changed: keys are looked up by index, and everything else is hashed, at any size.
SET enable_seqscan = off
SET enable_nestloop = off
SET jit = off
SET work_mem = '64MB'
AS $pgslo$
DECLARE
    id bigint := (complete_pairs.definition).definition_id;
    how jsonb := (complete_pairs.definition).pairs;
    anew boolean;
    classes text[];
    completed bigint;
    touched bigint[];
BEGIN
    anew := EXISTS (SELECT FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = id AND f.images IS NULL);
    IF NOT anew AND NOT EXISTS (SELECT FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = id) THEN
        RETURN 0;
    END IF;
    IF anew THEN
        PERFORM set_config('enable_seqscan', 'on', true);
        PERFORM pgslo_catalog.forget_pairs(id);
        UPDATE pgslo_catalog.pair_batch b SET early_due = true, late_due = true WHERE b.definition_id = id;
    END IF;
    IF jsonb_typeof(how -> 'classes') = 'array' THEN
        classes := ARRAY(SELECT jsonb_array_elements_text(how -> 'classes'));
    END IF;
    PERFORM pgslo_catalog.pin_table(complete_pairs.definition, how ->> 'function');
    EXECUTE format(
        $query$
        WITH taken AS (
            DELETE FROM pgslo_catalog.pair_fragment f WHERE f.definition_id = $1 AND ($2 OR f.images IS NOT NULL) RETURNING f.images
        ), changed AS MATERIALIZED (
            SELECT i.* FROM taken t CROSS JOIN LATERAL unnest(t.images) AS i WHERE NOT $2
        ), now AS MATERIALIZED (
            SELECT n.* FROM pgslo_gen.%I(CASE WHEN NOT $2 THEN ARRAY(SELECT c::pgslo_catalog.pair_image FROM changed c) END) AS n
        ), bag AS MATERIALIZED (
            -- Rows of now (state 1), and of when it was looked last (state -1), each as often as it was there.
            SELECT s.state, s.side, s.key, s.batch, s.place, s.model, s.segment, s.score, s.decided, s.label, s.moment, s.defaulted, s.abstained, sum(s.n) AS n
            FROM (
                SELECT 1 AS state, 1 AS n, o.* FROM now o
                UNION ALL SELECT -1, 1, o.* FROM now o WHERE NOT $2
                UNION ALL SELECT -1, -c.sign, c.* FROM changed c
            ) AS s
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
            HAVING sum(s.n) <> 0
        ), truth AS MATERIALIZED (
            -- Of two labels the newer one counts.
            SELECT DISTINCT ON (b.state, b.key) b.state, b.key, b.label, b.score, b.moment, sum(b.n) OVER (PARTITION BY b.state, b.key) AS labels
            FROM bag b WHERE b.side = 'label'
            ORDER BY b.state, b.key, b.moment DESC NULLS LAST, b.label DESC NULLS LAST, b.score DESC NULLS LAST
        ), pair AS (
            SELECT p.state * p.n AS n, p.batch, p.place, coalesce(pgslo_catalog.cell_text(p.model), '') AS model,
                   ARRAY(SELECT pgslo_catalog.cell_text(e.value) FROM unnest(p.segment) WITH ORDINALITY AS e (value, n) ORDER BY e.n) AS segment,
                   p.score, p.decided, p.moment, p.defaulted, p.abstained,
                   p.model IS NULL AND $3 ->> 'has_model' = 'true' AS model_missing, t.labels, t.label, t.score AS number,
                   -- Before PostgreSQL 17 infinite times have no difference, and later an infinite one, which no sum loses again.
                   CASE WHEN isfinite(t.moment) AND isfinite(p.moment) THEN extract(epoch FROM t.moment - p.moment)::numeric END AS delay,
                   (t.moment < p.moment) IS TRUE AS is_late,
                   CASE WHEN $3 ->> 'regression' = 'true' THEN p.score > '-Infinity' AND p.score < 'Infinity' ELSE p.score BETWEEN 0 AND 1 END IS TRUE AS valid,
                   CASE WHEN $3 ->> 'regression' = 'true' THEN t.score > '-Infinity' AND t.score < 'Infinity'
                        ELSE t.label IS NOT NULL AND ($4 IS NULL OR t.label = ANY ($4)) END IS TRUE AS known
            FROM bag p LEFT JOIN truth t ON t.state = p.state AND t.key = p.key
            WHERE p.side = 'prediction'
        ), told AS (
            SELECT p.*, p.known AND NOT p.is_late AS used, p.label = $3 ->> 'positive' AS positive,
                   CASE WHEN $3 ->> 'regression' = 'true' THEN false
                        WHEN $3 ->> 'has_class' = 'true' THEN p.decided IS NOT NULL AND ($4 IS NULL OR p.decided = ANY ($4))
                        ELSE p.valid END AS says,
                   CASE WHEN $3 ->> 'has_class' = 'true' THEN p.decided = $3 ->> 'positive' ELSE p.score >= ($3 ->> 'threshold')::float8 END AS said_positive,
                   least(greatest(p.score, 2.220446049250313e-16), 1 - 2.220446049250313e-16) AS clipped,
                   -- The fourth power of a difference, summed, is a float8 still.
                   least(greatest(p.score, -1e70), 1e70) AS bounded, least(greatest(p.number, -1e70), 1e70) AS bounded_number
            FROM pair p
        ), one AS MATERIALIZED (
            SELECT t.*,
                   CASE WHEN $3 ->> 'has_class' = 'true' THEN t.decided = t.label ELSE t.said_positive = t.positive END AS hit,
                   CASE WHEN NOT t.valid OR t.abstained OR $3 ->> 'regression' = 'true' THEN NULL
                        WHEN $3 ->> 'has_class' = 'true' AND $3 ->> 'positive' IS NULL THEN t.score
                        WHEN $3 ->> 'has_class' = 'true' AND t.decided IS NOT NULL THEN CASE WHEN t.said_positive THEN t.score ELSE 1 - t.score END
                        ELSE greatest(t.score, 1 - t.score) END::numeric AS confidence,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'regression' = 'true' THEN (t.bounded - t.bounded_number)::numeric END AS error,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'regression' = 'true'
                            THEN (abs(t.bounded - t.bounded_number) / greatest(abs(t.bounded_number), 2.220446049250313e-16))::numeric END AS relative,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'positive' IS NOT NULL
                            THEN (-ln(CASE WHEN t.positive THEN t.clipped ELSE 1 - t.clipped END))::numeric END AS loss,
                   CASE WHEN t.used AND t.valid AND $3 ->> 'positive' IS NOT NULL
                            THEN ((t.score - CASE WHEN t.positive THEN 1 ELSE 0 END) ^ 2)::numeric END AS brier
            FROM told t
        ), summed AS (
            SELECT o.batch, min(o.place) AS place,
                   -- A clock that is ahead is ordinary. Labels of a day that never comes are not waited for.
                   max(least(o.moment, clock_timestamp())) FILTER (WHERE o.moment < clock_timestamp() + interval '1 day') AS last_at, o.model, o.segment,
                   sum(o.n) AS predictions,
                   coalesce(sum(o.n) FILTER (WHERE o.defaulted), 0) AS defaulted,
                   coalesce(sum(o.n) FILTER (WHERE o.abstained), 0) AS abstained,
                   coalesce(sum(o.n) FILTER (WHERE o.confidence IS NOT NULL), 0) AS expecting,
                   coalesce(sum(o.n * o.confidence), 0) AS expected,
                   coalesce(sum(o.n * o.confidence * (1 - o.confidence)), 0) AS expected_noise,
                   coalesce(sum(o.n) FILTER (WHERE o.used), 0) AS labelled,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.delay IS NOT NULL), 0) AS delayed,
                   coalesce(sum(o.n * o.delay) FILTER (WHERE o.used), 0) AS delay,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says), 0) AS decided,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND o.hit), 0) AS hits,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND o.said_positive AND o.positive), 0) AS true_positive,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND o.said_positive AND NOT o.positive), 0) AS false_positive,
                   coalesce(sum(o.n) FILTER (WHERE o.used AND o.says AND NOT o.said_positive AND o.positive), 0) AS false_negative,
                   coalesce(sum(o.n) FILTER (WHERE coalesce(o.loss, o.error) IS NOT NULL), 0) AS scored,
                   coalesce(sum(o.n * o.loss), 0) AS loss,
                   coalesce(sum(o.n * o.loss * o.loss), 0) AS loss_squared,
                   coalesce(sum(o.n * o.brier), 0) AS brier,
                   coalesce(sum(o.n * o.brier * o.brier), 0) AS brier_squared,
                   coalesce(sum(o.n * o.error), 0) AS error,
                   coalesce(sum(o.n * o.error * o.error), 0) AS error_squared,
                   coalesce(sum(o.n * o.error * o.error * o.error * o.error), 0) AS error_fourth,
                   coalesce(sum(o.n * abs(o.error)), 0) AS absolute,
                   coalesce(sum(o.n * o.relative), 0) AS relative,
                   coalesce(sum(o.n * o.relative * o.relative), 0) AS relative_squared,
                   0::numeric AS label_without_prediction,
                   coalesce(sum(o.n) FILTER (WHERE o.labels > 1), 0) AS two_labels,
                   coalesce(sum(o.n) FILTER (WHERE o.known AND o.is_late), 0) AS label_before_prediction,
                   coalesce(sum(o.n) FILTER (WHERE o.labels IS NOT NULL AND NOT o.known), 0) AS unknown_label,
                   coalesce(sum(o.n) FILTER (WHERE $3 ->> 'has_class' = 'true' AND o.decided IS NOT NULL AND o.decided <> ALL ($4)), 0) AS unknown_class,
                   coalesce(sum(o.n) FILTER (WHERE o.score IS NULL OR o.score = 'NaN'), 0) AS score_missing,
                   coalesce(sum(o.n) FILTER (WHERE NOT o.valid AND o.score <> 'NaN'), 0) AS score_outside,
                   coalesce(sum(o.n) FILTER (WHERE o.model_missing), 0) AS model_missing
            FROM one o
            GROUP BY o.batch, o.model, o.segment
            UNION ALL
            SELECT '', '-Infinity', NULL, '', '{}', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   sum(t.state * t.labels), 0, 0, 0, 0, 0, 0, 0
            FROM truth t
            WHERE NOT EXISTS (SELECT FROM bag p WHERE p.side = 'prediction' AND p.state = t.state AND p.key = t.key)
            HAVING sum(t.state * t.labels) <> 0
        ), cell AS (
            INSERT INTO pgslo_catalog.pair_cell AS c (definition_id, batch, model, segment, predictions, defaulted, abstained, expecting, expected,
                expected_noise, labelled, delayed, delay, decided, hits, true_positive, false_positive, false_negative, scored, loss, loss_squared,
                brier, brier_squared, error, error_squared, error_fourth, absolute, relative, relative_squared,
                label_without_prediction, two_labels, label_before_prediction, unknown_label, unknown_class, score_missing, score_outside, model_missing)
            SELECT $1, s.batch, s.model, s.segment, s.predictions, s.defaulted, s.abstained, s.expecting, s.expected,
                s.expected_noise, s.labelled, s.delayed, s.delay, s.decided, s.hits, s.true_positive, s.false_positive, s.false_negative, s.scored,
                s.loss, s.loss_squared, s.brier, s.brier_squared, s.error, s.error_squared, s.error_fourth, s.absolute, s.relative, s.relative_squared,
                s.label_without_prediction, s.two_labels, s.label_before_prediction, s.unknown_label, s.unknown_class,
                s.score_missing, s.score_outside, s.model_missing
            FROM summed s
            ON CONFLICT ON CONSTRAINT pair_cell_is_of_a_batch_a_model_and_a_segment DO UPDATE SET
                predictions = c.predictions + excluded.predictions, defaulted = c.defaulted + excluded.defaulted, abstained = c.abstained + excluded.abstained,
                expecting = c.expecting + excluded.expecting, expected = c.expected + excluded.expected,
                expected_noise = c.expected_noise + excluded.expected_noise,
                labelled = c.labelled + excluded.labelled, delayed = c.delayed + excluded.delayed, delay = c.delay + excluded.delay,
                decided = c.decided + excluded.decided, hits = c.hits + excluded.hits, true_positive = c.true_positive + excluded.true_positive,
                false_positive = c.false_positive + excluded.false_positive, false_negative = c.false_negative + excluded.false_negative,
                scored = c.scored + excluded.scored, loss = c.loss + excluded.loss, loss_squared = c.loss_squared + excluded.loss_squared,
                brier = c.brier + excluded.brier, brier_squared = c.brier_squared + excluded.brier_squared, error = c.error + excluded.error,
                error_squared = c.error_squared + excluded.error_squared, error_fourth = c.error_fourth + excluded.error_fourth,
                absolute = c.absolute + excluded.absolute,
                relative = c.relative + excluded.relative, relative_squared = c.relative_squared + excluded.relative_squared,
                label_without_prediction = c.label_without_prediction + excluded.label_without_prediction, two_labels = c.two_labels + excluded.two_labels,
                label_before_prediction = c.label_before_prediction + excluded.label_before_prediction,
                unknown_label = c.unknown_label + excluded.unknown_label,
                unknown_class = c.unknown_class + excluded.unknown_class, score_missing = c.score_missing + excluded.score_missing,
                score_outside = c.score_outside + excluded.score_outside, model_missing = c.model_missing + excluded.model_missing
            RETURNING c.pair_cell_id, c.batch, c.model, c.segment, c.coarse
        ), counted AS (
            INSERT INTO pgslo_catalog.pair_score AS s (pair_cell_id, score, positive, negative)
            SELECT c.pair_cell_id, CASE WHEN c.coarse THEN round(o.score::numeric, 4)::float8 ELSE o.score END, coalesce(sum(o.n) FILTER (WHERE o.positive), 0),
                   coalesce(sum(o.n) FILTER (WHERE NOT o.positive), 0)
            FROM one o JOIN cell c ON c.batch = o.batch AND c.model = o.model AND c.segment = o.segment
            WHERE o.loss IS NOT NULL
            GROUP BY 1, 2
            HAVING sum(o.n) FILTER (WHERE o.positive) <> 0 OR sum(o.n) FILTER (WHERE NOT o.positive) <> 0
            ON CONFLICT ON CONSTRAINT pair_score_is_counted_once
            DO UPDATE SET positive = s.positive + excluded.positive, negative = s.negative + excluded.negative
        ), due AS (
            INSERT INTO pgslo_catalog.pair_batch AS b (definition_id, batch, place, last_at)
            SELECT $1, s.batch, coalesce(min(s.place), pgslo_catalog.arrival($1, s.batch)), max(s.last_at)
            FROM summed s WHERE s.batch <> '' GROUP BY s.batch
            ON CONFLICT ON CONSTRAINT pair_batch_is_known_once DO UPDATE SET last_at = greatest(b.last_at, excluded.last_at), early_due = true, late_due = true
        )
        SELECT (SELECT count(*) FROM one), ARRAY(SELECT c.pair_cell_id FROM cell c)
        $query$, how ->> 'function')
    INTO completed, touched
    USING id, anew, how, classes;
    DELETE FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = ANY (touched) AND s.positive = 0 AND s.negative = 0;
    PERFORM pgslo_catalog.blur_scores(touched);
    RETURN completed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.complete_pairs(pgslo_catalog.definition) IS
    'Add to the sums the new values of the pairs of changed rows, less their old ones.';

CREATE OR REPLACE FUNCTION pgslo_catalog.blur_scores(cells bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    large bigint;
BEGIN
    FOR large IN
        SELECT c.pair_cell_id FROM pgslo_catalog.pair_cell c
        WHERE c.pair_cell_id = ANY (blur_scores.cells) AND NOT c.coarse AND c.scored > 10000
          AND (SELECT count(*) FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = c.pair_cell_id) > 10000
    LOOP
        UPDATE pgslo_catalog.pair_cell c SET coarse = true WHERE c.pair_cell_id = large;
        WITH fine AS (
            DELETE FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = large AND s.score <> round(s.score::numeric, 4)::float8
            RETURNING s.score, s.positive, s.negative
        )
        INSERT INTO pgslo_catalog.pair_score AS s (pair_cell_id, score, positive, negative)
        SELECT large, round(f.score::numeric, 4)::float8, sum(f.positive), sum(f.negative) FROM fine f GROUP BY 2
        ON CONFLICT ON CONSTRAINT pair_score_is_counted_once DO UPDATE SET positive = s.positive + excluded.positive, negative = s.negative + excluded.negative;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.blur_scores(bigint[]) IS 'Round scores to four digits where there are more than 10,000 different ones.';
