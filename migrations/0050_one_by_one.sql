-- Trigger functions evaluate rules one by one through queries that the runtime makes; messages take names from the registry.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.rule ADD COLUMN about text;
COMMENT ON COLUMN pgslo_catalog.rule.about IS 'The column that a rule which rejects rows stands under, for its error; NULL where it is about several.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.reject(text, text, text, text, text, text, text, text, text, text[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.warn_writer(text, text, text, text[], text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.error_excerpt(text, text[], text, text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.record_quarantine(text, regclass, text, text, record, text[], text[], text[], text[]);
