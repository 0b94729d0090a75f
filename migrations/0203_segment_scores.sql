-- How far the segments of a batch deviate, so that verdicts about them have a tier.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE pgslo_catalog.segment_profile ADD COLUMN score float8;
COMMENT ON COLUMN pgslo_catalog.segment_profile.score IS
    'The score of the segment with which the batch misses the rule: 1 is at the bound. NULL: that is not known.';
