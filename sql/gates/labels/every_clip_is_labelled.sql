-- Accepted clips that a teacher of this shard did not account for, and good labels without
-- statistics. The exact teacher answers only for clips whose truth a label can hold.
--
-- holds: Every teacher accounts for every clip that it can label, and good labels have statistics.
-- grain: one missing label
-- key: clip_id, teacher
-- columns:
--   clip_id varchar: the clip
--   teacher varchar: the teacher
--   problem varchar: what is missing
with wanted as (
    select c.clip_id, t.teacher
    from stg_clips as c
    cross join (
        select 'expert4d' as teacher
        union
        select distinct teacher from stg_labels
    ) as t
    left join stg_truth_parts as p using (clip_id)
    where c.outcome = 'ok'
        and (
            t.teacher <> 'exact'
            or (c.has_truth and p.clip_id is null)
            or list_has_any(p.gives, ['depth', 'flow', 'motion'])
            or (list_contains(p.gives, 'intrinsics') and p.camera_frames = len(c.frame_index))
        )
),
checked as (
    select
        w.clip_id,
        w.teacher,
        case
            when l.clip_id is null then 'no label'
            when l.outcome = 'ok' and not exists (
                select 1 from stg_label_stats as s
                where s.clip_id = w.clip_id and s.teacher = w.teacher
            ) then 'no statistics'
        end as problem
    from wanted as w
    left join stg_labels as l using (clip_id, teacher)
)
select clip_id, teacher, problem
from checked
where problem is not null
order by clip_id, teacher
