-- Metrics of predictions as numbers: what sums over pairs come to, and the interval that chance explains. 540_pairs.sql adds them up.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.normal_quantile(share float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    z float8 := 0;
    term float8;
    summed float8;
    step float8;
BEGIN
    -- Newton's method from the left of the root, where the distribution function is concave; its series is exact to the
    -- last digits for the z that shares below 1 - 1e-12 have.
    FOR n IN 1..60 LOOP
        term := z;
        summed := z;
        FOR k IN 1..200 LOOP
            term := term * z * z / (2 * k + 1);
            summed := summed + term;
            EXIT WHEN term < 1e-18 * summed OR term = 0;
        END LOOP;
        step := (least(share, 1 - 1e-12) - 0.5) * sqrt(2 * pi()) * exp(z * z / 2) - summed;
        z := z + step;
        EXIT WHEN abs(step) < 1e-12;
    END LOOP;
    RETURN z;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.normal_quantile(float8) IS 'Return the standard normal deviate with so large a share below it, from 0.5 on.';

CREATE OR REPLACE FUNCTION pgslo_catalog.wilson(good numeric, whole numeric, z float8, OUT low float8, OUT high float8)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    n float8 := nullif(wilson.whole, 0);
    p float8 := wilson.good / nullif(wilson.whole, 0);
    middle float8 := (p + z * z / (2 * n)) / (1 + z * z / n);
    half float8 := z / (1 + z * z / n) * sqrt(greatest(p * (1 - p) / n + z * z / (4 * n * n), 0));
BEGIN
    -- At the ends of the scale these are exact, whatever rounding leaves.
    low := CASE WHEN wilson.good = 0 THEN 0 ELSE greatest(middle - half, 0) END;
    high := CASE WHEN wilson.good = wilson.whole THEN 1 ELSE least(middle + half, 1) END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.wilson(numeric, numeric, float8) IS 'Return the interval of a share: Wilson, Probable inference, JASA 22 (1927) 209-212.';

CREATE OR REPLACE FUNCTION pgslo_catalog.mean_interval(summed numeric, squares numeric, whole numeric, z float8, OUT low float8, OUT high float8)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    half float8;
BEGIN
    IF whole < 2 THEN
        low := '-Infinity';
        high := 'Infinity';
        RETURN;
    END IF;
    half := z * sqrt(greatest((squares - summed * summed / whole) / (whole - 1) / whole, 0)::float8);
    low := (summed / whole)::float8 - half;
    high := (summed / whole)::float8 + half;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.mean_interval(numeric, numeric, numeric, float8) IS
    'Return the interval of a mean by the central limit theorem; infinite below two values.';

CREATE OR REPLACE FUNCTION pgslo_catalog.hoeffding_bound(mean float8, n float8, confidence float8, is_upper boolean) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- The divergence of two Bernoulli distributions that chance explains.
    most float8 := ln(2 / (1 - least(hoeffding_bound.confidence, 1 - 1e-12))) / hoeffding_bound.n;
    near float8 := hoeffding_bound.mean;
    far float8 := CASE WHEN hoeffding_bound.is_upper THEN 1 ELSE 0 END;
    middle float8;
BEGIN
    FOR step IN 1..60 LOOP
        middle := (near + far) / 2;
        EXIT WHEN middle IN (0, 1);
        IF (CASE WHEN mean > 0 THEN mean * ln(mean / middle) ELSE 0 END
            + CASE WHEN mean < 1 THEN (1 - mean) * ln((1 - mean) / (1 - middle)) ELSE 0 END) <= most THEN
            near := middle;
        ELSE
            far := middle;
        END IF;
    END LOOP;
    RETURN near;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.hoeffding_bound(float8, float8, float8, boolean) IS
    'Return a bound of the mean of values between 0 and 1, whatever their distribution: Hoeffding, Probability inequalities, JASA 58 (1963) 13-30, theorem 1.';

CREATE OR REPLACE FUNCTION pgslo_catalog.auc(
    cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], confidence float8, OUT value float8,
    OUT low float8, OUT high float8
)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found record;
    blurred float8;
    positives float8;
    negatives float8;
    half float8;
    fewest float8;
