-- The runtime goes as the extension that it is; RESTRICT, so that nothing of anybody else's goes with it.
DROP EXTENSION pgslo
