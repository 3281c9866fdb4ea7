-- Released questions that differ from the question of their shard, or that no shard has.
--
-- grain: one offending question
-- key: qa_id
-- columns:
--   qa_id varchar: the question
--   released varchar: answer in the release
--   composed varchar: answer in the shard, null when the shard has no such question
select r.qa_id, r.answer || ' ' || r.answer_text as released, q.answer || ' ' || q.answer_text as composed
from stg_release_questions as r
left join stg_questions as q using (qa_id)
where (q.clip_id, q.question, q.options, q.answer_index, q.answer, q.answer_text, q.fact_ids)
    is distinct from
    (r.clip_id, r.question, r.options, r.answer_index, r.answer, r.answer_text, r.fact_ids)
order by r.qa_id
