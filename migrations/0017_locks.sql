-- Locks that other roles cannot take: rows of tables of pgslo. Incidents beside open transactions, places that are no times.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.turn (
    name text NOT NULL CONSTRAINT turn_has_a_name PRIMARY KEY
);
COMMENT ON TABLE pgslo_catalog.turn IS 'Rows to lock, never updated: one session at a time has the turn, until its transaction ends.';
INSERT INTO pgslo_catalog.turn (name) VALUES ('tick');

CREATE TABLE pgslo_catalog.rule_lock (
    rule_id bigint NOT NULL CONSTRAINT rule_lock_is_of_one_rule PRIMARY KEY
        CONSTRAINT rule_lock_belongs_to_a_rule REFERENCES pgslo_catalog.rule ON DELETE CASCADE
);
COMMENT ON TABLE pgslo_catalog.rule_lock IS 'Rows to lock, never updated: a writer that opens or resolves an incident of the rule locks its row.';
INSERT INTO pgslo_catalog.rule_lock (rule_id) SELECT r.rule_id FROM pgslo_catalog.rule r;

CREATE TABLE pgslo_catalog.session_lock (
    name text NOT NULL CONSTRAINT session_lock_has_a_name PRIMARY KEY,
    process_id integer,
    session_role bigint,
    key bigint,
    held_since timestamptz
);
COMMENT ON TABLE pgslo_catalog.session_lock IS 'Locks that a session holds until it ends.';
COMMENT ON COLUMN pgslo_catalog.session_lock.key IS 'A random key of an advisory lock: it is held while process_id holds it.';

ALTER TABLE pgslo_catalog.incident ADD COLUMN opened_by_tick boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.incident.opened_by_tick IS
    'Whether tick() opened it while a transaction that had not ended held the lock of the rule; that one may have opened another.';
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX pgslo_catalog.incident_is_open_once;
CREATE UNIQUE INDEX incident_is_open_once ON pgslo_catalog.incident (definition_id, rule_id, opened_by_tick) WHERE resolved_at IS NULL;

ALTER TABLE pgslo_catalog.definition ADD COLUMN place_is_number boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pgslo_catalog.definition.place_is_number IS 'Whether the place of a batch is a number or a time of day: none lies in the future.';

CREATE TABLE pgslo_catalog.snapshot_room (
    table_name text NOT NULL CONSTRAINT snapshot_room_is_one_table PRIMARY KEY
);
COMMENT ON TABLE pgslo_catalog.snapshot_room IS 'Tables that a reader may fill now: none is left when a transaction commits.';
CREATE FUNCTION pgslo_catalog.require_end() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    IF EXISTS (SELECT FROM pgslo_catalog.snapshot_room r WHERE r.table_name = NEW.table_name) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('snapshot table "%s" is not complete', NEW.table_name),
            DETAIL = 'A transaction that begins a snapshot seals it, and one that begins a check ends it.',
            HINT = 'Call pgslo.create_snapshot() or pgslo.verify_snapshot(), which do both.';
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION pgslo_catalog.require_end() IS 'Refuse to commit a table of rows that a reader may still fill.';

CREATE CONSTRAINT TRIGGER require_end AFTER INSERT ON pgslo_catalog.snapshot_room
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgslo_catalog.require_end();

ALTER TABLE pgslo_catalog.delivery
    ADD COLUMN sender text NOT NULL DEFAULT '',
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT delivery_is_made_once,
    ADD CONSTRAINT delivery_is_made_once UNIQUE (sender, delivery_key);
COMMENT ON COLUMN pgslo_catalog.delivery.sender IS 'The role that queued it, which alone sends it: a key of another role holds back no message.';

-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.open_incident(pgslo_catalog.rule, text, numeric);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.resolve_incident(pgslo_catalog.rule, text, numeric);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.reopen_incident(pgslo_catalog.rule, text, numeric);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.follow_verdict(pgslo_catalog.rule, text, numeric, text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.give_verdict(pgslo_catalog.rule, pgslo_catalog.batch, text, float8, float8, float8, float8, text);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.judge_assertion(bigint, text[]);
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS pgslo_catalog.newest_batch(pgslo_catalog.definition);
