-- A defined table's name as SQL writes it.
SELECT d.relation::regclass::text FROM pgslo_catalog.definition d WHERE d.name = %(definition)s
