-- Videos whose id is not derived from their content hash, or that appear twice. A file that landing
-- rejected unread (too large, a link out of the inbox, an unreadable name) has no hash.
--
-- holds: Every video's id is derived from its content, and no video appears twice.
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
    or bool_or(sha256 is null and outcome is distinct from 'rejected')
    or bool_or(video_id <> 'vid_' || left(sha256, 16))
order by video_id
