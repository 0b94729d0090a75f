-- Messages about these pages, in the order in which they were written down.
SELECT d.delivery_id, d.delivery_key, d.recipient, d.page, d.event, d.incidents, d.queued_at, d.sent_at
FROM pgslo.delivery d
WHERE d.page = ANY (%(pages)s) AND d.sender = coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user)
ORDER BY d.delivery_id
