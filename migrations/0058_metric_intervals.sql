-- The interval of AUC is that of a confidence, no longer of a normal deviate.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.auc(pgslo_catalog.pair_cell[], pgslo_catalog.pair_score[], float8);
