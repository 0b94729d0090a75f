-- What the planner asks of the server as a whole.
SELECT current_user::text AS "user",
       coalesce((SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgslo_catalog'), current_user)::text AS keeper,
       current_setting('server_version_num')::integer AS server_version,
       ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace) AS schemas,
       ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles) AS roles,
       -- Types that btree_gist brings a not-equal for.
       ARRAY(SELECT DISTINCT format_type(o.opcintype, NULL)
             FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
             JOIN pg_catalog.pg_amop p ON p.amopfamily = o.opcfamily AND p.amoplefttype = o.opcintype AND p.amoprighttype = o.opcintype
             JOIN pg_catalog.pg_operator r ON r.oid = p.amopopr
             WHERE m.amname = 'gist' AND o.opcdefault AND r.oprname = '<>') AS gist_types