BEGIN
    SELECT sum(s.positive) AS positives, sum(s.negative) AS negatives, sum(s.positive * (s.below + s.negative / 2.0)) AS won,
           sum(CASE WHEN s.coarse THEN s.positive * s.negative / 2.0 ELSE 0 END) AS tied
    INTO found
    FROM (
        SELECT g.*, sum(g.negative) OVER (ORDER BY g.score) - g.negative AS below
        FROM (
            SELECT p.score, sum(p.positive) AS positive, sum(p.negative) AS negative, bool_or(c.coarse) AS coarse
            FROM unnest(auc.scores) AS p JOIN unnest(auc.cells) AS c USING (pair_cell_id)
            GROUP BY p.score
        ) AS g
    ) AS s;
    positives := found.positives;
    negatives := found.negatives;
    IF positives > 0 AND negatives > 0 THEN
        value := (found.won / (found.positives * found.negatives))::float8;
        blurred := (found.tied / (found.positives * found.negatives))::float8;
        half := pgslo_catalog.normal_quantile(0.5 + auc.confidence / 2)
            * sqrt(greatest(0, value * (1 - value) + (positives - 1) * (value / (2 - value) - value * value)
            + (negatives - 1) * (2 * value * value / (1 + value) - value * value)) / (positives * negatives));
        low := value - half;
        high := value + half;
        fewest := least(positives, negatives);
        IF fewest < 10 THEN
            -- The normal distribution does not hold with so few.
            low := least(low, pgslo_catalog.hoeffding_bound(value, fewest, auc.confidence, false));
            high := greatest(high, pgslo_catalog.hoeffding_bound(value, fewest, auc.confidence, true));
        END IF;
        low := greatest(0, low - blurred);
        high := least(1, high + blurred);
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.auc(pgslo_catalog.pair_cell[], pgslo_catalog.pair_score[], float8) IS
    'Return the area under the ROC curve: the share of pairs of a positive and a negative that are in order, ties counting half. '
    'Interval: Hanley and McNeil, Radiology 143 (1982) 29-36; with fewer than ten positives or negatives, no narrower '
    'than Hoeffding''s for a mean of as many (section 5b); where scores are kept to four digits it is wider by half '
    'of the ties.';

CREATE OR REPLACE FUNCTION pgslo_catalog.calibration_error(scores pgslo_catalog.pair_score[], z float8, OUT value float8, OUT low float8, OUT high float8)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    SELECT sum(b.n * abs(b.gap)) / sum(b.n), sum(b.n * greatest(0, abs(b.gap) - b.half)) / sum(b.n), least(1, sum(b.n * (abs(b.gap) + b.half)) / sum(b.n))
    INTO value, low, high
    FROM (
        SELECT g.n, g.positive / g.n - g.score / g.n AS gap,
               calibration_error.z * sqrt(greatest(0, g.score / g.n * (1 - g.score / g.n) / g.n)) AS half
        FROM (
            SELECT sum(p.positive + p.negative)::float8 AS n, sum(p.positive)::float8 AS positive, sum(p.score * (p.positive + p.negative)) AS score
            FROM unnest(calibration_error.scores) AS p
            GROUP BY least(floor(p.score * 10), 9)
            HAVING sum(p.positive + p.negative) > 0
        ) AS g
    ) AS b;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.calibration_error(pgslo_catalog.pair_score[], float8) IS
    'Return the expected calibration error over ten bins of equal width. Interval: minus and plus the random gap of each calibrated bin.';

CREATE OR REPLACE FUNCTION pgslo_catalog.metric(
    cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, confidence float8,
    OUT value float8, OUT low float8, OUT high float8, OUT pairs bigint)
-- A view calls it with the rights of the reader, and it calls others by name. It reads only its arguments.
LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    z float8 := pgslo_catalog.normal_quantile(0.5 + metric.confidence / 2);
    s record;
