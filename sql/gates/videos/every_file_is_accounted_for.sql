-- Landed files without a clear outcome: unknown outcome, no reason for a rejection, no file when ok.
--
-- holds: Every landed file has a clear outcome, and a reason if it is rejected.
-- grain: one offending video
-- key: video_id
-- columns:
--   video_id varchar: the video
--   name varchar: its file name
--   outcome varchar: what the table says
--   reason varchar: and why
select video_id, name, outcome, reason
from stg_videos
where outcome is null
    or outcome not in ('ok', 'filtered', 'rejected', 'failed')
    or (outcome <> 'ok' and coalesce(trim(reason), '') = '')
    or (outcome = 'ok' and (file is null or n_frames is null or duration_ns is null))
order by video_id
