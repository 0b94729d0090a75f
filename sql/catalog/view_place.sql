-- A schema in which the role may create a view that is rolled back at once, else NULL.
SELECT CASE WHEN pg_catalog.current_setting('transaction_read_only')::boolean THEN NULL
            WHEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY') THEN 'pg_temp'
            ELSE (SELECT n.nspname::text FROM pg_catalog.pg_namespace n
                  WHERE n.nspname = 'pgslo_gen' AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')) END AS place
