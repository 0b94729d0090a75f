-- The outbox of pgslo watch: a message is written down before it is sent, and again once it was.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo.subscribe(recipient text) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    INSERT INTO pgslo_catalog.recipient (recipient) VALUES (subscribe.recipient) ON CONFLICT ON CONSTRAINT recipient_is_known_once DO NOTHING;
    RETURN (SELECT r.since FROM pgslo_catalog.recipient r WHERE r.recipient = subscribe.recipient);
END
$pgslo$;
COMMENT ON FUNCTION pgslo.subscribe(text) IS
    'Register a recipient, and return since when it is registered; incidents that were over before are not sent to it.';

CREATE OR REPLACE FUNCTION pgslo.watch_deliveries() RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$ SELECT pgslo_catalog.hold_for_session('deliveries of ' || pgslo_catalog.caller()) $pgslo$;
COMMENT ON FUNCTION pgslo.watch_deliveries() IS
    'Become the one session of this role that delivers messages, until it ends: return NULL, or the current one, in words.';

CREATE OR REPLACE FUNCTION pgslo.queue_delivery(
    delivery_key text, recipient text, page bigint, event text, incidents bigint[], subject text, body text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
BEGIN
    IF NOT EXISTS (SELECT FROM pgslo.incident i WHERE i.page = queue_delivery.page AND i.incident_id = ANY (queue_delivery.incidents)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('page %s does not exist', queue_delivery.page),
            DETAIL = 'A message is about incidents that exist, on one page.',
            HINT = 'SELECT page, incident_id FROM pgslo.incident;';
    END IF;
    INSERT INTO pgslo_catalog.delivery (sender, delivery_key, recipient, page, event, incidents, subject, body)
    VALUES (pgslo_catalog.caller(), queue_delivery.delivery_key, queue_delivery.recipient, queue_delivery.page, queue_delivery.event, queue_delivery.incidents,
            queue_delivery.subject, queue_delivery.body)
    ON CONFLICT ON CONSTRAINT delivery_is_made_once DO NOTHING;
    RETURN FOUND;
END
$pgslo$;
COMMENT ON FUNCTION pgslo.queue_delivery(text, text, bigint, text, bigint[], text, text) IS
    'Write a message down to be sent by the caller, once a key and caller, and return whether it is new.';

CREATE OR REPLACE FUNCTION pgslo.begin_delivery(delivery_id bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    UPDATE pgslo_catalog.delivery d
    SET attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + least(interval '1 hour', interval '5 seconds' * 2 ^ least(d.attempts, 20))
    WHERE d.delivery_id = begin_delivery.delivery_id AND d.sent_at IS NULL AND d.sender = pgslo_catalog.caller()
    RETURNING d.attempts
$pgslo$;
COMMENT ON FUNCTION pgslo.begin_delivery(bigint) IS 'Note that a message is about to be sent; NULL if it was sent already, or another role queued it.';

CREATE OR REPLACE FUNCTION pgslo.end_delivery(delivery_id bigint, error text DEFAULT NULL) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $pgslo$
    UPDATE pgslo_catalog.delivery d
    SET sent_at = CASE WHEN end_delivery.error IS NULL THEN clock_timestamp() END, error = left(end_delivery.error, 1000)
    WHERE d.delivery_id = end_delivery.delivery_id AND d.sent_at IS NULL AND d.sender = pgslo_catalog.caller()
$pgslo$;
COMMENT ON FUNCTION pgslo.end_delivery(bigint, text) IS 'Note that a message was sent, or why not; of a message that another role queued, nothing.';

CREATE OR REPLACE VIEW pgslo.delivery AS
SELECT d.delivery_id, d.delivery_key, d.recipient, d.page, d.event, d.incidents, d.subject, d.body, d.queued_at, d.attempts, d.next_attempt_at,
       d.sent_at, d.error, d.sender
FROM pgslo_catalog.delivery d;
COMMENT ON VIEW pgslo.delivery IS 'Messages about incidents, sent and still to be sent.';
