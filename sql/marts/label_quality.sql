-- Quality of the labels, per teacher and modality, over all shards.
--
-- grain: one row per teacher and modality
-- key: teacher, modality
-- columns:
--   teacher varchar: name of the teacher, such as expert4d or exact
--   modality varchar: depth, flow, motion or rays
--   clips bigint: clips with this label
--   clips_with_truth bigint: clips whose error against exact truth is known
--   not_finite bigint: values that are NaN or infinite
--   coverage double: mean share of valid pixels, 0 to 1
--   depth_absrel double: mean |z - z_true| / z_true
--   depth_delta1 double: share of depths within a factor 1.25
--   flow_epe_px double: mean end-point error, pixels
--   flow_zero_epe_px double: the same error of predicting no flow, pixels
--   motion_iou double: mean intersection over union of moving pixels
--   ray_angle_rad double: mean angle between rays, radians
--   flow_cycle_px double: mean residual of flow against depth and poses, pixels
--   depth_scale_jump double: mean over clips of the largest jump of log depth
select
    teacher,
    modality,
    count(*) as clips,
    count(coalesce(depth_absrel, flow_epe_px, motion_iou, ray_angle_rad)) as clips_with_truth,
    sum(n_nan + n_inf)::bigint as not_finite,
    round(avg(coverage), 6) as coverage,
    round(avg(depth_absrel), 6) as depth_absrel,
    round(avg(depth_delta1), 6) as depth_delta1,
    round(avg(flow_epe_px), 6) as flow_epe_px,
    round(avg(flow_zero_epe_px), 6) as flow_zero_epe_px,
    round(avg(motion_iou), 6) as motion_iou,
    round(avg(ray_angle_rad), 6) as ray_angle_rad,
    round(avg(flow_cycle_px), 6) as flow_cycle_px,
    round(avg(depth_scale_jump), 6) as depth_scale_jump
from stg_label_stats
group by teacher, modality
order by teacher, modality
