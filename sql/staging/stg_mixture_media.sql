-- Whether external media resemble a clip of the release.
--
-- grain: one row per medium
-- key: media_id
-- source: mixture/media.parquet
-- columns:
--   media_id varchar: the medium
--   resembles varchar: a clip of the release, of the test split if there is one; null: no clip
--   resembles_split varchar: split of that clip
select * from raw.mixture_media
