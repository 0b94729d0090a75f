-- What the batches of definitions are by, as it was applied last.
SELECT d.name AS definition, d.batch_key FROM pgslo_catalog.definition d WHERE d.batch_key IS NOT NULL
