-- Everything downstream of a video in what is published now: its clips, questions, splits, and the
-- current versions that were made from its shard.
--
-- grain: one row per thing that depends on the video
-- key: kind, id
-- parameters:
--   $video_id: the video
-- columns:
--   kind varchar: clip, question, or version
--   id varchar: clip_id, qa_id, or stage or stage@shard
--   detail varchar: outcome of the clip, split of the question, md5 of the version
with recursive own_shards as (
    select shard from stg_videos where video_id = $video_id
),
reached as (
    select v.id, v.instance, v.md5
    from current_versions as v
    where v.stage = 'videos' and v.shard in (select shard from own_shards)
    union
    select v.id, v.instance, v.md5
    from reached as r
    inner join stg_ledger_inputs as i on i.upstream = r.instance and i.upstream_md5 = r.md5
    inner join current_versions as v on v.id = i.id
)
select 'clip' as kind, clip_id as id, outcome as detail
from stg_clips
where video_id = $video_id
union all
select 'question', q.qa_id, coalesce(r.split, 'not released')
from stg_questions as q
left join (
    -- Named again, so that only these of all the release's questions are read.
    select qa_id, split from stg_release_questions where video_id = $video_id
) as r using (qa_id)
where q.video_id = $video_id
union all
select 'version', instance, md5 from reached
order by kind, id
