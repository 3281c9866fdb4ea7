-- The number of candidate clips, if none of them can be used: nothing can be labelled or asked then.
--
-- holds: At least one clip of the shard is usable.
-- grain: one row, or none
-- key: clips
-- columns:
--   clips bigint: candidate clips
--   reasons varchar[]: why they are left out
select
    count(*) as clips,
    coalesce(list_sort(list(distinct outcome || ': ' || coalesce(reason, 'no reason'))), []) as reasons
from stg_clips
having count(*) filter (outcome = 'ok') = 0
order by clips
