-- Pairs of accepted clips of one video whose half-open intervals overlap.
--
-- holds: No two accepted clips of a video overlap.
-- grain: one offending pair
-- key: clip_id, other_clip_id
-- columns:
--   clip_id varchar: the earlier clip
--   other_clip_id varchar: the later clip
--   video_id varchar: their video
--   overlap_ns bigint: shared time, nanoseconds
select
    a.clip_id,
    b.clip_id as other_clip_id,
    a.video_id,
    least(a.end_ns, b.end_ns) - b.start_ns as overlap_ns
from stg_clips as a
inner join stg_clips as b
    on a.video_id = b.video_id
    and (a.start_ns, a.clip_id) < (b.start_ns, b.clip_id)
    and b.start_ns < a.end_ns
where a.outcome = 'ok' and b.outcome = 'ok'
order by a.clip_id, b.clip_id
