-- Missed batches whose end is due, and what the table says of them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.join_missed(definition_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    -- Writers leave that out: a foreign key would have them wait for a session that has the incident.
    UPDATE pgslo_catalog.missed_batch m SET incident_id = j.incident_id
    FROM (
        SELECT u.missed_id, s.incident_id
        FROM pgslo_catalog.stored_batch s
        JOIN pgslo_catalog.missed_batch u USING (missed_id)
        JOIN pgslo_catalog.incident i ON i.incident_id = s.incident_id
        -- By name, for which there is an index that grows with no history.
        WHERE u.definition = (SELECT d.name FROM pgslo_catalog.definition d WHERE d.definition_id = join_missed.definition_id)
          AND u.incident_id IS NULL AND u.ended_at IS NULL AND u.looked_at IS NULL
        FOR NO KEY UPDATE OF u SKIP LOCKED
        FOR KEY SHARE OF i SKIP LOCKED
    ) j
    WHERE m.missed_id = j.missed_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.join_missed(bigint) IS 'Record the incidents of missed batches that writers recorded.';

CREATE OR REPLACE FUNCTION pgslo_catalog.look_again() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
    WHERE m.missed_id IN (
        SELECT u.missed_id FROM pgslo_catalog.missed_batch u
        JOIN changed c ON c.definition_id = u.definition_id AND c.name = u.batch
        WHERE u.ended_at IS NULL AND u.looked_at IS NOT NULL
        FOR UPDATE OF u SKIP LOCKED);
    RETURN NULL;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.look_again() IS 'Queue missed batches whose rows were counted again for tick().';

CREATE OR REPLACE TRIGGER look_insert AFTER INSERT ON pgslo_catalog.batch
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pgslo_catalog.look_again();
CREATE OR REPLACE TRIGGER look_update AFTER UPDATE ON pgslo_catalog.batch
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pgslo_catalog.look_again();
-- Also where session_replication_role is replica: a subscription writes there.
ALTER TABLE pgslo_catalog.batch ENABLE ALWAYS TRIGGER look_insert;
ALTER TABLE pgslo_catalog.batch ENABLE ALWAYS TRIGGER look_update;

CREATE OR REPLACE FUNCTION pgslo_catalog.looks_in_turn() RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
BEGIN
    RETURN 200;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.looks_in_turn() IS
    'Return the number of missed batches of a definition that tick() looks at besides those that changed.';

CREATE OR REPLACE FUNCTION pgslo_catalog.due_missed(
    definition pgslo_catalog.definition, OUT due bigint[], OUT changed bigint[], OUT are_left boolean
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    known text := (due_missed.definition).name;
    look pgslo_catalog.missed_look;
    -- A writer decides how many there are, and tick() has other tables to look after.
    at_most constant integer := 400;
    last bigint;
BEGIN
    SELECT l.* INTO look FROM pgslo_catalog.missed_look l WHERE l.definition_id = (due_missed.definition).definition_id;
    -- A rule may be retired, or be another one.
    IF look.fingerprint IS DISTINCT FROM (due_missed.definition).fingerprint THEN
        PERFORM pgslo_catalog.name_missed((due_missed.definition).definition_id);
        UPDATE pgslo_catalog.missed_batch m SET looked_at = NULL
        WHERE m.missed_id IN (
            SELECT u.missed_id FROM pgslo_catalog.missed_batch u
            WHERE u.definition = known AND u.ended_at IS NULL AND u.looked_at IS NOT NULL
            FOR UPDATE SKIP LOCKED);
        look.after := 0;
    END IF;
    -- A change that was skipped, because another transaction had the row, is found in turn.
    due := ARRAY(
        SELECT m.missed_id FROM pgslo_catalog.missed_batch m
        WHERE m.definition = known AND m.ended_at IS NULL AND m.missed_id > look.after
        ORDER BY m.missed_id LIMIT pgslo_catalog.looks_in_turn());
    -- In any order: those that stay due must not delay others for ever.
    changed := ARRAY(
        SELECT m.missed_id FROM pgslo_catalog.missed_batch m
        WHERE m.definition = known AND m.ended_at IS NULL AND m.looked_at IS NULL AND m.missed_id <> ALL (due)
        ORDER BY random() LIMIT at_most + 1);
    are_left := cardinality(changed) > at_most;
    changed := changed[1:at_most];
    last := CASE WHEN cardinality(due) < pgslo_catalog.looks_in_turn() THEN 0 ELSE coalesce(due[cardinality(due)], 0) END;
    due := due || changed;
    IF look.definition_id IS NULL OR look.after <> last OR look.fingerprint <> (due_missed.definition).fingerprint THEN
        INSERT INTO pgslo_catalog.missed_look AS l (definition_id, fingerprint, after)
        VALUES ((due_missed.definition).definition_id, (due_missed.definition).fingerprint, last)
        ON CONFLICT ON CONSTRAINT missed_look_is_of_one_definition DO UPDATE
            SET fingerprint = excluded.fingerprint, after = excluded.after;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.due_missed(pgslo_catalog.definition) IS
    'Return numbers of stored missed batches to look at: the next ones in turn, and some of those that are new or changed; all are, once the '
    'definition changed. are_left: others of them are left to the next call.';

CREATE OR REPLACE FUNCTION pgslo_catalog.count_unknown(definition pgslo_catalog.definition, rule pgslo_catalog.rule) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $pgslo$
DECLARE
    counted bigint;
BEGIN
    PERFORM pgslo_catalog.pin_table(count_unknown.definition, (count_unknown.definition).recount);
    -- The number of failing ones is not known: all of them may fail.
    EXECUTE format(
        $query$
        WITH counted AS MATERIALIZED (
            SELECT coalesce(sum(c.rows), 0)::bigint AS rows FROM unnest(pgslo_gen.%I(NULL, NULL, $1)) AS c WHERE c.batch = 'unknown'
        ), known AS MATERIALIZED (
            SELECT coalesce(sum(f.rows), 0) AS rows, coalesce(sum((f.failures ->> $2)::bigint), 0) AS failed
            FROM pgslo_catalog.fragment f WHERE f.definition_id = $3 AND f.batch = 'unknown'
        ), written AS (
            INSERT INTO pgslo_catalog.fragment (definition_id, batch, place, rows, failures)
            SELECT $3, 'unknown', '-Infinity', c.rows - k.rows, jsonb_build_object($2, c.rows - k.failed)
            FROM counted c CROSS JOIN known k WHERE c.rows > 0
        )
        SELECT c.rows FROM counted c
        $query$, (count_unknown.definition).recount)
    INTO counted
    -- A sample of next to no rows, as none is needed.
    USING (1::bigint << 40) - 1, (count_unknown.rule).name, (count_unknown.definition).definition_id;
    RETURN counted;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.count_unknown(pgslo_catalog.definition, pgslo_catalog.rule) IS
    'Count the rows of an unknown batch from the whole table, and record that they fail a rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.ask_table(
    definition pgslo_catalog.definition, missed pgslo_catalog.missed_batch, claim text, OUT ended_as text, OUT seen pg_snapshot
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $pgslo$
DECLARE
    target pgslo_catalog.definition := ask_table.definition;
    batch text := (ask_table.missed).batch;
    rule pgslo_catalog.rule;
    counted record;
BEGIN
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = (ask_table.missed).rule_id;
    IF rule.scope = 'row' AND target.judge IS NOT NULL AND batch <> 'unknown' THEN
        SELECT c.* INTO counted FROM pgslo_catalog.count_failing(target, rule, batch, (ask_table.missed).place, true) AS c;
        IF counted.rows IS NOT NULL THEN
            seen := counted.seen;
            ended_as := CASE
                WHEN NOT counted.is_judged THEN NULL
                WHEN counted.rows = 0 THEN 'removed'
                WHEN NOT pgslo_catalog.is_missed(rule, counted.rows, counted.failed) THEN 'corrected'
            END;
            IF ended_as IS NULL AND target.recount IS NOT NULL AND target.batch_by IS NOT NULL
                AND (target.writes = 'bulk' AND counted.rows <> counted.recorded
                     OR target.writes = 'stream' AND ask_table.claim = 'removed')
            THEN
                -- The next tick() counts all of it again: the records of its rows differ from the stored rows.
                INSERT INTO pgslo_catalog.due_count (definition_id, batch, place, is_emptied)
                VALUES (target.definition_id, batch, (ask_table.missed).place, false)
                ON CONFLICT ON CONSTRAINT due_count_is_due_once DO NOTHING;
            END IF;
            RETURN;
        END IF;
    END IF;
    -- No row says whether it fails the rule.
    IF ask_table.claim <> 'removed' THEN
        RETURN;
    END IF;
    seen := pg_current_snapshot();
    IF target.recount IS NULL OR target.batch_by IS NULL THEN
        RETURN;
    ELSIF batch = 'unknown' THEN
        ended_as := CASE WHEN pgslo_catalog.count_unknown(target, rule) = 0 THEN 'removed' END;
    ELSE
        PERFORM pgslo_catalog.recount_batches(target, ARRAY[batch], true);
        ended_as := CASE WHEN NOT EXISTS (
            SELECT FROM pgslo_catalog.batch b
            WHERE b.definition_id = target.definition_id AND b.name = (ask_table.missed).batch AND b.rows <> 0) THEN 'removed' END;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.ask_table(pgslo_catalog.definition, pgslo_catalog.missed_batch, text) IS
    'Return how a missed batch ends by the rows of the table, and the snapshot of that; NULL if it is '
    'still missed, or cannot be determined. claim: the verdict by sums.';
