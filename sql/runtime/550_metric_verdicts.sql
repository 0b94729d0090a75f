-- Metrics of predictions, judged batch by batch.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_metric(rule pgslo_catalog.rule, batch text, place numeric) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    measure jsonb := (judge_metric.rule).measure;
    places integer[] := ARRAY(SELECT p::integer FROM jsonb_array_elements_text(measure -> 'places') AS p);
    judged pgslo_catalog.batch;
    worst record;
    unit text := CASE measure ->> 'of' WHEN 'label_delay' THEN ' hours' ELSE '' END;
    confidence float8 := (measure ->> 'confidence')::float8;
    said text;
BEGIN
    SELECT b.* INTO judged FROM pgslo_catalog.batch b WHERE b.definition_id = (judge_metric.rule).definition_id AND b.name = judge_metric.batch;
    judged.definition_id := (judge_metric.rule).definition_id;
    judged.name := judge_metric.batch;
    judged.place := judge_metric.place;
    WITH included AS (
        SELECT b.batch FROM pgslo_catalog.pair_batch b
        WHERE b.definition_id = judged.definition_id AND b.place <= judge_metric.place
        ORDER BY b.place DESC LIMIT (measure ->> 'over')::integer
    ), grouped AS (
        SELECT array_agg(c) AS cells, array_agg(c.pair_cell_id) AS numbers, g.values
        FROM pgslo_catalog.pair_cell c
        CROSS JOIN LATERAL (
            SELECT ARRAY(SELECT CASE WHEN p.place = 0 THEN c.model ELSE c.segment[p.place] END
                         FROM unnest(places) WITH ORDINALITY AS p (place, n) ORDER BY p.n) AS values
        ) AS g
        WHERE c.definition_id = judged.definition_id AND c.batch IN (SELECT i.batch FROM included i)
        GROUP BY g.values
    ), measured AS (
        -- The more groups there are, the more of them would be beyond the bound by chance: Bonferroni.
        SELECT g.values, m.*, m.high < (judge_metric.rule).warn_low OR m.low > (judge_metric.rule).warn_high AS missed
        FROM grouped g
        CROSS JOIN LATERAL pgslo_catalog.metric(
            g.cells,
            CASE WHEN measure ->> 'of' IN ('auc', 'calibration_error')
                 THEN ARRAY(SELECT s FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = ANY (g.numbers)) END,
            measure ->> 'of', 1 - (1 - confidence) / (SELECT count(*) FROM grouped)) AS m
        WHERE m.value IS NOT NULL
    )
    SELECT m.*, count(*) OVER () AS groups, count(*) FILTER (WHERE m.missed) OVER () AS misses
    INTO worst
    FROM measured m
    ORDER BY coalesce(m.missed, false) DESC, greatest((judge_metric.rule).warn_low - m.value, m.value - (judge_metric.rule).warn_high) DESC NULLS LAST, m.values
    LIMIT 1;
    IF worst.value IS NULL THEN
        PERFORM pgslo_catalog.give_verdict(judge_metric.rule, judged, 'unknown', NULL, (judge_metric.rule).warn_low, (judge_metric.rule).warn_high, NULL,
            (SELECT pgslo_catalog.metric_lacks(array_agg(c),
                        ARRAY(SELECT s FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = ANY (array_agg(c.pair_cell_id))),
                        measure ->> 'of', (SELECT d.pairs ->> 'positive' FROM pgslo_catalog.definition d WHERE d.definition_id = judged.definition_id))
             FROM pgslo_catalog.pair_cell c
             WHERE c.definition_id = judged.definition_id AND c.batch IN (
                 SELECT b.batch FROM pgslo_catalog.pair_batch b
                 WHERE b.definition_id = judged.definition_id AND b.place <= judge_metric.place
                 ORDER BY b.place DESC LIMIT (measure ->> 'over')::integer)));
        RETURN;
    END IF;
    said := CASE WHEN places = '{}' THEN '' ELSE (
            SELECT string_agg(format('%s %s', n.name, coalesce(nullif(n.value, ''), 'missing')), ', ' ORDER BY n.place)
            FROM unnest(ARRAY(SELECT jsonb_array_elements_text(measure -> 'per')), worst.values) WITH ORDINALITY AS n (name, value, place)) || ': ' END
        || format('%s is %s%s', replace(measure ->> 'of', '_', ' '), pgslo_catalog.shown(worst.value::numeric), unit)
        || CASE WHEN worst.low = worst.high THEN '' WHEN worst.low = '-Infinity' THEN ', too few to say more'
                ELSE format(', %s to %s by chance', pgslo_catalog.shown(worst.low::numeric), pgslo_catalog.shown(worst.high::numeric)) END
        || format(', of %s %s', pgslo_catalog.shown(worst.pairs),
                  CASE WHEN measure ->> 'early' = 'true' OR measure ->> 'of' = 'label_coverage' THEN 'predictions' ELSE 'pairs' END)
        || CASE WHEN (measure ->> 'over')::integer > 1 THEN format(' in %s batches', measure ->> 'over') ELSE '' END
        || '; ' || pgslo_catalog.wanted((judge_metric.rule).warn_low, (judge_metric.rule).warn_high, 1, unit)
        || CASE WHEN worst.misses > 1 THEN format('; %s of %s groups miss it', worst.misses, worst.groups) ELSE '' END;
    PERFORM pgslo_catalog.give_verdict(judge_metric.rule, judged, CASE WHEN worst.missed THEN 'missed' ELSE 'met' END, worst.value,
        (judge_metric.rule).warn_low, (judge_metric.rule).warn_high, NULL, said);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_metric(pgslo_catalog.rule, text, numeric) IS
    'Compare a metric of a batch, or of some that end with it, with its objective: missed when its whole interval is beyond the bound.';

