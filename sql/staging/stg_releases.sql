-- The manifest of the release.
--
-- grain: one row per release
-- key: release_id
-- source: release/manifest.json
-- columns:
--   release_id varchar: content id of the questions and their splits
--   duplicate_hamming_bits bigint: hashes of clips in different splits differ in more bits
--   copy_bits double: frames of clips in different splits differ in more, on average; null: 13
select
    record ->> '$.release_id' as release_id,
    (record ->> '$.duplicate_hamming_bits')::bigint as duplicate_hamming_bits,
    (record ->> '$.copy_bits')::double as copy_bits
from raw.releases
