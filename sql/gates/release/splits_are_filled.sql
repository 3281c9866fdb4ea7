-- Splits that training and evaluation need and that hold no question.
--
-- holds: The splits that training and evaluation need hold questions.
-- grain: one empty split
-- key: split
-- columns:
--   split varchar: train or test
select wanted.split
from (values ('train'), ('test')) as wanted (split)
left join stg_release_questions as q using (split)
group by wanted.split
having count(q.qa_id) = 0
order by wanted.split
