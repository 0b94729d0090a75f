-- Another role may have run an earlier migration: objects of that time belong to it, and have to belong to the owner of the schemas.
DO $pgslo$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT t.said, k.nspowner AS keeper
        FROM pg_catalog.pg_namespace k
        JOIN pg_catalog.pg_namespace n ON n.nspname IN ('pgslo', 'pgslo_catalog') OR pg_catalog.obj_description(n.oid, 'pg_namespace') ~ '^pgslo [0-9a-f]{16} '
        CROSS JOIN LATERAL (
            SELECT pg_catalog.format('ROUTINE %s', p.oid::regprocedure), p.proowner, 'pg_catalog.pg_proc'::regclass, p.oid
            FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND n.nspname IN ('pgslo', 'pgslo_catalog')
            UNION ALL
            -- Of guarded views: only its owner, here a superuser, writes the comment of a schema.
            SELECT pg_catalog.format('SCHEMA %I', n.nspname), n.nspowner, 'pg_catalog.pg_namespace'::regclass, n.oid
            WHERE n.nspname NOT IN ('pgslo', 'pgslo_catalog')
              AND (SELECT w.rolsuper FROM pg_catalog.pg_roles w WHERE w.oid = n.nspowner)
            UNION ALL
            SELECT pg_catalog.format(
                       CASE c.relkind
                           WHEN 'v' THEN 'VIEW %s' WHEN 'm' THEN 'MATERIALIZED VIEW %s' WHEN 'c' THEN 'TYPE %s' WHEN 'S' THEN 'SEQUENCE %s' ELSE 'TABLE %s' END,
                       c.oid::regclass), c.relowner, 'pg_catalog.pg_class'::regclass, c.oid
            FROM pg_catalog.pg_class c
            WHERE c.relnamespace = n.oid AND n.nspname IN ('pgslo', 'pgslo_catalog') AND c.relkind IN ('r', 'p', 'v', 'm', 'c', 'S')
              -- That of a column goes with its table.
              AND NOT (c.relkind = 'S' AND EXISTS (
                  SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')))
            UNION ALL
            SELECT pg_catalog.format('TYPE %s', y.oid::regtype), y.typowner, 'pg_catalog.pg_type'::regclass, y.oid
            FROM pg_catalog.pg_type y WHERE y.typnamespace = n.oid AND n.nspname IN ('pgslo', 'pgslo_catalog') AND y.typtype IN ('d', 'e')
        ) AS t (said, owner, class, id)
        JOIN pg_catalog.pg_roles r ON r.oid = t.owner
        WHERE k.nspname = 'pgslo_catalog' AND t.owner <> k.nspowner
          -- Every role that may create in the schema puts a trusted extension there; its functions are a superuser's.
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid
              WHERE e.classid = t.class AND e.objid = t.id AND e.deptype = 'e' AND e.refclassid = 'pg_catalog.pg_extension'::regclass AND x.extname <> 'pgslo')
          -- A function of another role would run with the rights of pgslo's owner.
          AND (r.rolsuper OR pg_catalog.pg_has_role(r.oid, k.nspowner, 'USAGE')) AND pg_catalog.pg_has_role(r.oid, 'USAGE')
    LOOP
        EXECUTE pg_catalog.format('ALTER %s OWNER TO %I', one.said, pg_catalog.pg_get_userbyid(one.keeper));
    END LOOP;
END
$pgslo$
