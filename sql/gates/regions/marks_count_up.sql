-- Clips whose accepted regions are not marked 1, 2, 3, ... without gap or repeat.
--
-- holds: Marks of the accepted regions of a clip are 1, 2, 3 and so on.
-- grain: one offending clip
-- key: clip_id
-- columns:
--   clip_id varchar: the clip
--   marks bigint[]: marks of its accepted regions, sorted
select clip_id, list(mark order by mark) as marks
from stg_regions
where outcome = 'ok'
group by clip_id
having count(distinct mark) <> count(*) or min(mark) <> 1 or max(mark) <> count(*)
order by clip_id
