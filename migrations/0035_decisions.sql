-- Decisions: a quarantined UPDATE keeps which columns it changes, and its release sets no others; a mute of a rule keeps who set it.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.quarantine ADD COLUMN changed text[];
COMMENT ON COLUMN pgslo_catalog.quarantine.changed IS 'Columns that a quarantined UPDATE changes, as they were named then.';

-- It takes the names of these columns as well.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.record_quarantine(text, regclass, text, text, record, text[], text[], text[]);

ALTER TABLE pgslo_catalog.rule ADD COLUMN muted_at timestamptz, ADD COLUMN muted_by text;
COMMENT ON COLUMN pgslo_catalog.rule.muted_at IS 'When a role last muted the rule, or ended a mute.';
COMMENT ON COLUMN pgslo_catalog.rule.muted_by IS 'The role that did so.';
