-- Everything the pipeline goes on without, from files to facts, with the reason.
--
-- grain: one row per rejected thing
-- key: stage, id
-- columns:
--   stage varchar: videos, clips, labels, regions or facts
--   id varchar: video, clip, clip and teacher, region, or clip as a whole
--   name varchar: file name, or the id it belongs to
--   outcome varchar: filtered, rejected or failed
--   reason varchar: why
select 'videos' as stage, video_id as id, name, outcome, reason
from stg_videos
where outcome <> 'ok'
union all
select 'clips', clip_id, video_id, outcome, reason from stg_clips where outcome <> 'ok'
union all
select 'labels', clip_id || ' ' || teacher, clip_id, outcome, reason
from stg_labels
where outcome <> 'ok'
union all
select 'regions', region_id, clip_id, outcome, reason from stg_regions where outcome <> 'ok'
union all
select 'regions', clip_id, clip_id, outcome, reason from stg_region_outcomes where outcome <> 'ok'
union all
select 'facts', clip_id, clip_id, outcome, reason from stg_fact_outcomes where outcome <> 'ok'
order by stage, id
