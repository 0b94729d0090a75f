-- Hold a table until the transaction ends; an error if its reader would run code of another role than the table's owner.
SELECT pgslo_catalog.pin_table(d, d.reader) FROM pgslo_catalog.definition d WHERE d.name = %(definition)s
