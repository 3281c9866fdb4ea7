-- Teachers that failed on more than half of the clips they were asked for: the teacher is at fault
-- then, not the clips.
--
-- holds: Every teacher labelled at least half of the clips that it was given.
-- grain: one offending teacher
-- key: teacher
-- columns:
--   teacher varchar: the teacher
--   labels bigint: clips it was asked for
--   good bigint: labels it gave
select teacher, count(*) as labels, count_if(outcome = 'ok') as good
from stg_labels
group by teacher
having 2 * good < labels
order by teacher
