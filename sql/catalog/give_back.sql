-- Another role may have run an earlier migration: objects of that time belong to it, and have to belong to the owner of the schemas.
DO $pgslo$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT t.said, t.owner, k.nspowner AS keeper
        FROM pg_catalog.pg_namespace k
        JOIN pg_catalog.pg_namespace n ON n.nspname IN ('pgslo', 'pgslo_catalog')
        CROSS JOIN LATERAL (
            SELECT pg_catalog.format('ROUTINE %s', p.oid::regprocedure), p.proowner
            FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid
            UNION ALL
            SELECT pg_catalog.format(
                       CASE c.relkind WHEN 'v' THEN 'VIEW %s' WHEN 'm' THEN 'MATERIALIZED VIEW %s' WHEN 'c' THEN 'TYPE %s' WHEN 'S' THEN 'SEQUENCE %s' ELSE 'TABLE %s' END,
                       c.oid::regclass), c.relowner
            FROM pg_catalog.pg_class c
            WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'c', 'S')
              -- That of a column goes with its table.
              AND NOT (c.relkind = 'S' AND EXISTS (
                  SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')))
            UNION ALL
            SELECT pg_catalog.format('TYPE %s', y.oid::regtype), y.typowner
            FROM pg_catalog.pg_type y WHERE y.typnamespace = n.oid AND y.typtype IN ('d', 'e')
        ) AS t (said, owner)
        WHERE k.nspname = 'pgslo_catalog' AND t.owner <> k.nspowner
    LOOP
        BEGIN
            EXECUTE pg_catalog.format('ALTER %s OWNER TO %I', one.said, pg_catalog.pg_get_userbyid(one.keeper));
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege',
                MESSAGE = pg_catalog.format('%s belongs to role %I, and pgslo to role %I', one.said,
                                            pg_catalog.pg_get_userbyid(one.owner), pg_catalog.pg_get_userbyid(one.keeper)),
                DETAIL = 'Another role than the owner of pgslo ran an earlier pgslo migrate.',
                HINT = 'Run pgslo migrate as a superuser: it gives all objects of pgslo to its owner.';
        END;
    END LOOP;
END
$pgslo$
