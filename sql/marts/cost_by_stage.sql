-- What each stage has cost so far, and its last run alone.
--
-- grain: one row per stage
-- key: stage
-- columns:
--   stage varchar: the stage
--   materializations bigint: times an instance of it was made
--   wall_s double: wall time of all of them, seconds
--   cpu_s double: processor time of all of them, seconds
--   last_wall_s double: wall time of the last materialization of each instance, seconds
--   nbytes bigint: size of the last version of each instance, bytes
with ranked as (
    select *, row_number() over (partition by instance order by line desc) = 1 as is_last
    from stg_ledger
)
select
    stage,
    count(*) as materializations,
    round(sum(wall_s), 3) as wall_s,
    round(sum(cpu_s), 3) as cpu_s,
    round(sum(wall_s) filter (is_last), 3) as last_wall_s,
    sum(nbytes) filter (is_last)::bigint as nbytes
from ranked
group by stage
order by min(line)
