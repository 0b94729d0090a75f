-- Assertions that do not reject: incidents of groups that break them; what apply declares, and what people ask.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.note_broken(
    judged pgslo_catalog.assertion, keys text[], OUT broken bigint, OUT unjudged text[], OUT error_code text, OUT error_message text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- Halved until those that raise an error are alone: sets of keys from first to last.
    firsts integer[] := ARRAY[1];
    lasts integer[] := ARRAY[cardinality(note_broken.keys)];
    first integer;
    last integer;
    looks integer := 0;
    found bigint;
BEGIN
    broken := 0;
    unjudged := '{}';
    WHILE cardinality(firsts) > 0 LOOP
        first := firsts[cardinality(firsts)];
        last := lasts[cardinality(lasts)];
        firsts := trim_array(firsts, 1);
        lasts := trim_array(lasts, 1);
        IF looks > 1000 THEN
            unjudged := unjudged || note_broken.keys[first:last];
            CONTINUE;
        END IF;
        looks := looks + 1;
        BEGIN
            INSERT INTO pgslo_catalog.broken_group (rule_id, group_key, group_shown, said)
            SELECT (note_broken.judged).rule_id, b.group_key, b.group_shown, b.said
            FROM pgslo_catalog.broken_groups((note_broken.judged).check_function, note_broken.keys[first:last], 10000) AS b;
            GET DIAGNOSTICS found = ROW_COUNT;
            broken := broken + found;
        EXCEPTION WHEN OTHERS THEN
            IF NOT pgslo_catalog.is_of_row(SQLSTATE) AND NOT pgslo_catalog.is_of_moved_schema(SQLSTATE)
                OR pgslo_catalog.is_outdated((note_broken.judged).check_function, SQLSTATE)
            THEN
                RAISE;
            END IF;
            error_code := SQLSTATE;
            error_message := SQLERRM;
            IF first = last THEN
                unjudged := unjudged || note_broken.keys[first];
            ELSE
                firsts := firsts || ARRAY[first, (first + last) / 2 + 1];
                lasts := lasts || ARRAY[(first + last) / 2, last];
            END IF;
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.note_broken(pgslo_catalog.assertion, text[]) IS
    'Note which of these groups break an assertion. unjudged: those for which its query raises an error because of a value, with one of the errors.';

CREATE OR REPLACE FUNCTION pgslo_catalog.judge_assertion(rule_id bigint, keys text[], is_tick boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    judged pgslo_catalog.assertion;
    rule pgslo_catalog.rule;
    about pgslo_catalog.definition;
    day pgslo_catalog.batch;
    first record;
    broken bigint;
    looked_at text[];
    known text[] := ARRAY(SELECT DISTINCT b.group_key FROM pgslo_catalog.broken_group b WHERE b.rule_id = judge_assertion.rule_id);
    noted record;
    named record;
BEGIN
    SELECT a.* INTO judged FROM pgslo_catalog.assertion a WHERE a.rule_id = judge_assertion.rule_id;
    SELECT r.* INTO rule FROM pgslo_catalog.rule r WHERE r.rule_id = judge_assertion.rule_id;
    SELECT d.* INTO about FROM pgslo_catalog.definition d WHERE d.definition_id = rule.definition_id;
    -- Violating groups are read again: a correction by another statement is not noted.
    looked_at := CASE
        WHEN judge_assertion.keys IS NULL OR '*' = ANY (judge_assertion.keys) THEN ARRAY['*']
        ELSE ARRAY(SELECT DISTINCT k.key FROM unnest(judge_assertion.keys || known) AS k (key))
    END;
    BEGIN
        DELETE FROM pgslo_catalog.rule_break b WHERE b.rule_id = judge_assertion.rule_id AND b.batch IS NOT NULL;
        DELETE FROM pgslo_catalog.broken_group b WHERE b.rule_id = judge_assertion.rule_id;
        -- The check itself runs in transactions that write, too.
        PERFORM pgslo_catalog.refuse_code(about.relation, c.relowner) FROM pg_class c WHERE c.oid = about.relation;
        noted := pgslo_catalog.note_broken(judged, looked_at);
        IF noted.unjudged = ARRAY['*'] THEN
            -- Not of all groups at once; those with a known name are evaluated separately.
            looked_at := ARRAY(SELECT DISTINCT k.key FROM unnest(judge_assertion.keys || known) AS k (key) WHERE k.key <> '*' ORDER BY k.key);
            IF looked_at <> '{}' THEN
                named := pgslo_catalog.note_broken(judged, looked_at);
                noted.broken := named.broken;
                noted.unjudged := noted.unjudged || named.unjudged;
            END IF;
            looked_at := ARRAY['*'];
        END IF;
        broken := noted.broken;
        IF noted.unjudged <> '{}' THEN
            -- Readers are warned, and the next tick() reads the group again: the row may be corrected or deleted by then.
            INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (judged.check_function, noted.unjudged);
            PERFORM pgslo_catalog.mark_unjudged(about.name, ARRAY[rule.name], ARRAY[pgslo_catalog.day_of_check()],
                ARRAY[pgslo_catalog.place_of_check()], noted.error_code, noted.error_message);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = 'SL004' THEN
            RAISE;
        ELSIF pgslo_catalog.is_transient(SQLSTATE) THEN
            -- The touched groups are noted again, for the next tick().
            INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (judged.check_function, looked_at);
            PERFORM pgslo_catalog.record_unjudged(about.name, ARRAY[rule.name], ARRAY[pgslo_catalog.day_of_check()],
                ARRAY[pgslo_catalog.place_of_check()], SQLSTATE, SQLERRM);
        ELSE
            PERFORM pgslo_catalog.record_break(about.name, rule.name, SQLSTATE, SQLERRM);
        END IF;
        RETURN NULL;
    END;
    IF broken = 0 AND noted.unjudged <> '{}' THEN
        RETURN NULL;  -- Nothing is known to be met.
    END IF;
    SELECT b.* INTO first FROM pgslo_catalog.broken_group b WHERE b.rule_id = judge_assertion.rule_id ORDER BY b.broken_group_id LIMIT 1;
    day.definition_id := about.definition_id;
    day.name := pgslo_catalog.day_of_check();
    day.place := pgslo_catalog.place_of_check();
    -- Given when the rule is violated, and when it no longer is; a rule that is never violated gets no verdict.
    IF broken > 0 OR EXISTS (SELECT FROM pgslo_catalog.incident i WHERE i.rule_id = judge_assertion.rule_id AND i.over_at IS NULL)
        OR EXISTS (SELECT FROM pgslo_catalog.verdict v WHERE v.rule_id = judge_assertion.rule_id AND v.batch = day.name) THEN
        PERFORM pgslo_catalog.give_verdict(rule, day, CASE WHEN broken > 0 THEN 'missed' ELSE 'met' END, broken::float8, NULL, 0, NULL,
            pgslo_catalog.groups_said(broken, broken > 0 AND first.group_shown IS NULL), judge_assertion.is_tick, first.group_shown);
    END IF;
    RETURN broken;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.judge_assertion(bigint, text[], boolean) IS
    'Evaluate groups, and known violating ones again, as committed; store the day''s verdict and update the incident. '
    'NULL if they cannot be evaluated.';

CREATE OR REPLACE FUNCTION pgslo_catalog.follow_assertions(definition pgslo_catalog.definition) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    noted pgslo_catalog.touched[];
    id bigint;
    touched record;
BEGIN
    WITH taken AS (
        DELETE FROM pgslo_catalog.touched t
        WHERE t.touched_id IN (
            SELECT w.touched_id
            FROM pgslo_catalog.touched w
            WHERE w.check_function IN (
                SELECT a.check_function FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r USING (rule_id)
                WHERE r.definition_id = (follow_assertions.definition).definition_id)
            ORDER BY w.touched_id LIMIT 10000 FOR UPDATE SKIP LOCKED)
        RETURNING t AS row
    )
    SELECT array_agg(t.row) INTO noted FROM taken t;
    FOREACH id IN ARRAY ARRAY(
        SELECT DISTINCT a.rule_id
        FROM unnest(noted) AS t JOIN pgslo_catalog.assertion a ON a.check_function = t.check_function
        WHERE t.keys <> '{}'
        ORDER BY a.rule_id)
    LOOP
        SELECT a.check_function, array_agg(DISTINCT k.key) AS keys INTO touched
        FROM unnest(noted) AS t CROSS JOIN LATERAL unnest(t.keys) AS k (key)
        JOIN pgslo_catalog.assertion a ON a.check_function = t.check_function
        WHERE a.rule_id = id
        GROUP BY a.check_function;
        BEGIN
            PERFORM pgslo_catalog.judge_assertion(id, touched.keys, true);
        EXCEPTION WHEN OTHERS THEN
            -- Noted again for the next time.
            INSERT INTO pgslo_catalog.touched (check_function, keys) VALUES (touched.check_function, touched.keys);
            PERFORM pgslo_catalog.say_left((follow_assertions.definition).name, SQLSTATE, SQLERRM);
        END;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.follow_assertions(pgslo_catalog.definition) IS
    'Evaluate, for tick(), the groups that finished transactions touched of assertions that do not reject.';

-- What apply does.

CREATE OR REPLACE FUNCTION pgslo_catalog.assertion_rule(definition text, assertion text) RETURNS pgslo_catalog.rule
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    found pgslo_catalog.rule;
BEGIN
    SELECT r.* INTO found
    FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
    WHERE d.name = assertion_rule.definition AND r.name = assertion_rule.assertion;
    RETURN found;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.assertion_rule(text, text) IS 'Return the rule of an assertion.';

CREATE OR REPLACE FUNCTION pgslo_catalog.declare_assertion(document jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule := pgslo_catalog.assertion_rule(document ->> 'definition', document ->> 'assertion');
BEGIN
    INSERT INTO pgslo_catalog.assertion AS a (rule_id, check_function, settle_function, enforced, deferred, native, wants_validation, validated_at, fingerprint)
    VALUES (rule.rule_id, document ->> 'function', document ->> 'settle', (document ->> 'enforced')::boolean, (document ->> 'deferred')::boolean,
            (document ->> 'native')::boolean,
            (document ->> 'validated')::boolean AND NOT (document ->> 'native')::boolean,
            CASE WHEN (document ->> 'native')::boolean THEN clock_timestamp() END, document ->> 'fingerprint')
    ON CONFLICT (rule_id) DO UPDATE SET
        check_function = excluded.check_function, settle_function = excluded.settle_function, enforced = excluded.enforced, deferred = excluded.deferred,
        native = excluded.native,
        wants_validation = excluded.wants_validation, validated_at = excluded.validated_at, fingerprint = excluded.fingerprint;
    DELETE FROM pgslo_catalog.assertion_dependency p WHERE p.rule_id = rule.rule_id;
    INSERT INTO pgslo_catalog.assertion_dependency (rule_id, relation, columns, events)
    SELECT rule.rule_id, (w ->> 'relation')::regclass, ARRAY(SELECT jsonb_array_elements_text(w -> 'columns')),
           ARRAY(SELECT jsonb_array_elements_text(w -> 'events'))
    FROM jsonb_array_elements(document -> 'dependencies') AS w;
    -- Existing rows stay: a transaction may have locked one.
    INSERT INTO pgslo_catalog.assertion_guard (check_function, bucket)
    SELECT document ->> 'function', n FROM generate_series(0, (document ->> 'buckets')::integer - 1) AS n
    ON CONFLICT ON CONSTRAINT assertion_guard_is_there_once DO NOTHING;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.declare_assertion(jsonb) IS 'Register an assertion or its newer form: its dependencies, and the guard rows of its groups.';

CREATE OR REPLACE FUNCTION pgslo_catalog.forget_assertion(definition text, assertion text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule := pgslo_catalog.assertion_rule(forget_assertion.definition, forget_assertion.assertion);
BEGIN
    DELETE FROM pgslo_catalog.touched t USING pgslo_catalog.assertion a WHERE a.rule_id = rule.rule_id AND t.check_function = a.check_function;
    DELETE FROM pgslo_catalog.assertion a WHERE a.rule_id = rule.rule_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.forget_assertion(text, text) IS 'Delete the registration of an assertion; its verdicts and incidents stay with its rule.';

CREATE OR REPLACE FUNCTION pgslo_catalog.validate_assertion(definition text, assertion text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    rule pgslo_catalog.rule := pgslo_catalog.assertion_rule(validate_assertion.definition, validate_assertion.assertion);
BEGIN
    IF rule.on_breach = 'reject' THEN
        PERFORM pgslo_catalog.hold_assertion(a.check_function, ARRAY['*']) FROM pgslo_catalog.assertion a WHERE a.rule_id = rule.rule_id;
    ELSE
        PERFORM pgslo_catalog.judge_assertion(rule.rule_id, NULL);
    END IF;
    UPDATE pgslo_catalog.assertion a SET validated_at = clock_timestamp() WHERE a.rule_id = rule.rule_id;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.validate_assertion(text, text) IS 'Check existing rows against an assertion: an error if it rejects, else an incident.';

-- What people ask.

CREATE OR REPLACE FUNCTION pgslo.audit(definition text DEFAULT NULL)
RETURNS TABLE (definition_name text, assertion text, group_shown text, said text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
DECLARE
    id bigint;
    one record;
    is_judged boolean;
BEGIN
    FOREACH id IN ARRAY ARRAY(
        SELECT r.rule_id
        FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE r.retired_at IS NULL AND (audit.definition IS NULL OR d.name = audit.definition)
        ORDER BY d.name, r.rule_id)
    LOOP
        SELECT r.rule_id, r.name AS assertion, d.name AS definition INTO one
        FROM pgslo_catalog.rule r JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
        WHERE r.rule_id = id;
        is_judged := pgslo_catalog.judge_assertion(one.rule_id, NULL) IS NOT NULL;
        IF EXISTS (SELECT FROM pgslo_catalog.rule_break b WHERE b.rule_id = one.rule_id AND b.batch IS NOT NULL) THEN
            RETURN QUERY SELECT one.definition, one.assertion, NULL::text, 'not all groups can be judged'::text;
        ELSIF NOT is_judged THEN
            RETURN QUERY SELECT one.definition, one.assertion, NULL::text, 'it can no longer be judged'::text;
        END IF;
        RETURN QUERY
        SELECT one.definition, one.assertion, b.group_shown, b.said
        FROM pgslo_catalog.broken_group b WHERE b.rule_id = one.rule_id ORDER BY b.broken_group_id;
    END LOOP;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.audit(text) IS
    'Check every group of a table''s assertions, or of all, also for rows that were written with triggers disabled. Reads whole tables. For '
    'stewards: it shows values.';

CREATE OR REPLACE VIEW pgslo.assertion WITH (security_barrier) AS
SELECT d.name AS definition, r.name AS assertion, r.kind AS form, r.on_breach, r.mechanism, r.promise, coalesce(r.owner, d.owner) AS owner,
       a.deferred, a.validated_at, a.wants_validation, r.kind, r.promise AS summary
FROM pgslo_catalog.assertion a JOIN pgslo_catalog.rule r ON r.rule_id = a.rule_id JOIN pgslo_catalog.known_definition d ON d.definition_id = r.definition_id;
COMMENT ON VIEW pgslo.assertion IS 'Rules about several rows or tables: how they are enforced, and since when existing rows are known to satisfy them.';

CREATE OR REPLACE VIEW pgslo.assertion_dependency WITH (security_barrier) AS
SELECT d.name AS definition, r.name AS assertion, p.relation::text AS relation, p.events, p.columns
FROM pgslo_catalog.assertion_dependency p JOIN pgslo_catalog.rule r ON r.rule_id = p.rule_id
JOIN pgslo_catalog.known_definition d ON d.definition_id = r.definition_id;
COMMENT ON VIEW pgslo.assertion_dependency IS 'What can break each assertion: statements on a table, and, for UPDATE, columns whose values matter.';

CREATE OR REPLACE VIEW pgslo.broken_group AS
SELECT d.name AS definition, r.name AS assertion, b.group_shown, b.said, min(b.found_at) AS found_at, b.group_shown AS group_label, b.said AS detail
FROM pgslo_catalog.broken_group b JOIN pgslo_catalog.rule r ON r.rule_id = b.rule_id JOIN pgslo_catalog.definition d ON d.definition_id = r.definition_id
GROUP BY d.name, r.name, b.group_key, b.group_shown, b.said;
COMMENT ON VIEW pgslo.broken_group IS 'Groups that break an assertion, as far as is known. May hold personal data.';
