-- Incidents with the fields of a message; figures as the views show them to this role.
SELECT i.page, i.incident_id AS incident, i.definition AS "table", i.rule, i.kind, i.columns, i.promise AS summary, i.on_breach, i.owner, i.state,
       i.opened_batch AS batch, v.batch AS newest_batch, v.value, v.low, v.high, v.score, i.missed_batches, i.missed_rows,
       i.opened_at, i.over_at, i.resolved_at, i.resolution, i.resolved_by, i.acknowledged_at, i.acknowledged_by,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'contact', t.contact) ORDER BY t.name), '[]')
        FROM pgslo.reader t WHERE t.definition = i.definition AND t.kind = 'task' AND (t.columns && i.columns OR i.columns = '{}')) AS tasks
FROM pgslo.incident i
LEFT JOIN LATERAL (
    SELECT x.batch, x.value, x.low, x.high, x.score
    FROM pgslo.verdict x
    WHERE x.definition = i.definition AND x.rule = i.rule AND x.verdict = 'missed'
    ORDER BY x.judged_at DESC, x.batch DESC LIMIT 1
) v ON true
WHERE i.incident_id = ANY (%(incidents)s)
ORDER BY i.incident_id
