-- Released questions that differ from the question of their shard, or that no shard has. Reviewers
-- may correct text and answer; clip, options and facts stay the same.
--
-- holds: Every released question equals that of its shard, but for what reviewers corrected.
-- grain: one offending question
-- key: qa_id
-- columns:
--   qa_id varchar: the question
--   released varchar: answer in the release
--   composed varchar: answer in the shard, null when the shard has no such question
select r.qa_id, r.answer || ' ' || r.answer_text as released, q.answer || ' ' || q.answer_text as composed
from stg_release_questions as r
left join stg_questions as q on q.qa_id = coalesce(r.fixed_from, r.qa_id)
where (q.clip_id, q.options, q.fact_ids) is distinct from (r.clip_id, r.options, r.fact_ids)
    or (
        r.fixed_from is null
        and (q.question, q.answer_index, q.answer, q.answer_text)
        is distinct from (r.question, r.answer_index, r.answer, r.answer_text)
    )
order by r.qa_id
