-- Perceptual hashes of the frames of usable clips, for finding copies.
--
-- grain: one row per usable clip
-- key: clip_id
-- source: clips/frame_hashes.parquet
-- columns:
--   clip_id varchar: the clip
--   frame_hash varchar[]: of each frame, 64 bits in hex
--   mirrored_hash varchar[]: of each frame, mirrored
select * from raw.frame_hashes
