-- Which objects are pgslo's own. Every owner writes the comments of its objects: owners and the registry decide, a comment does not.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE VIEW pgslo_catalog.generated AS
WITH trusted AS (
    -- Roles whose comments are believed: the owner of pgslo, and the applying role, which has the owner's rights.
    SELECT n.nspowner AS role FROM pg_namespace n WHERE n.nspname = 'pgslo_catalog'
    UNION
    SELECT r.oid
    FROM pg_roles r
    JOIN pg_namespace n ON n.nspname = 'pgslo_catalog'
    WHERE r.rolname = current_user AND pg_has_role(r.oid, n.nspowner, 'USAGE')
), listed AS (
    SELECT DISTINCT ON (o.value -> 'kind', o.value -> 'names', o.value -> 'relation')
           d.name AS definition, o.value ->> 'kind' AS kind, o.value -> 'names' AS names, o.value -> 'relation' AS relation,
           o.value ->> 'owner' AS owner
    FROM pgslo_catalog.applied a
    JOIN pgslo_catalog.definition d USING (definition_id)
    CROSS JOIN LATERAL jsonb_array_elements(a.objects) AS o
    ORDER BY o.value -> 'kind', o.value -> 'names', o.value -> 'relation', a.applied_at DESC
), commented AS (
    -- A sentence may come before. No other text of pgslo's comments has a line break, so that the first such line is pgslo's.
    SELECT e.classoid, e.objoid, substr(m.mark, 7, 16) AS fingerprint, substr(m.mark, 24) AS definition
    FROM pg_description e
    CROSS JOIN LATERAL (SELECT substring(left(e.description, 4000) FROM E'(?:^|\n)(pgslo [0-9a-f]{16} .+)$') AS mark) AS m
    -- PostgreSQL has thousands of comments of its own: most need no look for a line.
    WHERE e.objsubid = 0 AND e.description LIKE '%pgslo %' AND m.mark IS NOT NULL
), candidate AS (
    SELECT m.*, 'function' AS kind, p.pronamespace AS schema, p.proname AS name, NULL::oid AS on_relation, p.proowner AS owner,
           p.pronamespace = g.oid AS is_in_place
    FROM commented m
    JOIN pg_proc p ON p.oid = m.objoid
    LEFT JOIN pg_namespace g ON g.nspname = 'pgslo_gen'
    WHERE m.classoid = 'pg_proc'::regclass
    UNION ALL
    SELECT m.*, CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END, c.relnamespace, c.relname, NULL, c.relowner,
           c.relkind = 'v' OR c.relkind = 'r' AND (c.relnamespace = g.oid OR c.relnamespace = to_regnamespace('pgslo') AND starts_with(c.relname, 'told__'))
    FROM commented m
    JOIN pg_class c ON c.oid = m.objoid
    LEFT JOIN pg_namespace g ON g.nspname = 'pgslo_gen'
    WHERE m.classoid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    UNION ALL
    -- An index without a comment was left behind: existing rows stopped its building, or apply was cut off right after it.
    SELECT 'pg_class'::regclass, x.oid, coalesce(m.fingerprint, '0000000000000000'), coalesce(m.definition, d.name),
           'unique_index', x.relnamespace, x.relname, i.indrelid, x.relowner, starts_with(x.relname, 'pgslo__')
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    LEFT JOIN commented m ON m.classoid = 'pg_class'::regclass AND m.objoid = x.oid
    LEFT JOIN pgslo_catalog.definition d ON d.relation = i.indrelid AND starts_with(x.relname, 'pgslo__')
    WHERE (m.objoid IS NOT NULL OR d.name IS NOT NULL)
      -- That of a constraint comes and goes with it. pgslo makes none that is a key, whatever its owner called it.
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid AND k.contype IN ('x', 'p', 'u'))
    UNION ALL
    -- Only its owner may execute a function of pgslo_gen, so no other role can create a trigger that calls it. One that was
    -- renamed fires all the same.
    SELECT m.*, 'trigger', NULL, t.tgname, t.tgrelid, p.proowner,
           p.pronamespace = g.oid AND NOT t.tgisinternal AND t.tgparentid = 0
    FROM commented m
    JOIN pg_trigger t ON t.oid = m.objoid
    JOIN pg_proc p ON p.oid = t.tgfoid
    LEFT JOIN pg_namespace g ON g.nspname = 'pgslo_gen'
    WHERE m.classoid = 'pg_trigger'::regclass
    UNION ALL
    SELECT m.*, CASE k.contype WHEN 'f' THEN 'foreign_key' WHEN 'x' THEN 'exclusion' ELSE 'constraint' END, NULL, k.conname, k.conrelid,
           c.relowner, k.contype IN ('f', 'x') AND k.conparentid = 0
    FROM commented m
    JOIN pg_constraint k ON k.oid = m.objoid
    JOIN pg_class c ON c.oid = k.conrelid
    WHERE m.classoid = 'pg_constraint'::regclass
    UNION ALL
    SELECT m.*, 'schema', NULL, n.nspname, NULL, n.nspowner, true
    FROM commented m
    JOIN pg_namespace n ON n.oid = m.objoid
    WHERE m.classoid = 'pg_namespace'::regclass
    UNION ALL
    -- A guarded view whose comment was overwritten: it was listed, its owner is the same, and it calls a guard.
    SELECT 'pg_class'::regclass, c.oid, '0000000000000000', l.definition, 'view', c.relnamespace, c.relname, NULL, c.relowner, true
    FROM listed l
    JOIN pg_namespace s ON s.nspname = l.names ->> 0
    JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = l.names ->> 1 AND c.relkind = 'v'
    WHERE l.kind = 'view' AND l.owner = pg_get_userbyid(c.relowner)
      AND NOT EXISTS (SELECT FROM commented m WHERE m.classoid = 'pg_class'::regclass AND m.objoid = c.oid)
      AND EXISTS (
          SELECT FROM pg_rewrite w
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_proc'::regclass
          JOIN pg_proc p ON p.oid = d.refobjid AND p.proname IN ('guard', 'guard_healthy', 'say_told')
          JOIN pg_namespace g ON g.oid = p.pronamespace AND g.nspname = 'pgslo'
          WHERE w.ev_class = c.oid)
    UNION ALL
    -- Citus re-creates a table and the objects that depend on it when its shards change, without their comments.
    SELECT 'pg_class'::regclass, c.oid, '0000000000000000', l.definition, 'table', c.relnamespace, c.relname, NULL, c.relowner, true
    FROM listed l
    JOIN pg_namespace g ON g.nspname IN ('pgslo', 'pgslo_gen')
    JOIN pg_class c ON c.relnamespace = g.oid AND c.relname = l.names ->> 0 AND c.relkind = 'r'
    WHERE l.kind = 'table' AND NOT EXISTS (SELECT FROM commented m WHERE m.classoid = 'pg_class'::regclass AND m.objoid = c.oid)
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, '0000000000000000', l.definition, 'trigger', NULL, t.tgname, t.tgrelid, p.proowner, true
    FROM listed l
    JOIN pg_namespace s ON s.nspname = l.relation ->> 0
    JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = l.relation ->> 1
    JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = l.names ->> 0 AND NOT t.tgisinternal AND t.tgparentid = 0
    JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_namespace g ON g.oid = p.pronamespace AND g.nspname = 'pgslo_gen'
    WHERE l.kind = 'trigger' AND starts_with(t.tgname, 'pgslo_')
      AND NOT EXISTS (SELECT FROM commented m WHERE m.classoid = 'pg_trigger'::regclass AND m.objoid = t.oid)
), named AS (
    SELECT c.*,
           CASE WHEN c.kind IN ('view', 'unique_index') OR c.schema IS NOT NULL AND NOT c.is_in_place
                THEN ARRAY[n.nspname::text, c.name::text] ELSE ARRAY[c.name::text] END AS names,
           CASE WHEN o.oid IS NOT NULL THEN ARRAY[s.nspname::text, o.relname::text] END AS relation,
           coalesce(o.relowner, c.owner) AS commenter
    FROM candidate c
    LEFT JOIN pg_namespace n ON n.oid = c.schema
    LEFT JOIN pg_class o ON o.oid = c.on_relation
    LEFT JOIN pg_namespace s ON s.oid = o.relnamespace
)
SELECT n.classoid AS class_id, n.objoid AS object_id, n.kind, n.names, n.relation, n.on_relation, n.fingerprint,
       -- Owners of tables write the comments on dependent objects: the list takes precedence over these comments.
       CASE WHEN n.commenter IN (SELECT t.role FROM trusted t) THEN n.definition ELSE coalesce(l.definition, n.definition) END AS definition,
       pg_get_userbyid(n.owner) AS owner,
       n.is_in_place AND CASE n.kind
           WHEN 'function' THEN true
           WHEN 'table' THEN true
           WHEN 'view' THEN w.is_trusted OR coalesce(l.owner = pg_get_userbyid(n.owner), false)
           WHEN 'schema' THEN w.is_trusted
           WHEN 'trigger' THEN w.is_trusted OR w.is_about
           -- After a restore without pgslo's own rows, the name of the table is all that is known.
           ELSE w.is_about OR w.is_trusted AND array_to_string(n.relation, '.') = n.definition
       END AS is_ours,
       l.definition IS NOT NULL AS is_listed
