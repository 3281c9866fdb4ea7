-- The manifest of the release.
--
-- grain: one row per release
-- key: release_id
-- source: release/manifest.json
-- columns:
--   release_id varchar: content id of the questions and their splits
--   duplicate_hamming_bits bigint: hashes of clips in different splits differ in more bits
select
    record ->> '$.release_id' as release_id,
    (record ->> '$.duplicate_hamming_bits')::bigint as duplicate_hamming_bits
from raw.releases
