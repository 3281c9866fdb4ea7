-- Candidate clips without a clear outcome, with a repeated id, or cut from a video that is not ok.
--
-- holds: Every candidate clip has one clear outcome and an accepted video.
-- grain: one offending clip
-- key: clip_id
-- columns:
--   clip_id varchar: the clip
--   video_id varchar: its video
--   outcome varchar: what the table says
--   reason varchar: and why
select c.clip_id, c.video_id, c.outcome, c.reason
from stg_clips as c
left join stg_videos as v using (video_id)
where c.outcome is null
    or c.outcome not in ('ok', 'filtered', 'rejected', 'failed')
    or (c.outcome <> 'ok' and coalesce(trim(c.reason), '') = '')
    or (c.outcome = 'ok' and v.outcome is distinct from 'ok')
    or c.clip_id in (select clip_id from stg_clips group by clip_id having count(*) > 1)
order by c.clip_id
