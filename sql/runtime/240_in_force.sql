-- Whether the objects that a rule depends on exist and are valid, whichever role created them.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.column_numbers(relation regclass, names text[]) RETURNS smallint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
    -- A column that was renamed since the last apply keeps its number.
    SELECT array_agg(coalesce(a.attnum, known.number) ORDER BY n.place)
    FROM unnest(column_numbers.names) WITH ORDINALITY AS n (name, place)
    LEFT JOIN pg_attribute a ON a.attrelid = column_numbers.relation AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN LATERAL (
        SELECT (c.said ->> 'number')::smallint AS number
        FROM pgslo_catalog.applied p
        JOIN pgslo_catalog.definition d USING (definition_id)
        CROSS JOIN jsonb_array_elements(p.columns) AS c (said)
        WHERE d.relation = column_numbers.relation AND (c.said ->> 'table')::bigint = d.relation::oid::bigint AND c.said ->> 'name' = n.name
        LIMIT 1
    ) AS known ON a.attnum IS NULL
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.column_numbers(regclass, text[]) IS
    'Return numbers of columns by their names in a definition; NULL for one that is not known.';

CREATE OR REPLACE FUNCTION pgslo_catalog.foreign_key_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    numbers smallint[] := pgslo_catalog.column_numbers(foreign_key_fault.relation, ARRAY(SELECT jsonb_array_elements_text(rests_on -> 'columns')));
    -- Not by to_regclass(), which fails for a role without USAGE on the schema.
    target oid := (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = rests_on #>> '{table,0}' AND c.relname = rests_on #>> '{table,1}');
    key record;
BEGIN
    FOR key IN
        WITH RECURSIVE whole AS (
            SELECT k.oid AS root, k.oid FROM pg_constraint k
            WHERE k.conrelid = foreign_key_fault.relation AND k.contype = 'f' AND k.conkey = numbers
              -- A key follows its table when that is renamed.
              AND (target IS NULL OR k.confrelid = target)
            UNION ALL
            SELECT w.root, part.oid FROM whole w JOIN pg_constraint part ON part.conparentid = w.oid
        )
        SELECT quote_ident(k.conname) AS name,
               -- PostgreSQL 18 and later.
               bool_and(coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)) AS is_enforced,
               (SELECT min(g.tgrelid::regclass::text) FROM whole w JOIN pg_trigger g ON g.tgconstraint = w.oid
                WHERE w.root = k.oid AND g.tgenabled NOT IN ('O', 'A')) AS switched_off
        FROM whole w JOIN pg_constraint k ON k.oid = w.root
        GROUP BY k.oid, k.conname
        ORDER BY k.conname
    LOOP
        IF key.is_enforced AND key.switched_off IS NULL THEN
            said := NULL;
            to_do := NULL;
            RETURN;
        END IF;
        said := CASE WHEN key.is_enforced THEN format('triggers of foreign key %s on %s are disabled', key.name, key.switched_off)
                     ELSE format('foreign key %s is NOT ENFORCED', key.name) END;
        to_do := CASE WHEN key.is_enforced THEN format('ALTER TABLE %s ENABLE TRIGGER ALL, as a superuser, or pgslo apply', key.switched_off)
                      ELSE format('ALTER TABLE %s ALTER CONSTRAINT %s ENFORCED, or pgslo apply', foreign_key_fault.relation, key.name) END;
    END LOOP;
    IF said IS NULL THEN
        said := format('no foreign key on (%s) references %I.%I',
            (SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
             FROM jsonb_array_elements_text(rests_on -> 'columns') WITH ORDINALITY AS c (name, place)),
            rests_on #>> '{table,0}', rests_on #>> '{table,1}');
        to_do := 'pgslo apply creates one';
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.foreign_key_fault(regclass, jsonb) IS 'Return why no foreign key enforces a rule, and the remedy; NULL where one does.';

CREATE OR REPLACE FUNCTION pgslo_catalog.native_fault(relation regclass, rests_on jsonb, OUT said text, OUT to_do text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    names text[] := ARRAY(SELECT jsonb_array_elements_text(rests_on -> 'columns'));
    numbers smallint[] := pgslo_catalog.column_numbers(native_fault.relation, names);
BEGIN
    IF array_position(numbers, NULL) IS NOT NULL THEN
        said := format('column %I does not exist', names[array_position(numbers, NULL)]);
        to_do := 'take the rule out of the definition, then pgslo apply';
    ELSIF rests_on ->> 'kind' = 'not_null' THEN
        SELECT format(CASE WHEN a.attnotnull THEN 'NOT NULL of column %I is NOT VALID' ELSE 'column %I accepts NULL' END, a.attname),
               'pgslo apply makes it NOT NULL'
        INTO said, to_do
        FROM pg_attribute a
        WHERE a.attrelid = native_fault.relation AND a.attnum = numbers[1]
          -- PostgreSQL 18 and later: NOT VALID, which rows from before may not satisfy.
          AND (NOT a.attnotnull OR EXISTS (
              SELECT FROM pg_constraint v
              WHERE v.conrelid = a.attrelid AND v.contype = 'n' AND v.conkey[1] = a.attnum AND NOT v.convalidated))
          -- The check in place of the constraint holds for every row that is written.
          AND NOT EXISTS (
              SELECT FROM pg_constraint k
              WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND pg_get_expr(k.conbin, k.conrelid) = format('(%I IS NOT NULL)', a.attname)
                -- PostgreSQL 18 and later.
                AND coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true));
    ELSIF rests_on ->> 'kind' = 'unique' THEN
        IF NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = native_fault.relation AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
              AND i.indpred IS NULL AND i.indexprs IS NULL
              -- PostgreSQL 15 and later.
              AND (rests_on ->> 'nulls' IS DISTINCT FROM 'same' OR (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean)
              AND (SELECT array_agg(k.number ORDER BY k.number) FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
                   WHERE k.place <= i.indnkeyatts)
                = (SELECT array_agg(n.number ORDER BY n.number) FROM unnest(numbers) AS n (number))
        ) THEN
            said := format('no valid unique index%s exists on (%s)', CASE WHEN rests_on ->> 'nulls' = 'same' THEN ' NULLS NOT DISTINCT' ELSE '' END,
                (SELECT string_agg(quote_ident(n.name), ', ' ORDER BY n.place) FROM unnest(names) WITH ORDINALITY AS n (name, place)));
            to_do := 'pgslo apply creates one';
        END IF;
    ELSIF rests_on ->> 'kind' = 'object' THEN
        -- One that was renamed enforces the rule all the same.
        IF NOT EXISTS (
            SELECT FROM pgslo_catalog.generated g LEFT JOIN pg_index i ON g.kind = 'unique_index' AND i.indexrelid = g.object_id
            WHERE g.is_ours AND g.on_relation = native_fault.relation AND g.kind = rests_on #>> '{object,kind}'
              AND (to_jsonb(g.names) = rests_on #> '{object,names}' OR g.fingerprint = rests_on ->> 'fingerprint')
              AND (g.kind <> 'unique_index' OR i.indisunique AND i.indisvalid AND i.indisready)
        ) THEN
            said := format('no valid %s %I exists', CASE rests_on #>> '{object,kind}' WHEN 'exclusion' THEN 'exclusion constraint' ELSE 'unique index' END,
                rests_on #>> '{object,names,-1}');
            to_do := 'pgslo apply creates it';
        END IF;
    ELSIF rests_on ->> 'kind' = 'relations' THEN
        SELECT f.said, 'pgslo plan reports what no longer fits; then pgslo apply' INTO said, to_do
        FROM jsonb_array_elements(rests_on -> 'relations') AS w (reads)
        CROSS JOIN LATERAL (
            SELECT format('%I.%I, which it reads, %s', m.schema_name, m.name, m.said)
            FROM pgslo_catalog.definition d JOIN pgslo_catalog.moved_relation m USING (definition_id)
            WHERE d.relation = native_fault.relation AND m.schema_name = w.reads #>> '{table,0}' AND m.name = w.reads #>> '{table,1}'
            UNION ALL
            SELECT format('column %I of %I.%I, which it reads, was dropped or renamed', k.name, n.nspname, c.relname)
            FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid CROSS JOIN jsonb_array_elements_text(w.reads -> 'columns') AS k (name)
            WHERE n.nspname = w.reads #>> '{table,0}' AND c.relname = w.reads #>> '{table,1}'
              AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped)
        ) AS f (said)
        ORDER BY 1 LIMIT 1;
    ELSE
        SELECT f.said, f.to_do INTO said, to_do FROM pgslo_catalog.foreign_key_fault(native_fault.relation, native_fault.rests_on) AS f;
    END IF;
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.native_fault(regclass, jsonb) IS
    'Return why a rule is not in force that depends on a constraint, an index or other relations, and what to do; NULL where it is.';
