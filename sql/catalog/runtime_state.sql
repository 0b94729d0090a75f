-- How the runtime was installed, and whether its functions have PostgreSQL's rights, EXECUTE for everybody: after a restore without privileges.
SELECT (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'pgslo') AS extension,
       EXISTS (
           SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
           WHERE p.proacl IS NULL AND (n.nspname IN ('pgslo', 'pgslo_catalog') OR n.nspname = 'pgslo_gen' AND p.prosecdef)) AS is_open
