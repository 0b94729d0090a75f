-- Triggers on rows hand what they found to the runtime.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TYPE pgslo_catalog.judged_row AS (rule text, shown text, row_key text, error_code text, error_message text);
COMMENT ON TYPE pgslo_catalog.judged_row IS 'A rule that a row violates, with what is shown of the row; or one that could not be evaluated, with the error.';

CREATE TYPE pgslo_catalog.repaired_value AS (rule text, column_name text, old_value text, new_value text);
COMMENT ON TYPE pgslo_catalog.repaired_value IS 'A value that a repair replaced.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.record_quarantine(text, regclass, text, text, record, record, text[], text[], text[]);
