-- How many snapshots stay, and how many references go, when the runtime goes.
SELECT count(*) FILTER (WHERE s.is_copy) AS copies, count(*) FILTER (WHERE NOT s.is_copy) AS refs
FROM pgslo_catalog.snapshot s WHERE s.content_hash IS NOT NULL
