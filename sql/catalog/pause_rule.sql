-- Notes that one rule of a definition is switched off for now.
SELECT pgslo_catalog.begin_pause(%(definition)s, %(rule)s)
