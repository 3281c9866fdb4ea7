-- Held-out questions that an arm did not answer exactly once, and answers to questions that are not
-- held out.
--
-- holds: Every arm answered every held-out question once, and no other.
-- grain: one offending arm and question
-- key: arm, qa_id
-- columns:
--   arm varchar: the arm
--   qa_id varchar: the question
--   answers bigint: answers given
with held_out as (
    select qa_id from stg_release_questions where split = 'test'
),
wanted as (
    select a.arm, h.qa_id
    from (values ('sft'), ('p4d'), ('p4d_first_frame'), ('blind')) as a (arm)
    cross join held_out as h
),
given as (
    select arm, qa_id, count(*) as answers from stg_predictions group by arm, qa_id
)
select arm, qa_id, coalesce(answers, 0) as answers
from wanted
full join given using (arm, qa_id)
where coalesce(answers, 0) <> 1 or qa_id not in (select qa_id from held_out)
order by arm, qa_id
