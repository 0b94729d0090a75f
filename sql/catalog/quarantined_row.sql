-- One row in quarantine with its values and every reason.
SELECT q.quarantine_id, q.definition, q.row_key, q.operation, q.reasons, q.image, q.writer, q.application, q.written_at, q.state, q.decided_at, q.decided_by
FROM pgslo.quarantine q
WHERE q.quarantine_id = %(id)s
