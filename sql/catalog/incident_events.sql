-- The events of an incident, in order.
SELECT e.event, e.happened_at, e.done_by, e.application, e.batch, e.muted_until, e.resolution, e.note
FROM pgslo.incident_event e
WHERE e.incident_id = %(id)s
ORDER BY e.incident_event_id
