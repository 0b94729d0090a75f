-- Facts about tables, by name: %(names)s is an array of schema and name pairs, as jsonb.
WITH wanted AS (
    SELECT c.oid, n.nspname AS schema_name, c.relname AS name, c.relkind, c.reltuples, c.relispartition, c.relrowsecurity, c.relowner,
           pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
           CASE WHEN n.nspowner <> c.relowner AND NOT s.rolsuper AND s.rolname <> 'pg_database_owner' THEN s.rolname::text ELSE '' END AS schema_owner,
           (SELECT pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
            FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_namespace k ON k.nspname = 'pgslo_catalog'
            WHERE r.oid = k.nspowner OR k.nspowner IS NULL AND r.rolname = current_user) AS keeper_reads
    FROM jsonb_array_elements(%(names)s::jsonb) AS w
    JOIN pg_catalog.pg_namespace n ON n.nspname = w ->> 0
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1
    JOIN pg_catalog.pg_roles s ON s.oid = n.nspowner
), used AS (
    SELECT DISTINCT a.atttypid AS oid
    FROM wanted w JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
), typed AS MATERIALIZED (
    -- Once for each type: of many tables with many columns, most are of a few.
    SELECT u.oid, jsonb_build_object(
                'base_type', pg_catalog.format_type(t.oid, NULL), 'type_schema', tn.nspname, 'category', t.typcategory,
                'has_equality', EXISTS (SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
                                        WHERE m.amname IN ('btree', 'hash') AND o.opcdefault
                                          AND (o.opcintype = t.oid OR o.opcintype = CASE WHEN t.typcategory = 'S' THEN 'text'::regtype WHEN t.typcategory = 'A' THEN 'anyarray'::regtype
                                                                                     WHEN t.typtype = 'e' THEN 'anyenum'::regtype WHEN t.typtype = 'r' THEN 'anyrange'::regtype WHEN t.typtype = 'm' THEN 'anymultirange'::regtype END)),
                'has_order', EXISTS (SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
                                     WHERE m.amname = 'btree' AND o.opcdefault
                                       AND (o.opcintype = t.oid OR o.opcintype = CASE t.typcategory WHEN 'E' THEN 'anyenum'::regtype WHEN 'S' THEN 'text'::regtype END)),
                -- Built-in types alone are in pg_catalog and of the bootstrap superuser; the array of a type is in its schema.
                'plain', tn.nspname = 'pg_catalog' AND t.typowner = 10 AND t.typtype IN ('b', 'r', 'm'),
                -- The owner of the table is one, too: triggers and their functions belong to pgslo's owner.
                'stranger', (
                    WITH RECURSIVE part AS (
                        SELECT u.oid
                        UNION
                        SELECT p.oid
                        FROM part
                        JOIN pg_catalog.pg_type d ON d.oid = part.oid
                        CROSS JOIN LATERAL (
                            SELECT d.typbasetype WHERE d.typtype = 'd'
                            UNION ALL SELECT d.typelem WHERE d.typcategory = 'A'
                            UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid = d.oid
                            UNION ALL SELECT g.rngtypid FROM pg_catalog.pg_range g WHERE g.rngmultitypid = d.oid
                            UNION ALL SELECT f.atttypid FROM pg_catalog.pg_attribute f
                                      WHERE d.typtype = 'c' AND f.attrelid = d.typrelid AND f.attnum > 0 AND NOT f.attisdropped
                        ) AS p (oid)
                    )
                    SELECT o.rolname
                    FROM part
                    JOIN pg_catalog.pg_type d ON d.oid = part.oid
                    JOIN pg_catalog.pg_roles o ON o.oid = d.typowner
                    WHERE NOT o.rolsuper AND o.rolname <> current_user
                      AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgslo_catalog' AND n.nspowner = o.oid)
                    ORDER BY o.rolname
                    LIMIT 1),
                'fields', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                      'name', f.attname, 'base_type', pg_catalog.format_type(f.atttypid, NULL), 'category', ft.typcategory,
                                      'plain', fn.nspname = 'pg_catalog' AND ft.typowner = 10 AND ft.typtype IN ('b', 'r', 'm')) ORDER BY f.attnum), '[]')
                           FROM pg_catalog.pg_attribute f
                           JOIN pg_catalog.pg_type ft ON ft.oid = f.atttypid JOIN pg_catalog.pg_namespace fn ON fn.oid = ft.typnamespace
                           WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped),
                -- Members of the extension, written in C and of a superuser, beside the type: no other role can replace them.
                'vector', CASE WHEN t.typname IN ('vector', 'halfvec') AND 3 = (
                    SELECT count(*)
                    FROM pg_catalog.pg_extension e
                    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
                    LEFT JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid
                    WHERE e.extname = 'vector'
                      AND (d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid
                           OR p.pronamespace = t.typnamespace
                              AND (p.proname = t.typname || '_to_float4' AND p.proargtypes::text = pg_catalog.concat_ws(' ', t.oid, 23, 16)
                                   OR p.proname = CASE t.typname WHEN 'vector' THEN 'vector_norm' ELSE 'l2_norm' END AND p.proargtypes::text = t.oid::text)
                              AND (SELECT l.lanname = 'c' FROM pg_catalog.pg_language l WHERE l.oid = p.prolang)
                              AND (SELECT o.rolsuper FROM pg_catalog.pg_roles o WHERE o.oid = p.proowner))) THEN t.typname ELSE '' END) AS facts
     FROM used u
     CROSS JOIN LATERAL (
         -- A domain is judged by the type below it.
         WITH RECURSIVE below AS (
             SELECT d.oid, d.typbasetype, d.typtype FROM pg_catalog.pg_type d WHERE d.oid = u.oid
             UNION ALL
             SELECT d.oid, d.typbasetype, d.typtype FROM below b JOIN pg_catalog.pg_type d ON d.oid = b.typbasetype WHERE b.typtype = 'd'
         )
         SELECT b.oid FROM below b WHERE b.typtype <> 'd'
     ) own
     JOIN pg_catalog.pg_type t ON t.oid = own.oid
     JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
)
SELECT w.schema_name::text, w.name::text, w.relkind::text AS kind, w.reltuples::bigint AS rows, w.relispartition AS is_partition, w.relrowsecurity AS row_security, w.oid::bigint AS number,
    coalesce(left(pg_catalog.obj_description(w.oid, 'pg_class'), 2000), '') AS comment,
    w.owner, w.schema_owner, w.keeper_reads,
    parts.of_others AS foreign_parts, parts.elsewhere AS foreign_tables,
    (SELECT coalesce(jsonb_agg(y.facts || jsonb_build_object(
                'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                'type_number', a.atttypid::bigint, 'comment', coalesce(left(pg_catalog.col_description(w.oid, a.attnum), 2000), ''), 'not_null', a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum AND NOT k.convalidated),
                'generated', a.attgenerated) ORDER BY a.attnum), '[]')
     FROM pg_catalog.pg_attribute a
     JOIN typed y ON y.oid = a.atttypid
     WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    ARRAY(SELECT a.attname::text
          FROM pg_catalog.pg_index i CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
          WHERE i.indrelid = w.oid AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place) AS primary_key,
    ARRAY(SELECT DISTINCT a.attname::text
          FROM pg_catalog.pg_partition_tree(CASE WHEN w.relkind = 'p' THEN w.oid END) t
          JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.relid CROSS JOIN unnest(p.partattrs::smallint[]) AS k (attnum)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum ORDER BY 1) AS partition_key,
    code.of_keys AS key_code, code.lent AS lent_code,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('columns', x.columns, 'unique', x.indisunique, 'whole', x.whole, 'method', x.amname, 'nulls_same', x.nulls_same) ORDER BY x.indexrelid), '[]')
     FROM (SELECT i.indexrelid, i.indisunique, i.indpred IS NULL AS whole, m.amname,
                  -- PostgreSQL 15 and later.
                  coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_same,
                  (SELECT jsonb_agg(a.attname ORDER BY k.place) FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, place)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts) AS columns
           FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
           JOIN pg_catalog.pg_am m ON m.oid = x.relam
           WHERE i.indrelid = w.oid AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL
             -- By the names that pgslo gives, with a comment of pgslo's or none: a comment alone takes no index away.
             AND NOT (x.relname ~ '^pgslo__'
                      AND coalesce(pg_catalog.obj_description(i.indexrelid, 'pg_class'), 'pgslo 0000000000000000 ') ~ '^pgslo [0-9a-f]{16} ')) x) AS indexes,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'columns', (SELECT jsonb_agg(a.attname ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place)
                            JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
                'table', (SELECT jsonb_build_array(tn.nspname, tc.relname) FROM pg_catalog.pg_class tc JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace WHERE tc.oid = f.confrelid),
                'to', (SELECT jsonb_agg(a.attname ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place)
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum)) ORDER BY f.oid), '[]')
     FROM pg_catalog.pg_constraint f
     -- A key that is NOT ENFORCED, from PostgreSQL 18 on, keeps nothing, nor does one whose triggers are disabled, also on a part alone.
     WHERE f.conrelid = w.oid AND f.contype = 'f' AND coalesce((pg_catalog.to_jsonb(f) ->> 'conenforced')::boolean, true)
       AND NOT EXISTS (
           WITH RECURSIVE parts AS (SELECT f.oid UNION ALL SELECT k.oid FROM parts JOIN pg_catalog.pg_constraint k ON k.conparentid = parts.oid)
           SELECT FROM parts JOIN pg_catalog.pg_trigger x ON x.tgconstraint = parts.oid WHERE x.tgenabled IN ('D', 'R'))
       -- Nor is one of pgslo's, which a plan drops that does not know its name.
       AND coalesce(pg_catalog.obj_description(f.oid, 'pg_constraint'), '') !~ '^pgslo [0-9a-f]{16} ') AS foreign_keys,
    ARRAY(SELECT g.tgname::text FROM pg_catalog.pg_trigger g
          JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace
          WHERE g.tgrelid = w.oid AND NOT g.tgisinternal AND s.nspname <> 'pgslo_gen' AND g.tgenabled <> 'D'
            AND g.tgtype & 1 = 1 AND g.tgtype & 2 = 2 AND g.tgtype & (4 | 16) <> 0 ORDER BY g.tgname) AS before_row_triggers,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
     FROM pg_catalog.pg_partition_tree(CASE WHEN w.relkind = 'p' THEN w.oid END) p
     JOIN pg_catalog.pg_class c ON c.oid = p.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE p.relid <> w.oid AND c.relkind IN ('r', 'p')) AS partitions,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(n.nspname, c.relname) ORDER BY h.inhseqno), '[]')
     FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE h.inhrelid = w.oid) AS parents,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
     FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE h.inhparent = w.oid AND NOT c.relispartition) AS children
