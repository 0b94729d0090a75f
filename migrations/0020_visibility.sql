-- Values of rows apart from the state that many roles may read, and a secret for names and marks that no role can guess.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.secret (
    value text NOT NULL DEFAULT concat(gen_random_uuid(), gen_random_uuid()),
    sole boolean NOT NULL DEFAULT true CONSTRAINT secret_has_one_row PRIMARY KEY CONSTRAINT secret_is_the_only_one CHECK (sole)
);
COMMENT ON TABLE pgslo_catalog.secret IS 'Random text of this installation, readable by its owner alone.';

ALTER TABLE pgslo_catalog.verdict ADD COLUMN example text;
COMMENT ON COLUMN pgslo_catalog.verdict.example IS 'The first violation or the error message, which hold values of rows: for stewards.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.measured(pgslo_catalog.definition, pgslo_catalog.batch, pgslo_catalog.rule);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.give_verdict(pgslo_catalog.rule, pgslo_catalog.batch, text, float8, float8, float8, float8, text);

ALTER TABLE pgslo_catalog.rule_break ADD COLUMN said text NOT NULL DEFAULT '';
COMMENT ON COLUMN pgslo_catalog.rule_break.error_message IS 'The message as it was raised, which may hold a value of a row: for stewards.';
COMMENT ON COLUMN pgslo_catalog.rule_break.said IS 'The error without a value of a row: for everybody who may know of the table.';