BEGIN
    SELECT sum(c.predictions) AS predictions, sum(c.defaulted) AS defaulted, sum(c.abstained) AS abstained, sum(c.expecting) AS expecting,
           sum(c.expected) AS expected, sum(c.expected_noise) AS expected_noise, sum(c.labelled) AS labelled, sum(c.delayed) AS delayed, sum(c.delay) AS delay,
           sum(c.decided) AS decided, sum(c.hits) AS hits, sum(c.true_positive) AS tp, sum(c.false_positive) AS fp, sum(c.false_negative) AS fn,
           sum(c.scored) AS scored, sum(c.loss) AS loss, sum(c.loss_squared) AS loss_squared, sum(c.brier) AS brier, sum(c.brier_squared) AS brier_squared,
           sum(c.error) AS error, sum(c.error_squared) AS error_squared, sum(c.error_fourth) AS error_fourth, sum(c.absolute) AS absolute,
           sum(c.relative) AS relative, sum(c.relative_squared) AS relative_squared
    INTO s
    FROM unnest(metric.cells) AS c;
    CASE
        WHEN metric.of IN ('label_coverage', 'default_share', 'abstain_share') THEN
            pairs := s.predictions;
            value := CASE metric.of WHEN 'label_coverage' THEN s.labelled WHEN 'default_share' THEN s.defaulted ELSE s.abstained END / nullif(s.predictions, 0);
            -- All rows are counted; nothing is inferred from some of them.
            low := value;
            high := value;
        WHEN metric.of = 'label_delay' THEN
            pairs := s.delayed;
            value := s.delay / nullif(s.delayed, 0) / 3600;
            low := value;
            high := value;
        WHEN metric.of = 'expected_accuracy' THEN
            pairs := s.expecting;
            value := s.expected / nullif(s.expecting, 0);
            low := value - z * sqrt(greatest(s.expected_noise, 0)::float8) / nullif(s.expecting, 0);
            high := value + z * sqrt(greatest(s.expected_noise, 0)::float8) / nullif(s.expecting, 0);
        WHEN metric.of = 'accuracy' THEN
            pairs := s.decided;
            value := s.hits / nullif(s.decided, 0);
            SELECT w.low, w.high INTO low, high FROM pgslo_catalog.wilson(s.hits, s.decided, z) AS w;
        WHEN metric.of = 'precision' THEN
            pairs := s.tp + s.fp;
            value := s.tp / nullif(s.tp + s.fp, 0);
            SELECT w.low, w.high INTO low, high FROM pgslo_catalog.wilson(s.tp, s.tp + s.fp, z) AS w;
        WHEN metric.of = 'recall' THEN
            pairs := s.tp + s.fn;
            value := s.tp / nullif(s.tp + s.fn, 0);
            SELECT w.low, w.high INTO low, high FROM pgslo_catalog.wilson(s.tp, s.tp + s.fn, z) AS w;
        WHEN metric.of = 'f1' THEN
            -- A rising function of the share of true positives among all that are not true negatives: 2 j / (1 + j).
            pairs := s.tp + s.fp + s.fn;
            value := 2 * s.tp / nullif(2 * s.tp + s.fp + s.fn, 0);
            SELECT 2 * w.low / (1 + w.low), 2 * w.high / (1 + w.high) INTO low, high FROM pgslo_catalog.wilson(s.tp, s.tp + s.fp + s.fn, z) AS w;
        WHEN metric.of = 'auc' THEN
            pairs := s.scored;
            SELECT a.value, a.low, a.high INTO value, low, high FROM pgslo_catalog.auc(metric.cells, metric.scores, metric.confidence) AS a;
        WHEN metric.of = 'calibration_error' THEN
            pairs := s.scored;
            SELECT a.value, a.low, a.high INTO value, low, high FROM pgslo_catalog.calibration_error(metric.scores, z) AS a;
        WHEN metric.of = 'log_loss' THEN
            pairs := s.scored;
            value := s.loss / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), m.high INTO low, high FROM pgslo_catalog.mean_interval(s.loss, s.loss_squared, s.scored, z) AS m;
        WHEN metric.of = 'brier' THEN
            pairs := s.scored;
            value := s.brier / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), least(m.high, 1) INTO low, high FROM pgslo_catalog.mean_interval(s.brier, s.brier_squared, s.scored, z) AS m;
        WHEN metric.of = 'mae' THEN
            pairs := s.scored;
            value := s.absolute / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), m.high INTO low, high FROM pgslo_catalog.mean_interval(s.absolute, s.error_squared, s.scored, z) AS m;
        WHEN metric.of = 'rmse' THEN
            pairs := s.scored;
            value := sqrt(greatest(s.error_squared, 0)::float8 / nullif(s.scored, 0)::float8);
            SELECT sqrt(greatest(m.low, 0)), sqrt(m.high) INTO low, high FROM pgslo_catalog.mean_interval(s.error_squared, s.error_fourth, s.scored, z) AS m;
        WHEN metric.of = 'mape' THEN
            pairs := s.scored;
            value := s.relative / nullif(s.scored, 0);
            SELECT greatest(m.low, 0), m.high INTO low, high FROM pgslo_catalog.mean_interval(s.relative, s.relative_squared, s.scored, z) AS m;
        WHEN metric.of = 'bias' THEN
            pairs := s.scored;
            value := s.error / nullif(s.scored, 0);
            SELECT m.low, m.high INTO low, high FROM pgslo_catalog.mean_interval(s.error, s.error_squared, s.scored, z) AS m;
    END CASE;
    IF value IS NULL THEN
        low := NULL;
        high := NULL;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.metric(pgslo_catalog.pair_cell[], pgslo_catalog.pair_score[], text, float8) IS
    'Return a metric of the pairs of some cells together, and its interval; NULL without any.';

