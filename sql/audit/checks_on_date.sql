-- The checks that stood at an instant: the latest outcome of each check, until then, on the version
-- of each instance that was published then.
--
-- grain: one row per instance and check
-- key: instance, name
-- parameters:
--   $date: an ISO date or timestamp; a date means its first instant, UTC
-- columns:
--   instance varchar: stage, or stage@shard
--   md5 varchar: the version that was published then
--   published_at timestamptz: since when, UTC
--   name varchar: the check; null when this version had not been judged
--   passed boolean: outcome
--   blocking boolean: a failure stops descendants
--   severity varchar: critical or warning
--   recorded_at timestamptz: when it was judged, UTC
with published as (
    select instance, md5, recorded_at
    from stg_ledger
    where recorded_at <= $date::timestamptz
    qualify row_number() over (partition by instance order by line desc) = 1
)
select
    p.instance,
    p.md5,
    p.recorded_at as published_at,
    c.name,
    c.passed,
    c.blocking,
    c.severity,
    c.recorded_at
from published as p
left join stg_checks as c
    on c.instance = p.instance and c.md5 = p.md5 and c.recorded_at <= $date::timestamptz
qualify c.line is null or row_number() over (partition by p.instance, c.name order by c.line desc) = 1
order by p.instance, c.name
