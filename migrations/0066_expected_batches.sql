-- Batches that were expected and did not come.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE pgslo_catalog.expected_look (
    rule_id bigint NOT NULL
        CONSTRAINT expected_look_is_of_one_rule PRIMARY KEY
        REFERENCES pgslo_catalog.rule ON DELETE CASCADE,
    basis text NOT NULL,
    seen numeric NOT NULL,
    newest numeric NOT NULL,
    slack numeric NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT 'infinity',
    is_known boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE pgslo_catalog.expected_look IS 'How far tick() has looked for batches that did not come, for each rule about that.';
COMMENT ON COLUMN pgslo_catalog.expected_look.basis IS 'What the rule expected then, and how batches were named: if that is another, it begins anew.';
COMMENT ON COLUMN pgslo_catalog.expected_look.seen IS 'The place up to which it was told which batches are missing.';
COMMENT ON COLUMN pgslo_catalog.expected_look.newest IS 'The place of the newest closed batch at the last look.';
COMMENT ON COLUMN pgslo_catalog.expected_look.slack IS 'How far from where it was expected a batch may stand.';
COMMENT ON COLUMN pgslo_catalog.expected_look.due_at IS 'When the next batch is too late, if none is written before.';
COMMENT ON COLUMN pgslo_catalog.expected_look.is_known IS 'Whether it is known when batches come.';

-- Tables that learn already expect batches as well, without another apply.
INSERT INTO pgslo_catalog.rule (definition_id, name, kind, columns, on_breach, samples, mechanism, promise, scope, measure, warn_high, met_before_resolve)
SELECT r.definition_id, 'learned_batches', 'learned', '{}', 'warn', 0, 'at close', 'batches that come when they usually do', 'batch',
       '{"from": "learned", "form": "batches"}', 0, 5
FROM pgslo_catalog.rule r
JOIN pgslo_catalog.definition d USING (definition_id)
WHERE r.name = 'learned' AND r.kind = 'learned' AND r.retired_at IS NULL AND d.batch_by IS NOT NULL AND NOT d.place_is_number
ON CONFLICT DO NOTHING;
INSERT INTO pgslo_catalog.rule_lock (rule_id)
SELECT r.rule_id FROM pgslo_catalog.rule r WHERE r.name = 'learned_batches'
ON CONFLICT ON CONSTRAINT rule_lock_is_of_one_rule DO NOTHING;