CREATE OR REPLACE FUNCTION pgslo_catalog.metric_lacks(cells pgslo_catalog.pair_cell[], scores pgslo_catalog.pair_score[], of text, positive text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    s record;
    positives bigint;
    negatives bigint;
    none text;
BEGIN
    SELECT sum(c.predictions) AS predictions, sum(c.labelled) AS labelled, sum(c.decided) AS decided, sum(c.scored) AS scored,
           sum(c.true_positive + c.false_negative) AS positive
    INTO s
    FROM unnest(metric_lacks.cells) AS c;
    SELECT sum(p.positive), sum(p.negative) INTO positives, negatives FROM unnest(metric_lacks.scores) AS p;
    none := CASE metric_lacks.positive
        WHEN 'true' THEN 'all %s labels are false'
        WHEN 'false' THEN 'all %s labels are true'
        ELSE format('none of the %%s labels is %s', replace(metric_lacks.positive, '%', '%%')) END;
    RETURN CASE
        WHEN metric_lacks.of IN ('default_share', 'abstain_share', 'expected_accuracy', 'label_coverage') THEN
            'the batch has no predictions that it is about'
        WHEN coalesce(s.labelled, 0) = 0 THEN 'no prediction of the batch has a label'
        WHEN metric_lacks.of IN ('accuracy', 'precision', 'recall', 'f1') AND s.decided = 0 THEN
            'no prediction of the batch with a label has a class'
        WHEN metric_lacks.of = 'precision' THEN format('no prediction of the class %s', metric_lacks.positive)
        WHEN metric_lacks.of = 'recall' THEN format(none, s.decided) || ': recall needs others'
        WHEN metric_lacks.of = 'f1' THEN format(none, s.decided) || ', and so are all predictions'
        WHEN metric_lacks.of = 'auc' AND negatives > 0 THEN format(none, negatives) || ': AUC needs both classes'
        WHEN metric_lacks.of = 'auc' AND positives > 0 THEN
            format('all %s labels are %s: AUC needs both classes', positives, metric_lacks.positive)
        WHEN s.scored = 0 THEN 'no prediction of the batch with a label has a score'
        ELSE 'no prediction of the batch has a label that it could be measured by'
    END;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.metric_lacks(pgslo_catalog.pair_cell[], pgslo_catalog.pair_score[], text, text) IS
    'Return why a metric has no value, in words.';
