-- Accepted regions of clips that are not accepted, without pixels, or with a repeated id.
--
-- holds: Every accepted region has pixels, an id of its own and an accepted clip.
-- grain: one offending region
-- key: region_id
-- columns:
--   region_id varchar: the region
--   clip_id varchar: its clip
--   area_px bigint: pixels in the first frame
--   visible_frames bigint: frames in which it is visible
select r.region_id, r.clip_id, r.area_px, r.visible_frames
from stg_regions as r
left join stg_clips as c using (clip_id)
where r.outcome is null
    or (
        r.outcome = 'ok'
        and (
            c.outcome is distinct from 'ok'
            or r.area_px is null or r.area_px <= 0
            or r.visible_frames is null or r.visible_frames <= 0
            or r.region_id in (select region_id from stg_regions group by region_id having count(*) > 1)
        )
    )
order by r.region_id
