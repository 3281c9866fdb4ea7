-- Predictions whose score does not follow from the released answer, or that chose no option.
--
-- holds: Every prediction chose an option and is scored by the released answer.
-- grain: one offending prediction
-- key: arm, qa_id
-- columns:
--   arm varchar: the arm
--   qa_id varchar: the question
--   predicted_index bigint: chosen option, from 0
--   answer_index bigint: right option of the release, from 0
--   correct boolean: score in the table
select p.arm, p.qa_id, p.predicted_index, q.answer_index, p.correct
from stg_predictions as p
inner join stg_release_questions as q using (qa_id)
where p.correct is distinct from (p.predicted_index = q.answer_index)
    or p.predicted_index is null
    or p.predicted_index not between 0 and len(q.options) - 1
order by p.arm, p.qa_id
