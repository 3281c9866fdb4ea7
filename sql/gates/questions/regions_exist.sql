-- Questions about regions that are not accepted regions of their clip, or whose text names a mark
-- <obj_k> that none of their regions carries. A mark that the clip does not have is valid only if the answer
-- says so.
--
-- holds: Every question is about accepted regions of its clip, and names its marks or absent ones.
-- grain: one offending question and region or mark
-- key: qa_id, region_id, mark
-- columns:
--   qa_id varchar: the question
--   clip_id varchar: its clip
--   region_id varchar: region at fault, null for a mark
--   mark bigint: mark at fault, null for a region
with named as (
    select qa_id, clip_id, unnest(region_ids) as region_id
    from stg_questions
),
marked as (
    select
        qa_id,
        clip_id,
        region_ids,
        answer_text = 'there is no such object' as denied,
        unnest(list_distinct(regexp_extract_all(question, '<obj_(\d+)>', 1)))::bigint as mark
    from stg_questions
),
carried as (
    select
        m.qa_id,
        m.mark,
        count(r.region_id) as in_clip,
        count(*) filter (list_contains(m.region_ids, r.region_id)) as in_question
    from marked as m
    left join stg_regions as r
        on r.clip_id = m.clip_id and r.mark = m.mark and r.outcome = 'ok'
    group by m.qa_id, m.mark
)
select n.qa_id, n.clip_id, n.region_id, null::bigint as mark
from named as n
left join stg_regions as r on r.region_id = n.region_id and r.clip_id = n.clip_id
where r.outcome is distinct from 'ok'
union all
select m.qa_id, m.clip_id, null as region_id, m.mark
from marked as m
inner join carried as c using (qa_id, mark)
where case when m.denied then c.in_clip > 0 else c.in_question = 0 end
order by qa_id, region_id, mark