CREATE OR REPLACE FUNCTION pgslo_catalog.last_prediction(batch pgslo_catalog.pair_batch) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- A prediction that comes after the batch was closed delays nothing: with one now and then, no metric would ever be evaluated.
    RETURN least((last_prediction.batch).last_at, (
        SELECT c.closed_at FROM pgslo_catalog.batch c
        WHERE c.definition_id = (last_prediction.batch).definition_id AND c.name = (last_prediction.batch).batch));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.last_prediction(pgslo_catalog.pair_batch) IS
    'Return the time from which on labels of a batch are waited for: of its newest prediction, but not after it was closed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_pairs(definition pgslo_catalog.definition) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    id bigint := (follow_pairs.definition).definition_id;
    how jsonb := (follow_pairs.definition).pairs;
    maturity interval := (how ->> 'maturity')::interval;
    rule pgslo_catalog.rule;
    due record;
    is_early boolean;
    given integer := 0;
BEGIN
    IF how IS NULL OR how = 'null' THEN
        RETURN 0;
    END IF;
    PERFORM pgslo_catalog.complete_pairs(follow_pairs.definition);
    FOR rule IN
        SELECT r.* FROM pgslo_catalog.rule r
        WHERE r.definition_id = id AND r.kind = 'ml_metric' AND r.retired_at IS NULL
        ORDER BY r.rule_id
    LOOP
        is_early := rule.measure ->> 'early' = 'true';
        FOR due IN
            -- What changed, and later batches whose windows reach back to it.
            SELECT DISTINCT f.batch, f.place, f.mature, f.last_at
            FROM pgslo_catalog.pair_batch d
            CROSS JOIN LATERAL (
                SELECT b.batch, b.place, c.last_at, coalesce(c.last_at + maturity < clock_timestamp(), true) AS mature
                FROM pgslo_catalog.pair_batch b
                CROSS JOIN LATERAL (SELECT pgslo_catalog.last_prediction(b)) AS c (last_at)
                WHERE b.definition_id = id AND b.place >= d.place
                ORDER BY b.place LIMIT (rule.measure ->> 'over')::integer
            ) AS f
            WHERE d.definition_id = id
              AND (d.early_due OR NOT is_early AND d.late_due AND coalesce(pgslo_catalog.last_prediction(d) + maturity < clock_timestamp(), true))
              AND NOT EXISTS (SELECT FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = f.batch AND c.closed_at IS NULL)
            ORDER BY f.place
        LOOP
            IF is_early OR due.mature THEN
                PERFORM pgslo_catalog.judge_metric(rule, due.batch, due.place);
            ELSE
                PERFORM pgslo_catalog.await_labels(rule, due.batch, due.place, due.last_at + maturity);
            END IF;
            given := given + 1;
        END LOOP;
    END LOOP;
    UPDATE pgslo_catalog.pair_batch b
    SET early_due = false, late_due = b.late_due AND NOT coalesce(pgslo_catalog.last_prediction(b) + maturity < clock_timestamp(), true)
    WHERE b.definition_id = id
      AND (b.early_due OR b.late_due AND coalesce(pgslo_catalog.last_prediction(b) + maturity < clock_timestamp(), true))
      AND NOT EXISTS (SELECT FROM pgslo_catalog.batch c WHERE c.definition_id = id AND c.name = b.batch AND c.closed_at IS NULL);
    RETURN given;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_pairs(pgslo_catalog.definition) IS
    'Complete pairs, and evaluate the metrics of batches that changed and are closed, or whose labels are due.';

