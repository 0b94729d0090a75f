-- pgslo_catalog.count_batches() no longer gets the mask of its sample: it counts first where no large batch is known.
DROP FUNCTION IF EXISTS pgslo_catalog.count_batches(pgslo_catalog.definition, text, text, bigint, text[]);
