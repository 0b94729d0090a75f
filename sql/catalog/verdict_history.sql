-- Figures of rules over batches with their bounds, oldest first; what a statistic or a query says may be a value of a row.
SELECT v.definition, v.rule, v.kind, v.columns, v.batch, v.value, v.low, v.high, v.verdict, v.tier
FROM (
    SELECT x.*, row_number() OVER (PARTITION BY x.definition, x.rule ORDER BY x.judged_at DESC, x.batch DESC) AS age
    FROM pgslo.verdict x
    WHERE x.kind IN ('completeness', 'row_count', 'drift', 'skew', 'freshness', 'metric', 'ml_metric')
) v
WHERE v.age <= 2 * %(batches)s
ORDER BY v.definition, v.rule, v.judged_at, v.batch
