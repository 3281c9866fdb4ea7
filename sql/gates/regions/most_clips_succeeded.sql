-- The share of accepted clips whose regions could not be made, where it is more than half. A clip
-- without anything to mark has not failed.
--
-- holds: Regions were made for at least half of the accepted clips.
-- grain: one row, or none
-- key: clips
-- columns:
--   clips bigint: accepted clips
--   failed bigint: those among them whose regions failed
select count(*) as clips, count_if(o.outcome in ('failed', 'rejected')) as failed
from stg_clips as c
left join stg_region_outcomes as o using (clip_id)
where c.outcome = 'ok'
having 2 * failed > clips
order by clips
