-- Videos whose id is not derived from their content hash, or that appear twice.
--
-- grain: one offending video
-- key: video_id
-- columns:
--   video_id varchar: the video
--   sha256 varchar: its content hash
--   copies bigint: rows with this id
select video_id, min(sha256) as sha256, count(*) as copies
from stg_videos
group by video_id
having copies > 1
    or video_id is null
    or min(sha256) is null
    or video_id <> 'vid_' || left(min(sha256), 16)
order by video_id
