-- Accepted clips that are empty, leave their video, or sample frames outside their own interval or
-- frames that the video does not have.
--
-- holds: Every accepted clip lies inside its video, and samples frames of its own interval.
-- grain: one offending clip
-- key: clip_id
-- columns:
--   clip_id varchar: the clip
--   video_id varchar: its video
--   start_ns bigint: start, nanoseconds
--   end_ns bigint: end, exclusive, nanoseconds
--   problem varchar: what is wrong
with spans as (
    select video_id, min(pts_ns) as first_ns, max(pts_ns) as last_ns
    from stg_video_frames
    group by video_id
),
sampled as (
    select
        clip_id,
        video_id,
        unnest(frame_index) as frame_index,
        unnest(frame_pts_ns) as pts_ns
    from stg_clips
    where outcome = 'ok'
),
shown_at_start as (
    -- A sample is the frame that is shown at its instant, so the first may be older than the clip.
    select c.clip_id, max(f.pts_ns) as pts_ns
    from stg_clips as c
    inner join stg_video_frames as f
        on f.video_id = c.video_id and f.pts_ns <= c.start_ns + 1
    group by c.clip_id
),
unknown_frames as (
    select distinct s.clip_id
    from sampled as s
    left join stg_video_frames as f using (video_id, frame_index, pts_ns)
    where f.video_id is null
),
checked as (
    select
        c.clip_id,
        c.video_id,
        c.start_ns,
        c.end_ns,
        case
            when c.start_ns is null or c.end_ns is null or c.end_ns <= c.start_ns
                then 'the interval is empty'
            when s.video_id is null or c.start_ns not between s.first_ns and s.last_ns
                then 'the interval begins outside the video'
            -- The duration of the last frame is an estimate: up to half a mean frame, 50 ms at most,
            -- may be missing.
            when c.end_ns > s.first_ns + v.duration_ns + least(5e8 / v.fps_mean, 50000000) + 1000000
                then 'the interval ends after the video'
            when len(c.frame_index) = 0 or len(c.frame_index) <> len(c.frame_pts_ns)
                then 'frames and their times do not match'
            when list_min(c.frame_pts_ns) < a.pts_ns or list_max(c.frame_pts_ns) >= c.end_ns
                then 'a frame lies outside the interval'
            when c.clip_id in (select clip_id from unknown_frames)
                then 'a frame is not in the video'
        end as problem
    from stg_clips as c
    left join stg_videos as v using (video_id)
    left join spans as s using (video_id)
    left join shown_at_start as a using (clip_id)
    where c.outcome = 'ok'
)
select clip_id, video_id, start_ns, end_ns, problem
from checked
where problem is not null
order by clip_id
