-- Candidate clips that later stages leave out.
--
-- holds: Every candidate clip is used: none was filtered, rejected or failed.
-- grain: one clip that is not ok
-- key: clip_id
-- columns:
--   clip_id varchar: the clip
--   video_id varchar: its video
--   outcome varchar: filtered, rejected or failed
--   reason varchar: why
select clip_id, video_id, outcome, reason
from stg_clips
where outcome <> 'ok'
order by clip_id
