-- The faults that a backtest puts into batches.
SELECT f.name, f.words FROM pgslo_catalog.fault_kinds() AS f ORDER BY f.ordinal
