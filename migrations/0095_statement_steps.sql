-- Trigger functions on statements ask the runtime what to run next, which has each slow path once.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TYPE pgslo_catalog.statement AS (
    definition text, rows text, event text, operation text,
    rules text[], rejecting integer, refusing integer, passes text[], failing text,
    columns text[], tallies text[], sums text[], sums_of text, sample text, batch_of text[], is_sampled boolean, refuses_batches boolean,
    step text, rule integer, query text, counted pgslo_catalog.measured[], shown text[], error_code text, error_message text,
    batches pgslo_catalog.measured[], samples pgslo_catalog.measured[], mask bigint, failed bigint[], missed text[],
    unjudged text[], unjudged_code text, unjudged_message text, unmeasured_by text, first_code text, first_message text
);
COMMENT ON TYPE pgslo_catalog.statement IS
    'A statement that wrote to a table, for its trigger function: what to judge and count, what to run next, and what came of it so far.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.counting_failures(text, text[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.showing(text, text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.sampling(text, text, text, text, text[], bigint);
