-- Accepted clips with regions and without a fact, if no outcome gives a reason or if these are more
-- than half of the clips with regions: one bad clip blocks no shard, a broken measurement does.
--
-- holds: Every accepted clip with regions has facts or a reason; at most half lack facts.
-- grain: one offending clip
-- key: clip_id
-- columns:
--   clip_id varchar: the clip
--   outcome varchar: its recorded outcome, null for none
--   reason varchar: why, where an outcome was recorded
with measurable as (
    select distinct c.clip_id, f.clip_id is null as missing
    from stg_clips as c
    inner join stg_regions as r on r.clip_id = c.clip_id and r.outcome = 'ok'
    left join stg_facts as f on f.clip_id = c.clip_id
    where c.outcome = 'ok'
),
counted as (
    select count(*) as clips, count_if(missing) as without_facts from measurable
)
select m.clip_id, o.outcome, o.reason
from measurable as m
cross join counted as n
left join stg_fact_outcomes as o using (clip_id)
where m.missing and (coalesce(o.outcome, 'ok') = 'ok' or 2 * n.without_facts > n.clips)
order by m.clip_id
