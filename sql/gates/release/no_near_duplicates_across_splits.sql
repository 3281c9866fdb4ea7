-- Pairs of released clips in different splits whose perceptual hashes are as near as the release
-- promises to keep in one split. Compares the hashes, not the groups that the release recorded.
--
-- holds: No two clips of different splits are near duplicates by their hashes.
-- grain: one offending pair
-- key: clip_id, other_clip_id
-- columns:
--   clip_id varchar: a clip
--   other_clip_id varchar: its near duplicate
--   split varchar: split of the one
--   other_split varchar: split of the other
--   bits bigint: bits in which their hashes differ
with hashed as (
    select distinct r.clip_id, r.split, ('0x' || c.phash)::ubigint as phash
    from stg_release_clips as r
    inner join stg_clips as c using (clip_id)
    where c.phash is not null
)
select
    a.clip_id,
    b.clip_id as other_clip_id,
    a.split,
    b.split as other_split,
    bit_count(xor(a.phash, b.phash))::bigint as bits
from hashed as a
inner join hashed as b on a.clip_id < b.clip_id and a.split <> b.split
-- A release without a promise fails: every pair is within 64 bits.
where bit_count(xor(a.phash, b.phash))
    <= coalesce((select max(duplicate_hamming_bits) from stg_releases), 64)
order by a.clip_id, b.clip_id
