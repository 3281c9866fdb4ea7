-- Facts about regions that do not exist, are not accepted or belong to another clip, and facts of
-- clips that are not accepted.
--
-- holds: Every fact is about accepted regions of its own, accepted clip.
-- grain: one offending fact and region
-- key: fact_id, region_id
-- columns:
--   fact_id varchar: the fact
--   clip_id varchar: its clip
--   region_id varchar: the region it names, null when its clip is at fault
with named as (
    select fact_id, clip_id, unnest(region_ids) as region_id
    from stg_facts
)
select n.fact_id, n.clip_id, n.region_id
from named as n
left join stg_regions as r on r.region_id = n.region_id and r.clip_id = n.clip_id
where r.outcome is distinct from 'ok'
union all
select f.fact_id, f.clip_id, null
from stg_facts as f
left join stg_clips as c using (clip_id)
where c.outcome is distinct from 'ok'
order by fact_id, region_id
