-- The role that ran the scripts goes on.
SELECT pg_catalog.set_config('role', pg_catalog.current_setting('pgslo.role'), true)
