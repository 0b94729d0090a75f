-- Rows in quarantine, newest first, without their values; NULL for definition or state means any.
SELECT q.quarantine_id, q.definition, q.row_key, q.operation, q.writer, q.application, q.written_at, q.state, q.decided_at, q.decided_by,
       ARRAY(SELECT reason ->> 'rule' FROM jsonb_array_elements(q.reasons) AS reason) AS rules
FROM pgslo.quarantine q
WHERE (%(definition)s::text IS NULL OR q.definition = %(definition)s) AND (%(state)s::text IS NULL OR q.state = %(state)s)
ORDER BY q.quarantine_id DESC
LIMIT %(limit)s
