-- Readers and their columns.
SELECT r.definition, r.kind, r.name, r.contact, r.columns, r.known_from
FROM pgslo.reader r
ORDER BY r.definition, r.kind, r.name
