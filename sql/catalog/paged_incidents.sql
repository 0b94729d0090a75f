-- Incidents that a route may have a message about: those not resolved, and those that were since a time, with their page.
SELECT i.page, i.incident_id, i.definition, i.opened_batch AS batch, i.rule, i.columns, i.summary, i.owner, i.opened_at,
       i.over_at, i.stored, i.resolved_at, i.resolution, i.resolved_by,
       i.acknowledged_at, i.acknowledged_by, i.muted_until > clock_timestamp() AS is_muted, e.opening, e.over_mark, e.ending,
       x.facts ->> 'newest missed batch' AS newest_missed_batch, x.facts ->> 'written by' AS written_by,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'contact', t.contact) ORDER BY t.name), '[]')
        FROM pgslo.reader t WHERE t.definition = i.definition AND t.kind = 'task' AND (t.columns && i.columns OR i.columns = '{}')) AS tasks
FROM pgslo.incident i
CROSS JOIN LATERAL (
    SELECT coalesce(max(v.incident_event_id) FILTER (WHERE v.event IN ('opened', 'raised', 'reopened')), 0) AS opening,
           coalesce(max(v.incident_event_id) FILTER (WHERE v.event = 'over'), 0) AS over_mark,
           coalesce(max(v.incident_event_id) FILTER (WHERE v.event = 'resolved'), 0) AS ending
    FROM pgslo.incident_event v WHERE v.incident_id = i.incident_id
) e
-- Incidents that are over may be many, and need no more than how many batches are stored.
CROSS JOIN LATERAL (SELECT jsonb_object_agg(f.topic, f.fact) AS facts FROM pgslo.explain(i.incident_id) f WHERE i.over_at IS NULL) x
-- Suspect incidents are not notified.
WHERE i.tier = 'missed' AND i.page IN (SELECT p.page FROM pgslo.incident p WHERE p.resolved_at IS NULL OR p.resolved_at >= %(since)s)
ORDER BY i.page, i.incident_id
