-- A defined table's name as SQL writes it, and the function that reads it with its owner's rights, if it belongs to another role than pgslo's owner.
SELECT d.relation::regclass::text, d.reader FROM pgslo_catalog.definition d WHERE d.name = %(definition)s
