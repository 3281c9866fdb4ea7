-- Clips that a teacher could not label.
--
-- holds: Every teacher labelled every clip that it was given.
-- grain: one failed label
-- key: clip_id, teacher
-- columns:
--   clip_id varchar: the clip
--   teacher varchar: the teacher
--   outcome varchar: failed
--   reason varchar: why
select clip_id, teacher, outcome, reason
from stg_labels
where outcome is distinct from 'ok'
order by clip_id, teacher
