-- Questions about metres whose facts come from labels of relative scale.
--
-- holds: Every question about metres rests on labels of metric scale.
-- grain: one offending question and fact
-- key: qa_id, fact_id
-- columns:
--   qa_id varchar: the question
--   fact_id varchar: the fact
--   unit varchar: unit of the fact
--   answer_text varchar: the answer that was given
with cited as (
    select qa_id, clip_id, answer_text, unnest(fact_ids) as fact_id
    from stg_questions
)
select c.qa_id, c.fact_id, f.unit, c.answer_text
from cited as c
inner join stg_facts as f using (fact_id, clip_id)
where f.scale_kind = 'relative'
    and (
        regexp_matches(f.unit, '^(c|k|m)?m(\b|/|\^|2|3)')
        or regexp_matches(c.answer_text, '\d\s*(c|k|m)?m(/s(\^2|2)?)?$')
    )
order by c.qa_id, c.fact_id
