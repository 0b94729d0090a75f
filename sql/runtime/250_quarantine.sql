-- Writing a row that was kept out to its table, after all.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.settings() RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    SELECT array_agg(s.name || '=' || coalesce(s.setting, '') ORDER BY s.name) FROM pg_catalog.pg_settings s
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.settings() IS 'Return every setting of the session.';

CREATE OR REPLACE FUNCTION pgslo.release(quarantine_id bigint, changes jsonb DEFAULT '{}', as_update text[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
-- As the row was written down by record_quarantine.
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 3
SET lc_monetary = 'C'
SET array_nulls = on
AS $pgslo$
DECLARE
    held pgslo_catalog.quarantine;
    target pgslo_catalog.definition;
    columns_then jsonb;
    columns_now jsonb;
    names text[];
    known text[];
    -- Names of columns now by their names then, but for those that were dropped.
    called jsonb;
    -- The columns that an UPDATE changed, by their names now.
    changed text[];
    renamed jsonb;
    unknown text;
    source text;
    written bigint;
    again pgslo_catalog.quarantine;
    newest bigint := coalesce((SELECT max(q.quarantine_id) FROM pgslo_catalog.quarantine q), 0);
    is_update boolean;
    -- An upsert is kept before PostgreSQL looks for the row with its key.
    is_upsert boolean := release.as_update IS NOT NULL;
    key_column text;
    old_key text;
    change text;
    said text;
    about text;
    constraint_name text;
    -- Names of the key's columns now: one may have been renamed since the definition was applied.
    key_names text[];
    table_owner oid;
BEGIN
    SELECT q.* INTO held FROM pgslo_catalog.quarantine q WHERE q.quarantine_id = release.quarantine_id FOR UPDATE;
    IF NOT FOUND OR held.state <> 'held' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('row %s is not held in quarantine', release.quarantine_id),
            DETAIL = CASE WHEN held.state IS NULL THEN 'There is no such row.'
                          ELSE format('It was %s at %s by %s.', held.state, held.decided_at, held.decided_by) END,
            HINT = 'SELECT * FROM pgslo.quarantine;';
    END IF;
    SELECT d.* INTO target FROM pgslo_catalog.definition d WHERE d.definition_id = held.definition_id;
    is_upsert := is_upsert AND held.operation = 'INSERT';
    is_update := held.operation = 'UPDATE' OR is_upsert;
    PERFORM pgslo_catalog.pin_table(target, coalesce(target.writer, target.reader));
    PERFORM pgslo_catalog.check_cursors(target);
    key_names := ARRAY(
        SELECT coalesce(a.attname, k.name)
        FROM unnest(target.key_columns, pgslo_catalog.column_numbers(target.relation, target.key_columns)) WITH ORDINALITY AS k (name, number, place)
        LEFT JOIN pg_attribute a ON a.attrelid = target.relation AND a.attnum = k.number
        ORDER BY k.place);

    SELECT min(k.name) INTO unknown
    FROM jsonb_object_keys(release.changes) AS k (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '');
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('column "%s" of %s does not exist or is generated', unknown, target.name);
    END IF;

    SELECT min(n.name) INTO unknown
    FROM unnest(release.as_update) AS n (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
          AND a.attname <> ALL (key_names));
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('column "%s" of %s cannot be updated', unknown, target.name),
            DETAIL = 'It does not exist, is generated, or belongs to the key.';
    END IF;
    unknown := NULL;
    -- With the rights of its owner, if that is another role.
    IF target.writer IS NULL THEN
        -- So that no session adds a trigger between this check and the write.
        EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', target.relation);
    END IF;
    table_owner := (SELECT c.relowner FROM pg_class c WHERE c.oid = target.relation);
    unknown := pgslo_catalog.strange_code(target.relation, is_update, table_owner);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s', release.quarantine_id),
            DETAIL = format('In %s, %s; its code would run with the rights of role %s.', target.name, unknown,
                            quote_ident(pg_get_userbyid(table_owner))),
            HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; '
                          'write it by hand and discard this one.', release.quarantine_id);
    END IF;
    IF is_update AND held.old_key IS NULL AND NOT is_upsert THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('cannot determine the row of %s that row %s updates', target.name, release.quarantine_id),
            DETAIL = 'A key column was renamed or dropped, and the definition was not applied again, before the row was written.',
            HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; write it by hand and discard this one.',
                          release.quarantine_id);
    END IF;
    -- The key determines the row that is written. The steward decides about the quarantined row, not about another one.
    SELECT k.name INTO key_column FROM unnest(key_names) WITH ORDINALITY AS k (name, ordinal) WHERE release.changes ? k.name ORDER BY k.ordinal LIMIT 1;
    IF key_column IS NOT NULL AND (is_update OR NOT has_table_privilege(pgslo_catalog.caller(), target.relation, 'INSERT')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot change key column "%s" of a row in quarantine', key_column),
            DETAIL = CASE WHEN is_update THEN 'The row is an update of the row with its key.'
                          ELSE format('Only roles with INSERT on %s may give the row another key.', target.name) END,
            HINT = 'Release it with its key, or discard it: pgslo.discard(id).',
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1),
            COLUMN = key_column;
    END IF;

    columns_now := pgslo_catalog.columns_of(held.relation);
    columns_then := held.columns;
    IF columns_then #> '{0,2}' <> columns_now #> '{0,2}' THEN
        -- It came out of a dump, or its table was re-created, which numbers tables and columns again: only names identify them.
        SELECT jsonb_agg(jsonb_build_array(n.said -> 0, w.said -> 1) ORDER BY w.ordinal), min(w.said ->> 1) FILTER (WHERE n.said IS NULL)
        INTO columns_then, unknown
        FROM jsonb_array_elements(held.columns) WITH ORDINALITY AS w (said, ordinal)
        LEFT JOIN jsonb_array_elements(columns_now) AS n (said) ON n.said -> 1 = w.said -> 1;
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('row %s does not fit %s any more', release.quarantine_id, target.name),
                DETAIL = format('The table was restored from a dump or re-created, and has no column "%s" any more; its new name cannot be determined.',
                                unknown),
                HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; write it by hand and discard this one.',
                              release.quarantine_id);
        END IF;
    END IF;

    -- Numbers are those of the relation that the row was written to, which may be a partition.
    SELECT jsonb_object_agg(w.said ->> 1, coalesce(a.attname, w.said ->> 1)) INTO called
    FROM jsonb_array_elements(columns_then) AS w (said)
    LEFT JOIN pg_attribute a ON a.attrelid = held.relation AND a.attnum = (w.said ->> 0)::smallint
    WHERE a.attisdropped IS NOT TRUE;

    -- The text form is exact, and read by place; it fits as long as the columns are the same, by whatever names.
    known := ARRAY(SELECT c ->> 1 FROM jsonb_array_elements(columns_now) AS c);
    IF jsonb_path_query_array(columns_then, '$[*][0]') = jsonb_path_query_array(columns_now, '$[*][0]') THEN
        BEGIN
            -- A literal, which the row type reads itself: casts of text to it may be its owner's.
            change := format('SELECT %L::%s IS NULL', held.image_text, held.relation);
            IF target.reader IS NULL THEN
                EXECUTE change;
            ELSE
                EXECUTE format('SELECT FROM pgslo_gen.%I($1) AS n (is_null boolean)', target.reader) USING change;
            END IF;
            source := format('jsonb_populate_record(%L::%s, %L::jsonb)', held.image_text, held.relation, release.changes);
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE = 'SL004' THEN
                RAISE;
            END IF;
            source := NULL;  -- A column's type changed, and does not read the old text.
        END;
    END IF;
    IF source IS NULL THEN
        IF held.image IS NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('row %s does not fit %s any more', release.quarantine_id, target.name),
                DETAIL = 'The table''s columns changed since, and the row holds a value that can only be read by place.',
                HINT = format('SELECT image_text FROM pgslo_catalog.quarantine WHERE quarantine_id = %s; write it by hand and discard this one.',
                              release.quarantine_id);
        END IF;
        SELECT array_agg(c.name_now), jsonb_object_agg(c.name_now, held.image -> c.name_then)
        INTO known, renamed
        FROM jsonb_each_text(called) AS c (name_then, name_now);
        source := format('jsonb_populate_record(NULL::%s, %L::jsonb)', target.relation, renamed || release.changes);
    END IF;

    changed := ARRAY(SELECT called ->> c.name FROM unnest(held.changed) AS c (name));
    names := ARRAY(
        SELECT quote_ident(a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          AND (NOT is_update OR a.attidentity <> 'a')
          AND (a.attname = ANY (known) OR release.changes ? a.attname)
          -- Others may have changed the row since, with rights that neither the writer nor the steward has.
          AND (NOT is_update OR is_upsert OR a.attname = ANY (changed) OR release.changes ? a.attname)
          AND (NOT is_upsert OR a.attname <> ALL (key_names) AND (release.as_update = '{}' OR a.attname = ANY (release.as_update)))
        ORDER BY a.attnum);
    IF names = '{}' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('row %s changes no column of %s that can be updated', release.quarantine_id, target.name),
            HINT = 'Discard it: pgslo.discard(id).';
    END IF;
    -- An upsert needs UPDATE on the columns that it sets. Releasing an INSERT as an upsert must not give that right.
    SELECT min(n.name) INTO unknown
    FROM pg_attribute a
    JOIN unnest(names) AS n (name) ON n.name = quote_ident(a.attname)
    WHERE is_upsert AND a.attrelid = target.relation AND a.attnum > 0
      AND NOT coalesce(has_column_privilege((SELECT r.oid FROM pg_roles r WHERE r.rolname = held.writer), target.relation, a.attnum, 'UPDATE'), false)
      AND NOT has_column_privilege(pgslo_catalog.caller(), target.relation, a.attnum, 'UPDATE');
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s as an update of column %s', release.quarantine_id, unknown),
            DETAIL = format('Neither its writer, role %s, nor role %s has UPDATE on it.', quote_ident(held.writer), quote_ident(pgslo_catalog.caller())),
            HINT = 'Name the columns that the writer updates.';
    END IF;

    -- Before the write, whose errors say which keys there are.
    change := CASE WHEN is_update THEN 'UPDATE' ELSE 'INSERT' END;
    unknown := pgslo_catalog.unchecked_policy(target.relation, held.relation, held.writer, held.operation, names);
    IF unknown IS NOT NULL AND pgslo_catalog.may_write(pgslo_catalog.caller(), target.relation, names, change) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s', release.quarantine_id),
            DETAIL = format('PostgreSQL did not check %s: the row was quarantined before.', unknown),
            HINT = format('A role with %s on %s to which no policy applies can release it. Or discard it: pgslo.discard(%s).',
                          change, target.name, release.quarantine_id),
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1);
    END IF;

    IF is_upsert THEN
        SELECT string_agg(CASE WHEN pgslo_catalog.is_plain(a.atttypid) THEN format('t.%1$I = r.%1$I', a.attname)
                               ELSE format('%s = %s', pgslo_catalog.text_of(format('t.%I', a.attname), a.atttypid),
                                           pgslo_catalog.text_of(format('r.%I', a.attname), a.atttypid)) END, ' AND ')
        INTO old_key
        FROM pg_attribute a
        WHERE a.attrelid = target.relation AND a.attname = ANY (key_names) AND a.attnum > 0 AND NOT a.attisdropped;
    ELSIF is_update THEN
        -- The row with the key that it had before: the image may hold another one, and so may the changes.
        -- Which operator compares values of a type that is not PostgreSQL's own, casts decide.
        SELECT CASE WHEN count(*) = count(a.attname) THEN string_agg(format('%s = %L',
                   CASE WHEN pgslo_catalog.is_plain(a.atttypid) THEN format('t.%I', a.attname)
                        ELSE pgslo_catalog.text_of(format('t.%I', a.attname), a.atttypid) END,
                   held.old_key ->> k.name), ' AND ' ORDER BY k.name) FILTER (WHERE a.attname IS NOT NULL) END INTO old_key
        FROM jsonb_object_keys(held.old_key) AS k (name)
        LEFT JOIN pg_attribute a ON a.attrelid = target.relation AND a.attname = called ->> k.name AND a.attnum > 0 AND NOT a.attisdropped;
    END IF;
    IF is_update THEN
        change := format(
            'UPDATE %s AS t SET (%s) = ROW(%s) FROM %s AS r WHERE %s',
            target.relation,
            array_to_string(names, ', '),
            (SELECT string_agg('r.' || n.name, ', ' ORDER BY n.ordinal) FROM unnest(names) WITH ORDINALITY AS n (name, ordinal)),
            source,
            coalesce(old_key, 'false'));
    ELSE
        change := format(
            'INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s AS r',
            target.relation,
            array_to_string(names, ', '),
            (SELECT string_agg('r.' || n.name, ', ' ORDER BY n.ordinal) FROM unnest(names) WITH ORDINALITY AS n (name, ordinal)),
            source);
    END IF;
    BEGIN
        written := pgslo_catalog.write_released(target, change);
    EXCEPTION
    WHEN unique_violation THEN
        GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, about = PG_EXCEPTION_DETAIL, constraint_name = CONSTRAINT_NAME;
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = said,
            DETAIL = about,
            HINT = CASE WHEN is_update THEN ''
                        ELSE format('To update the existing row, as ON CONFLICT DO UPDATE would: pgslo.release(%s, as_update => ''{column}'').',
                                    release.quarantine_id) END,
            SCHEMA = split_part(target.name, '.', 1),
            TABLE = substr(target.name, strpos(target.name, '.') + 1),
            CONSTRAINT = constraint_name;
    WHEN SQLSTATE 'SL004' THEN
        GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, about = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('cannot release row %s', release.quarantine_id),
            DETAIL = format('%s: %s', said, about),
            HINT = format('Write the row as role %s, and discard this one.',
                          (SELECT quote_ident(pg_get_userbyid(c.relowner)) FROM pg_class c WHERE c.oid = target.relation));
    END;

    IF written <> 1 THEN
        SELECT q.* INTO again FROM pgslo_catalog.quarantine q
        WHERE q.quarantine_id > newest AND q.definition_id = held.definition_id ORDER BY q.quarantine_id DESC LIMIT 1;
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('row %s still cannot be written to %s', release.quarantine_id, target.name),
            DETAIL = coalesce(
                (SELECT string_agg(format('%s; rule "%s" expects: %s', reason ->> 'shown', reason ->> 'rule', reason ->> 'promise'), '; ')
                 FROM jsonb_array_elements(again.reasons) reason) || '.',
                CASE WHEN is_upsert THEN format('The row with key %s is not there to be updated.', held.row_key) END,
                format('The row with key %s is not there to be updated.',
                       (SELECT format('(%s) = (%s)', string_agg(k.name, ', ' ORDER BY k.ordinal), string_agg(held.old_key ->> k.name, ', ' ORDER BY k.ordinal))
                        FROM unnest(target.key_columns) WITH ORDINALITY AS k (name, ordinal)))),
            HINT = 'Repair it on the way: pgslo.release(id, ''{"column": value}''), or discard it: pgslo.discard(id).';
    END IF;
    UPDATE pgslo_catalog.quarantine q
    SET state = 'released', decided_at = clock_timestamp(), decided_by = pgslo_catalog.caller(), changes = nullif(release.changes, '{}')
    WHERE q.quarantine_id = release.quarantine_id;
    RETURN format('row %s written to %s', release.quarantine_id, target.name);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.release(bigint, jsonb, text[]) IS
    'Write a quarantined row to its table, with changes if given; every rule evaluates it again. as_update: columns to '
    'set in the row that has its key, {} for all.';