FROM wanted w
CROSS JOIN LATERAL (
    WITH RECURSIVE below AS (
        SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = w.oid
        UNION
        SELECT h.inhrelid FROM below b JOIN pg_catalog.pg_inherits h ON h.inhparent = b.inhrelid
    )
    -- A role that can act as the owner needs no code of the part for that. From PostgreSQL 16 on, not every member can.
    SELECT coalesce(jsonb_agg(jsonb_build_array(n.nspname, c.relname, r.rolname) ORDER BY n.nspname, c.relname)
                    FILTER (WHERE NOT pg_catalog.pg_has_role(
                        c.relowner, w.relowner,
                        CASE WHEN pg_catalog.current_setting('server_version_num')::integer < 160000
                            THEN 'MEMBER' ELSE 'SET, USAGE' END)), '[]') AS of_others,
           coalesce(jsonb_agg(jsonb_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname)
                    FILTER (WHERE c.relkind = 'f'), '[]') AS elsewhere
    FROM below b
    JOIN pg_catalog.pg_class c ON c.oid = b.inhrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
) AS parts
-- Code of roles that are neither superusers nor the owner of the table or of pgslo, nor the current role.
CROSS JOIN LATERAL (
    WITH RECURSIVE below AS (
        SELECT w.oid AS relid
        UNION
        SELECT h.inhrelid FROM below b JOIN pg_catalog.pg_inherits h ON h.inhparent = b.relid
    ), calling AS (
        -- Partition keys: PostgreSQL simplifies their expressions with the rights of the role that makes a trigger.
        SELECT 'pg_catalog.pg_class'::regclass AS classid, p.partrelid AS objid, true AS is_key
        FROM pg_catalog.pg_partitioned_table p
        WHERE p.partrelid IN (SELECT b.relid FROM below b
                              UNION ALL SELECT t.relid FROM pg_catalog.pg_partition_ancestors(CASE WHEN w.relispartition THEN w.oid END) t)
        UNION ALL
        -- Generated columns, before PostgreSQL 15.
        SELECT 'pg_catalog.pg_class'::regclass, b.relid, false FROM below b
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid, false FROM pg_catalog.pg_index i JOIN below b ON b.relid = i.indrelid
        UNION ALL
        SELECT 'pg_catalog.pg_constraint'::regclass, k.oid, false FROM pg_catalog.pg_constraint k JOIN below b ON b.relid = k.conrelid
        UNION ALL
        SELECT 'pg_catalog.pg_attrdef'::regclass, a.oid, false FROM pg_catalog.pg_attrdef a JOIN below b ON b.relid = a.adrelid
        UNION ALL
        SELECT 'pg_catalog.pg_statistic_ext'::regclass, s.oid, false FROM pg_catalog.pg_statistic_ext s JOIN below b ON b.relid = s.stxrelid
    )
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(pg_catalog.pg_describe_object(k.classid, k.objid, 0), r.rolname)) FILTER (WHERE g.is_key), '[]') AS of_keys,
           coalesce(jsonb_agg(DISTINCT jsonb_build_array(pg_catalog.pg_describe_object(g.classid, g.objid, 0), r.rolname))
                    FILTER (WHERE NOT g.is_key AND k.owner <> w.relowner), '[]') AS lent
    FROM calling g
    JOIN pg_catalog.pg_depend d ON d.classid = g.classid AND d.objid = g.objid AND (d.objsubid = 0 OR NOT g.is_key)
    CROSS JOIN LATERAL (
        SELECT f.tableoid, f.oid, f.proowner FROM pg_catalog.pg_proc f
        WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.refobjid
        UNION ALL
        SELECT o.tableoid, o.oid, n.owner
        FROM pg_catalog.pg_operator o LEFT JOIN pg_catalog.pg_proc f ON f.oid = o.oprcode
        CROSS JOIN LATERAL (VALUES (o.oprowner), (f.proowner)) AS n (owner)
        WHERE d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
        UNION ALL
        -- Its constraints may call functions.
        SELECT t.tableoid, t.oid, t.typowner FROM pg_catalog.pg_type t
        WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND t.oid = d.refobjid AND t.typtype = 'd' AND d.objsubid = 0
    ) AS k (classid, objid, owner)
    JOIN pg_catalog.pg_roles r ON r.oid = k.owner
    WHERE NOT r.rolsuper AND r.rolname <> current_user
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgslo_catalog' AND n.nspowner = r.oid)
) AS code
