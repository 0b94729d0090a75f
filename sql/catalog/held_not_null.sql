-- Columns whose NOT NULL a rule rests on. A definition has the name of its table.
SELECT r.definition, c.name
FROM pgslo.rule AS r, unnest(r.columns) AS c (name)
WHERE r.kind = 'not_null' AND r.mechanism = 'native' AND r.retired_at IS NULL
