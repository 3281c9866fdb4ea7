-- Released questions whose clip is not released, whose split or shard is not that of their clip, or
-- whose id repeats.
--
-- holds: Every released question is in the split and shard of its clip, once.
-- grain: one offending question
-- key: qa_id
-- columns:
--   qa_id varchar: the question
--   clip_id varchar: its clip
--   split varchar: split of the question
--   clip_split varchar: split of the clip
select q.qa_id, q.clip_id, q.split, c.split as clip_split
from stg_release_questions as q
left join stg_release_clips as c using (clip_id)
where c.split is distinct from q.split
    or c.shard is distinct from q.shard
    or q.split not in ('train', 'val', 'test')
    or q.qa_id in (select qa_id from stg_release_questions group by qa_id having count(*) > 1)
order by q.qa_id
