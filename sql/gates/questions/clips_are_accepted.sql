-- Questions about clips that are not accepted, or that name another video than their clip.
--
-- holds: Every question is about an accepted clip and names that clip's video.
-- grain: one offending question
-- key: qa_id
-- columns:
--   qa_id varchar: the question
--   clip_id varchar: its clip
--   video_id varchar: the video it names
select q.qa_id, q.clip_id, q.video_id
from stg_questions as q
left join stg_clips as c using (clip_id)
where c.outcome is distinct from 'ok' or c.video_id is distinct from q.video_id
order by q.qa_id
