-- Media of rows that are trained on and of rows that are held out.
--
-- holds: No medium belongs to a row that is trained on and to one that is held out.
-- grain: one offending medium
-- key: media_id
-- columns:
--   media_id varchar: the medium
--   splits varchar[]: splits of its rows
with used as (select row_id, unnest(media_ids) as media_id from stg_external_rows)
select media_id, list_sort(list(distinct split)) as splits
from used
join stg_mixture_rows using (row_id)
where split <> 'left_out'
group by media_id
having count(distinct split) > 1
order by media_id
