-- Scripts run with the rights of pgslo's owner in every case, so that new objects belong to it.
DO $pgslo$
BEGIN
    PERFORM pg_catalog.set_config('pgslo.role', pg_catalog.current_setting('role'), true);
    PERFORM pg_catalog.set_config('role', r.rolname, true)
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
    WHERE n.nspname = 'pgslo_catalog' AND r.rolname <> current_user;
END
$pgslo$
