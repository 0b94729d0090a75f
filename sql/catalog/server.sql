-- What the planner asks of the server as a whole.
SELECT current_setting('server_version_num')::integer AS server_version,
       ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace) AS schemas,
       ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles) AS roles
