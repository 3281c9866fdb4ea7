-- The number of accepted clips whose regions could not be made, if it is more than half of them. A
-- clip without anything to mark has not failed.
--
-- holds: Regions failed for at most half of the accepted clips.
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
