-- What the server is, as far as it decides where pgslo runs.
SELECT pg_catalog.version() AS version, current_database()::text AS database,
       EXISTS (SELECT FROM pg_catalog.pg_language l WHERE l.lanname = 'plpgsql') AS has_plpgsql,
       -- A setting that a role invents is not listed there.
       EXISTS (SELECT FROM pg_catalog.pg_settings s
               WHERE s.name = 'rds_aurora.limitless_create_table_mode') AS is_limitless,
       ARRAY(SELECT e.extname::text FROM pg_catalog.pg_extension e
             WHERE e.extname IN ('citus', 'timescaledb')) AS extensions
