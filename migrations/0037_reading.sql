-- Guarded views tell readers of the rows that they read; what was said of whole columns goes.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TYPE pgslo_catalog.found_problem AS (
    code text, rule text, column_name text, message text, detail text, hint text
);
COMMENT ON TYPE pgslo_catalog.found_problem IS 'What a reader is told.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.missed_batch(pgslo_catalog.incident, pgslo_catalog.rule);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.problem(text, text[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.announce(text, text[], text);

ALTER TABLE pgslo_catalog.missed_batch ADD COLUMN planned_at timestamptz;
COMMENT ON COLUMN pgslo_catalog.missed_batch.planned_at IS 'When tick() had sessions plan their reads anew; NULL: plans may be older than the row.';

ALTER TABLE pgslo_catalog.incident ADD COLUMN is_of_batches boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.incident.is_of_batches IS
    'Whether its missed batches are recorded one by one, and their rows tell whom it concerns: guards leave it to them.';
