-- Presentation times of the decoded frames of each source file.
--
-- grain: one row per video and frame
-- key: video_id, frame_index
-- source: videos/frames.parquet
-- columns:
--   video_id varchar: the video
--   frame_index bigint: position in presentation order, from 0
--   pts_ns bigint: presentation time, nanoseconds
select * from raw.video_frames
