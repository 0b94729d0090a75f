-- The newest batches of each column, oldest first.
SELECT h.definition, h.column_name, h.batch, h.rows, h.present, h.score, h.is_missed
FROM (
    SELECT x.*, row_number() OVER (PARTITION BY x.definition, x.column_name ORDER BY x.place DESC) AS age
    FROM pgslo.column_history x
) h
WHERE h.age <= %(batches)s
ORDER BY h.definition, h.column_name, h.place
