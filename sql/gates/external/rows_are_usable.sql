-- Sets of which more rows are rejected than kept.
--
-- holds: Of every set more rows are kept than rejected.
-- grain: one offending set
-- key: set
-- columns:
--   set varchar: the set
--   kept bigint: rows that are in order
--   rejected bigint: rows and files that are not
with kept as (select set, count(*) as n from stg_external_rows group by set),
rejected as (select set, count(*) as n from stg_external_rejected group by set)
select coalesce(kept.set, rejected.set) as set, coalesce(kept.n, 0) as kept,
    coalesce(rejected.n, 0) as rejected
from kept
full join rejected on kept.set = rejected.set
where coalesce(rejected.n, 0) > coalesce(kept.n, 0)
order by set
