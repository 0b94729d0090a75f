-- Objects of other people that stand on pgslo's own schemas.
SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
WHERE c.relnamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen'))
  AND (d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT r.oid FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen'))
    OR d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('pgslo', 'pgslo_catalog', 'pgslo_gen')))
