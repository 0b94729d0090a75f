-- The session that has the turn of installers; NULL if this one has it now.
SELECT pgslo_catalog.hold_for_session('install')
