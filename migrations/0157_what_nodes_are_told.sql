-- Readers of a distributed table are told the same, whatever the role that runs tick() may see. Notes of shards are taken over one by one.
SET LOCAL search_path = pg_catalog, pg_temp;

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.problem(text, text[], interval);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.missed_said(pgslo_catalog.rule, text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.broken_said(pgslo_catalog.rule);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.drain_outbox(text);
