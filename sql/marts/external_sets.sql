-- External sets: how many rows are in use, held out, left out and rejected.
--
-- grain: one row per set
-- key: set
-- columns:
--   set varchar: folder below external/
--   licence varchar: as the set states it
--   train bigint: rows that may be trained on
--   held_out bigint: rows of the general set
--   left_out bigint: rows that show a held-out clip
--   rejected bigint: rows and files that are not in order
with placed as (
    select e.set, any_value(e.licence) as licence,
        count(*) filter (where m.split = 'train') as train,
        count(*) filter (where m.split = 'held_out') as held_out,
        count(*) filter (where m.split = 'left_out') as left_out
    from stg_external_rows as e
    left join stg_mixture_rows as m using (row_id)
    group by e.set
),
refused as (select set, count(*) as rejected from stg_external_rejected group by set)
select coalesce(placed.set, refused.set) as set, licence, coalesce(train, 0) as train,
    coalesce(held_out, 0) as held_out, coalesce(left_out, 0) as left_out,
    coalesce(rejected, 0) as rejected
from placed
full join refused on placed.set = refused.set
order by set
