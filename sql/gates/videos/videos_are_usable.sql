-- Landed files that later stages leave out.
--
-- holds: Every landed file is used: none was filtered, rejected or failed.
-- grain: one video that is not ok
-- key: video_id
-- columns:
--   video_id varchar: the video
--   name varchar: its file name
--   outcome varchar: filtered, rejected or failed
--   reason varchar: why
select video_id, name, outcome, reason
from stg_videos
where outcome <> 'ok'
order by video_id
