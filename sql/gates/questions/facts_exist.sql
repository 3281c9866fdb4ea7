-- Questions that cite no fact, a fact that does not exist, or a fact of another clip.
--
-- holds: Every question cites facts, all of them of its own clip.
-- grain: one offending question and fact
-- key: qa_id, fact_id
-- columns:
--   qa_id varchar: the question
--   clip_id varchar: its clip
--   fact_id varchar: the fact it cites, null when it cites none
with cited as (
    select qa_id, clip_id, unnest(fact_ids) as fact_id
    from stg_questions
)
select c.qa_id, c.clip_id, c.fact_id
from cited as c
left join stg_facts as f on f.fact_id = c.fact_id and f.clip_id = c.clip_id
where f.fact_id is null
union all
select qa_id, clip_id, null
from stg_questions
where coalesce(len(fact_ids), 0) = 0
order by qa_id, fact_id
