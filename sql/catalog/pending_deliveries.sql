-- The oldest message of each of these recipients that was not sent yet, where it is time to try: later ones wait for it.
SELECT w.delivery_id, w.delivery_key, w.recipient, w.event, w.subject, w.body, w.incidents, w.page
FROM (
    SELECT DISTINCT ON (d.recipient) d.* FROM pgslo.delivery d
    WHERE d.sent_at IS NULL AND d.recipient = ANY (%(recipients)s)
      AND d.sender = coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user)
    ORDER BY d.recipient, d.delivery_id
) w
WHERE w.next_attempt_at <= clock_timestamp()
ORDER BY w.delivery_id
