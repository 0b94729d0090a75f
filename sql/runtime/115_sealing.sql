-- Values that a session carries from one trigger to the next, and that its role may not read.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION pgslo_catalog.sealed(context text, value text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    -- No two values are sealed with one key: else two texts with the same context would show how they differ.
    nonce text := concat(extract(epoch FROM clock_timestamp()), '-', pg_backend_pid());
    -- Eight spaces or more at the end show whether it was opened with its own key.
    plain bytea := convert_to(rpad(sealed.value, (length(sealed.value) + 39) / 32 * 32), 'SQL_ASCII');
    secret text;
    bits text := '';
BEGIN
    SELECT s.value INTO secret FROM pgslo_catalog.secret s;
    FOR n IN 0..length(plain) / 32 - 1 LOOP
        bits := concat(bits, ('x' || encode(sha256(convert_to(concat_ws(' ', secret, nonce, n, sealed.context), 'SQL_ASCII')), 'hex'))::bit(256)
            # ('x' || encode(substr(plain, 1 + n * 32, 32), 'hex'))::bit(256));
    END LOOP;
    RETURN concat(nonce, ' ', bits);
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.sealed(text, text) IS
    'Return an ASCII text as only pgslo reads it, and only with the same context: XOR with hashes of pgslo''s secret.';

CREATE OR REPLACE FUNCTION pgslo_catalog.opened(context text, seal text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $pgslo$
DECLARE
    nonce text := split_part(opened.seal, ' ', 1);
    bits text := split_part(opened.seal, ' ', 2);
    secret text;
    block bit(256);
    hex text := '';
BEGIN
    -- Any role may have written it.
    IF opened.seal IS NULL OR length(bits) % 256 <> 0 OR opened.seal !~ '^[0-9.]+-[0-9]+ [01]+$' THEN
        RETURN NULL;
    END IF;
    SELECT s.value INTO secret FROM pgslo_catalog.secret s;
    FOR n IN 0..length(bits) / 256 - 1 LOOP
        block := ('x' || encode(sha256(convert_to(concat_ws(' ', secret, nonce, n, opened.context), 'SQL_ASCII')), 'hex'))::bit(256)
            # substr(bits, 1 + n * 256, 256)::bit(256);
        hex := concat(hex,
            lpad(to_hex(substring(block FROM 1 FOR 64)::bigint), 16, '0'), lpad(to_hex(substring(block FROM 65 FOR 64)::bigint), 16, '0'),
            lpad(to_hex(substring(block FROM 129 FOR 64)::bigint), 16, '0'), lpad(to_hex(substring(block FROM 193 FOR 64)::bigint), 16, '0'));
    END LOOP;
    IF right(hex, 16) <> '2020202020202020' THEN
        RETURN NULL;
    END IF;
    RETURN rtrim(convert_from(decode(hex, 'hex'), 'SQL_ASCII'));
END
$pgslo$;
COMMENT ON FUNCTION pgslo_catalog.opened(text, text) IS
    'Return the text that was sealed as pgslo_catalog.sealed() does it, with this context; NULL for any other text.';