CREATE OR REPLACE FUNCTION pgslo_catalog.await_labels(rule pgslo_catalog.rule, batch text, place numeric, until timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    judged pgslo_catalog.batch;
    found record;
BEGIN
    judged.definition_id := (await_labels.rule).definition_id;
    judged.name := await_labels.batch;
    judged.place := await_labels.place;
    SELECT coalesce(sum(c.labelled), 0) AS labelled, coalesce(sum(c.predictions), 0) AS predictions INTO found
    FROM pgslo_catalog.pair_cell c WHERE c.definition_id = judged.definition_id AND c.batch = await_labels.batch;
    PERFORM pgslo_catalog.give_verdict(await_labels.rule, judged, 'unknown', NULL, (await_labels.rule).warn_low, (await_labels.rule).warn_high, NULL,
        format('labels are complete at %s UTC; %s of %s predictions have one by now', to_char(await_labels.until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
            pgslo_catalog.shown(found.labelled), pgslo_catalog.shown(found.predictions)));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.await_labels(pgslo_catalog.rule, text, numeric, timestamptz) IS 'Record that the labels of a batch are still to come.';

CREATE OR REPLACE FUNCTION pgslo.recount_pairs(definition text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    target pgslo_catalog.definition;
    completed bigint;
BEGIN
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.name = recount_pairs.definition;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SL002',
            MESSAGE = format('%s has no definition', recount_pairs.definition),
            HINT = 'SELECT definition FROM pgslo.status;';
    ELSIF target.pairs IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('nothing is measured of the predictions of %s', target.name),
            HINT = 'Say it in the definition: kind: predictions, with labels or a rule of the kind ml_metric.';
    END IF;
    PERFORM pgslo_catalog.wait_for_turn('tick');
    PERFORM pgslo_catalog.want_pairs_anew(target.name);
    completed := pgslo_catalog.complete_pairs(target);
    PERFORM pgslo_catalog.follow_pairs(target);
    RETURN completed;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.recount_pairs(text) IS
    'Recount all pairs of predictions and labels from the tables, for writes with triggers disabled, and evaluate changed batches; return the predictions.';

-- What people ask for

CREATE OR REPLACE VIEW pgslo.ml_metric WITH (security_barrier) AS
-- The set of metrics is hidden as well: recall does not exist without a positive label.
WITH readable AS MATERIALIZED (
    SELECT k.* FROM pgslo_catalog.known_definition k
    WHERE k.pairs IS NOT NULL AND pgslo_catalog.may_see_figures(k.relation, '{}', k.pairs, current_user)
)
SELECT d.name AS definition, c.batch, c.model, c.segment, m.name AS metric, v.value, v.low, v.high, v.pairs
FROM pgslo_catalog.pair_cell c
JOIN readable d USING (definition_id)
CROSS JOIN unnest(ARRAY['accuracy', 'precision', 'recall', 'f1', 'auc', 'log_loss', 'brier', 'calibration_error', 'mae', 'rmse', 'mape', 'bias',
                        'label_coverage', 'label_delay', 'default_share', 'abstain_share', 'expected_accuracy']) AS m (name)
CROSS JOIN LATERAL pgslo_catalog.metric(
    ARRAY[c],
    CASE WHEN m.name IN ('auc', 'calibration_error')
         THEN ARRAY(SELECT s FROM pgslo_catalog.pair_score s WHERE s.pair_cell_id = c.pair_cell_id) END,
    m.name, 0.95) AS v
WHERE v.value IS NOT NULL
  AND CASE
      WHEN m.name IN ('mae', 'rmse', 'mape', 'bias') THEN d.pairs ->> 'regression' = 'true'
      WHEN m.name IN ('label_coverage', 'label_delay') THEN d.pairs ->> 'labelled' = 'true'
      WHEN m.name IN ('default_share', 'abstain_share') THEN true
      ELSE d.pairs ->> 'regression' = 'false' END;
COMMENT ON VIEW pgslo.ml_metric IS
    'Every metric of every batch, model and segment, with its 95 % interval, as tick() last summed pairs; for roles that may read the measured columns.';

CREATE OR REPLACE VIEW pgslo.prediction_problem WITH (security_barrier) AS
WITH known AS MATERIALIZED (
    SELECT k.definition_id, k.name, pgslo_catalog.may_see_figures(k.relation, '{}', k.pairs, current_user) AS is_readable
    FROM pgslo_catalog.known_definition k WHERE k.pairs IS NOT NULL
)
SELECT d.name AS definition, c.batch, CASE WHEN d.is_readable THEN c.model END AS model, CASE WHEN d.is_readable THEN c.segment END AS segment,
       p.problem, p.rows::bigint AS rows
FROM pgslo_catalog.pair_cell c
JOIN known d USING (definition_id)
CROSS JOIN LATERAL (VALUES
    ('label_without_prediction', c.label_without_prediction), ('two_labels', c.two_labels), ('label_before_prediction', c.label_before_prediction),
    ('unknown_label', c.unknown_label), ('unknown_class', c.unknown_class), ('score_missing', c.score_missing), ('score_outside', c.score_outside),
    ('model_missing', c.model_missing)) AS p (problem, rows)
WHERE p.rows <> 0;
COMMENT ON VIEW pgslo.prediction_problem IS 'Predictions and labels that cannot be measured as they are, counted; the rows stay where they are.';

CREATE OR REPLACE VIEW pgslo.post_processing WITH (security_barrier) AS
SELECT d.name AS definition, p.version, p.steps, p.applied_at, p.applied_by
FROM pgslo_catalog.post_processing p JOIN pgslo_catalog.known_definition d USING (definition_id);
COMMENT ON VIEW pgslo.post_processing IS 'The steps behind each version that rows'' trails name; the newest is in force.';
