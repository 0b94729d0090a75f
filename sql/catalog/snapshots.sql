-- Snapshots of views that the reader may read, newest first.
SELECT s.name, s.form, s.definition, s.definition_fingerprint, s.source, s.condition, s.columns, s.rows, s.content_hash, s.batches, s.newest_batch,
       s.healthy_only, s.batches_left_out, s.incidents, s.library_version, s.taken_at, s.taken_by, s.table_name, s.is_checked
FROM pgslo.snapshot s
WHERE %(name)s::text IS NULL OR s.name = %(name)s
ORDER BY s.taken_at DESC, s.name
