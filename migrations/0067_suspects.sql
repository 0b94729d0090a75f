-- What is just beyond a learned bound warns readers and notifies nobody.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.incident ADD COLUMN is_suspect boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.incident.is_suspect IS
    'Whether no batch of it was twice beyond what is learned: readers are warned, and nobody is notified.';

ALTER TABLE pgslo_catalog.incident_event
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT incident_event_is_known,
    ADD CONSTRAINT incident_event_is_known CHECK (event IN
        ('opened', 'raised', 'acknowledged', 'muted', 'unmuted', 'over', 'confirmed', 'accepted', 'resolved', 'reopened'));

-- Whether a gate lets suspects pass is one argument more.
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.column_readiness(pgslo_catalog.definition, text[], integer, boolean, interval);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.unhealthy_said(bigint, text[], text[]);
