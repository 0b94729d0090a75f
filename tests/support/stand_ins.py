"""Stand-ins for the tables and functions of an extension which is not installed."""

#: As Citus 14 has them, without what pgslo does not read.
CITUS = """
SET allow_system_table_mods = on;
INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99999, 'citus', 10, 11, false, '14.0-1');
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", partkey text, colocationid integer, repmodel "char");
CREATE TABLE pg_catalog.pg_dist_local_group (groupid integer);
CREATE TABLE pg_catalog.pg_dist_node (groupid integer, nodename text, nodeport integer, noderole text);
CREATE FUNCTION pg_catalog.column_to_column_name(table_name regclass, column_var_text text) RETURNS text LANGUAGE sql
    AS $$ SELECT attname FROM pg_attribute WHERE attrelid = table_name AND attnum = column_var_text::integer $$;
CREATE FUNCTION pg_catalog.create_distributed_table(table_name regclass, distribution_column text, colocate_with text) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO pg_dist_partition SELECT table_name, 'h', '1', p.colocationid, 's' FROM pg_dist_partition p WHERE p.logicalrelid = colocate_with::regclass $$;
CREATE FUNCTION pg_catalog.create_reference_table(table_name regclass) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO pg_dist_partition VALUES (table_name, 'n', NULL, 4, 't') $$;
CREATE FUNCTION pg_catalog.relation_is_a_known_shard(table_name regclass) RETURNS boolean LANGUAGE sql
    AS $$ SELECT NOT EXISTS (SELECT FROM pg_dist_partition p WHERE p.logicalrelid = table_name) $$;
INSERT INTO pg_dist_local_group VALUES (0);
INSERT INTO pg_dist_node VALUES (0, 'coordinator.example', 5432, 'primary'), (1, 'worker.example', 5433, 'primary');
INSERT INTO pg_dist_partition VALUES
    ('feat.t', 'h', '1', 3, 's'), ('feat.r', 'n', NULL, 4, 't'), ('feat.own', 'n', NULL, 0, 's'), ('feat.tenant', 'n', NULL, 5, 's');
RESET allow_system_table_mods;
"""
