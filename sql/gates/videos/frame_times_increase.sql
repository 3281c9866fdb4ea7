-- Accepted videos whose frame times do not increase strictly, or whose frames do not add up.
--
-- holds: Frame times of every accepted video increase strictly, and its frames add up.
-- grain: one offending video
-- key: video_id
-- columns:
--   video_id varchar: the video
--   n_frames bigint: frames the video claims
--   listed bigint: frames in the table of times
--   out_of_order bigint: frames that are not later than the one before
with times as (
    select
        video_id,
        pts_ns <= lag(pts_ns) over (partition by video_id order by frame_index) as out_of_order
    from stg_video_frames
),
counted as (
    select video_id, count(*) as listed, count_if(out_of_order) as out_of_order
    from times
    group by video_id
)
select
    video_id,
    n_frames,
    coalesce(listed, 0) as listed,
    coalesce(out_of_order, 0) as out_of_order
from stg_videos
left join counted using (video_id)
where outcome = 'ok'
    and (listed is distinct from n_frames or coalesce(out_of_order, 0) > 0)
order by video_id
