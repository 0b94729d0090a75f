-- Let go of the turn of installers.
SELECT pgslo_catalog.free_for_session('install')
