-- Teachers that failed on more than half of the clips that they were given: then the teacher is at
-- fault, not the clips.
--
-- holds: Every teacher labelled at least half of the clips that it was given.
-- grain: one offending teacher
-- key: teacher
-- columns:
--   teacher varchar: the teacher
--   labels bigint: clips it was given
--   good bigint: labels that it labelled
select teacher, count(*) as labels, count_if(outcome = 'ok') as good
from stg_labels
group by teacher
having 2 * good < labels
order by teacher
