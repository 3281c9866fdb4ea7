-- Questions of one clip with the same text and the same options; the release keeps one of them.
--
-- holds: No clip has two questions with the same text and the same options.
-- grain: one repeated question
-- key: qa_id
-- columns:
--   qa_id varchar: the question
--   clip_id varchar: its clip
--   copies bigint: rows with this text
with counted as (
    select
        qa_id,
        clip_id,
        count(*) over (partition by clip_id, question, list_sort(options)) as copies
    from stg_questions
)
select distinct qa_id, clip_id, copies
from counted
where copies > 1
order by qa_id
