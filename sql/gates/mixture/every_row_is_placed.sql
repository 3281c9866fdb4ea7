-- External rows without a split, or with an unknown one, or left out without a reason.
--
-- holds: Every external row is trained on, held out, or left out for a reason.
-- grain: one offending row
-- key: row_id
-- columns:
--   row_id varchar: the row
--   split varchar: its split; null: none
select rows.row_id, placed.split
from stg_external_rows as rows
left join stg_mixture_rows as placed using (row_id)
where placed.split is null
    or placed.split not in ('train', 'held_out', 'left_out')
    or (placed.split = 'left_out' and coalesce(trim(placed.reason), '') = '')
order by rows.row_id
