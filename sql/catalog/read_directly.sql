-- Whether a query over a defined table, which is locked, runs no code but that of the current role, of pgslo's owner and of superusers:
-- planning it runs functions in indexes, constraints and statistics of the table and its parts.
WITH RECURSIVE part AS (
    SELECT d.relation AS relation FROM pgslo_catalog.definition d WHERE d.name = %(definition)s
    UNION
    SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.relation
)
SELECT pg_catalog.bool_and(coalesce(r.rolname = current_user OR r.rolsuper OR r.oid = n.nspowner, false))
       -- It is asked by its name.
       AND pg_catalog.to_regclass(%(table)s) = (SELECT d.relation FROM pgslo_catalog.definition d WHERE d.name = %(definition)s)
       -- Another role may own a function that the table's owner uses.
       AND pgslo_catalog.strange_expression(
           pg_catalog.array_agg(p.relation::oid),
           ARRAY(SELECT t.oid FROM pg_catalog.pg_roles t WHERE t.rolsuper OR t.rolname = current_user
                 UNION SELECT k.nspowner FROM pg_catalog.pg_namespace k WHERE k.nspname = 'pgslo_catalog'),
           0) IS NULL
FROM part p
JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgslo_catalog'
LEFT JOIN pg_catalog.pg_class c ON c.oid = p.relation
LEFT JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
