-- How sensitive the learned bounds of a definition are.
SELECT d.sensitivity FROM pgslo_catalog.definition d WHERE d.name = %(definition)s
