-- The runtime goes; RESTRICT within, so that nothing of anybody else's goes with it.
DROP SCHEMA pgslo_gen, pgslo, pgslo_catalog CASCADE
