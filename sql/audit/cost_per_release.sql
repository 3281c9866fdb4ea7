-- What each version of the release cost: all materializations it derives from, each counted once.
--
-- grain: one row per version of the release
-- key: release_md5
-- columns:
--   release_md5 varchar: version of the release
--   recorded_at timestamptz: when it was first published, UTC
--   materializations bigint: materializations it derives from, itself included
--   wall_s double: their wall time, seconds
--   cpu_s double: their processor time, seconds
--   nbytes bigint: their size, bytes
with recursive releases as (
    select id, md5, recorded_at
    from stg_ledger
    where stage = 'release'
    qualify row_number() over (partition by md5 order by line) = 1
),
trace as (
    select md5 as release_md5, id from releases
    union
    select t.release_md5, s.source_id
    from trace as t
    inner join input_sources as s using (id)
)
select
    r.md5 as release_md5,
    r.recorded_at,
    count(*) as materializations,
    round(sum(l.wall_s), 3) as wall_s,
    round(sum(l.cpu_s), 3) as cpu_s,
    sum(l.nbytes)::bigint as nbytes
from trace as t
inner join releases as r on r.md5 = t.release_md5
inner join stg_ledger as l on l.id = t.id
group by r.md5, r.recorded_at
order by r.recorded_at, r.md5