FROM named n
LEFT JOIN listed l ON l.kind = n.kind AND l.names = to_jsonb(n.names) AND l.relation = coalesce(to_jsonb(n.relation), 'null')
CROSS JOIN LATERAL (
    SELECT n.owner IN (SELECT t.role FROM trusted t) AS is_trusted,
           l.definition IS NOT NULL
               OR EXISTS (SELECT FROM pgslo_catalog.definition d WHERE d.relation = n.on_relation AND d.name = n.definition) AS is_about
) AS w;
COMMENT ON VIEW pgslo_catalog.generated IS 'Objects whose comment says that pgslo generated them, for which definition, and whether that is so (is_ours).';

CREATE OR REPLACE FUNCTION pgslo_catalog.drop_view(view_schema text, view_name text, definition text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    source oid;
    columns text;
    role text;
    mark text;
BEGIN
    SELECT c.oid, substring(left(obj_description(c.oid, 'pg_class'), 4000) FROM E'(?:^|\n)(pgslo [0-9a-f]{16} .+)$') INTO STRICT source, mark
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = drop_view.view_schema AND c.relname = drop_view.view_name AND c.relkind = 'v';
    BEGIN
        EXECUTE format('DROP VIEW %I.%I', drop_view.view_schema, drop_view.view_name);
        RETURN;
    EXCEPTION WHEN dependent_objects_still_exist THEN
        NULL;
    END;
    -- Any reader may make an object that depends on it, also in pg_temp: it must keep neither a rule nor the end of a right away.
    FOREACH role IN ARRAY ARRAY(
        SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
        FROM pg_class c
        CROSS JOIN LATERAL (
            SELECT e.grantee FROM aclexplode(c.relacl) AS e
            UNION ALL
            SELECT e.grantee FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) AS e WHERE a.attrelid = c.oid) AS x
        WHERE c.oid = source AND x.grantee <> c.relowner)
    LOOP
        EXECUTE format('REVOKE ALL ON %I.%I FROM %s CASCADE', drop_view.view_schema, drop_view.view_name, role);
    END LOOP;
    SELECT string_agg(format('CAST(NULL AS %s)%s AS %I', format_type(a.atttypid, a.atttypmod),
               CASE WHEN l.oid IS NOT NULL THEN format(' COLLATE %I.%I', n.nspname, l.collname) ELSE '' END, a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
    BEGIN
        -- It no longer depends on the table or pgslo, and reading it raises an error with the reason: the text cannot become a boolean.
        EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS SELECT %s WHERE concat(%L)::boolean', drop_view.view_schema, drop_view.view_name, columns,
            format('pgslo replaced the view %I.%I; this is the former view, kept because other objects depend on it',
                   drop_view.view_schema, drop_view.view_name));
    EXCEPTION
        WHEN lock_not_available THEN
            RAISE;
        WHEN invalid_table_definition OR insufficient_privilege OR not_null_violation OR check_violation THEN
            -- A type of another role may not allow it. The view stays as it is, and no role may read it.
            NULL;
    END;
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', drop_view.view_schema, drop_view.view_name,
        'A guarded view that was replaced. No role may read it; it is kept because other objects depend on it, and the apply after these are '
        || E'dropped removes it.\n'
        || coalesce(mark, 'pgslo 0000000000000000 ' || drop_view.definition));
    EXECUTE format('ALTER VIEW %I.%I RENAME TO %I', drop_view.view_schema, drop_view.view_name, 'pgslo_aside_' || source);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.drop_view(text, text, text) IS
    'Drop a guarded view; where other objects depend on it, take it from everybody, empty it and rename it out of the '
    'way. Runs with the rights of the role that applies.';
