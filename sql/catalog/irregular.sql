-- Rules about expected batches, of tables whose batches are no longer regular: these rules report nothing.
SELECT d.name AS definition, r.name AS rule, n.judged_at AS since
FROM pgslo_catalog.rule r
JOIN pgslo_catalog.definition d USING (definition_id)
CROSS JOIN LATERAL (
    SELECT v.batch, v.verdict, v.judged_at FROM pgslo_catalog.verdict v WHERE v.rule_id = r.rule_id ORDER BY v.place DESC, v.verdict_id DESC LIMIT 1
) n
JOIN pgslo_catalog.batch b ON b.definition_id = d.definition_id AND b.name = n.batch
WHERE r.retired_at IS NULL AND r.measure ->> 'form' = 'batches' AND n.verdict = 'unknown'
  -- One that was emptied has such a verdict, too.
  AND b.rows > 0
ORDER BY 1, 2
