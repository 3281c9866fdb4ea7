-- Every version of a model, current or superseded, that derives from a version of the videos that
-- holds a file: what a takedown affects.
--
-- grain: one row per version of a model
-- key: stage, md5
-- parameters:
--   $video_id: the video
-- columns:
--   stage varchar: base_student or a student
--   md5 varchar: data version
--   first_recorded_at timestamptz: when it was first published, UTC
--   published_now boolean: whether it is the version that is published now
--   was_champion boolean: whether a decision made it champion
with recursive reached as (
    select l.instance, l.md5
    from stg_ledger as l
    inner join stg_videos as v on v.shard = l.shard and v.video_id = $video_id
    where
        l.stage = 'videos'
        and (
            v.outcome = 'ok'
            -- A file leaves a shard by a takedown alone: the versions before held it.
            or (
                starts_with(v.reason, 'taken down: ')
                and l.md5 not in (select md5 from current_versions where instance = l.instance)
            )
        )
    union
    select i.instance, i.md5
    from reached as r
    inner join stg_ledger_inputs as i on i.upstream = r.instance and i.upstream_md5 = r.md5
)
select
    l.stage,
    l.md5,
    min(l.recorded_at) as first_recorded_at,
    l.md5 in (select md5 from current_versions where instance = l.stage) as published_now,
    l.md5 in (select champion_md5 from stg_decisions where decision = 'promoted') as was_champion
from reached as r
inner join stg_ledger as l using (instance, md5)
where l.stage = 'base_student' or starts_with(l.stage, 'student_')
group by l.stage, l.md5
order by first_recorded_at, l.stage, l.md5
