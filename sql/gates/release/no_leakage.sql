-- Videos and near-duplicate groups with clips in more than one split.
--
-- holds: No video and no near-duplicate group has clips in more than one split.
-- grain: one offending video or group
-- key: kind, id
-- columns:
--   kind varchar: video or group
--   id varchar: the video or group
--   splits varchar[]: splits it appears in
select 'video' as kind, video_id as id, list_sort(list(distinct split)) as splits
from stg_release_clips
group by video_id
having count(distinct split) > 1
union all
select 'group', "group", list_sort(list(distinct split))
from stg_release_clips
group by "group"
having count(distinct split) > 1
order by kind, id
