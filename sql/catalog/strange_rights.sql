-- Rights on the runtime that are not as the library leaves them.
SELECT role::text, kind, privilege, object, is_missing, can_mend FROM pgslo_catalog.strange_rights()
