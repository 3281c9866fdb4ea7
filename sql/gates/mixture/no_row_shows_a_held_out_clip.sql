-- Rows in use with a medium that resembles a clip of the val or test split.
--
-- holds: No external row in use shows what a clip of the val or test split shows.
-- grain: one offending row and medium
-- key: row_id, media_id
-- columns:
--   row_id varchar: the row
--   media_id varchar: its medium
--   resembles varchar: the clip
--   resembles_split varchar: its split
with used as (
    select row_id, unnest(media_ids) as media_id
    from stg_external_rows
    where row_id in (select row_id from stg_mixture_rows where split <> 'left_out')
)
select distinct row_id, media_id, resembles, resembles_split
from used
join stg_mixture_media using (media_id)
where resembles_split in ('val', 'test')
order by row_id, media_id
