-- Columns of a defined table of which no profile is kept.
SELECT a.attname AS column_name, coalesce(d.batch_by = '(r.' || pg_catalog.quote_ident(a.attname) || ')', false) AS names_batch, a.attgenerated = 'v' AS is_virtual
FROM pgslo_catalog.definition d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.relation AND a.attnum > 0 AND NOT a.attisdropped
WHERE d.name = %(definition)s
  AND NOT EXISTS (SELECT FROM pgslo_catalog.watched_column w WHERE w.definition_id = d.definition_id AND w.column_name = a.attname)
ORDER BY a.attnum
