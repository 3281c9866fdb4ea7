-- The checks at an instant: the latest result of each check, until then, on the version of each
-- instance that was published then.
--
-- grain: one row per instance and check
-- key: instance, name
-- parameters:
--   $date: an ISO date, which means its end, so that all of that day counts; or a timestamp, which
--   means that instant. UTC unless it names a zone. As in `p4d champion --on`.
-- columns:
--   instance varchar: stage, or stage@shard
--   md5 varchar: the version that was published then
--   published_at timestamptz: since when, UTC
--   name varchar: the check; null if this version had not been checked
--   passed boolean: outcome
--   blocking boolean: a failure stops descendants
--   severity varchar: critical or warning
--   recorded_at timestamptz: when it was checked, UTC
with until (instant) as (
    select case
        when length($date::varchar) = 10
            then ($date::date + interval 1 day)::timestamptz - interval 1 microsecond
        else $date::timestamptz
    end
),
published as (
    select instance, md5, recorded_at
    from stg_ledger
    where recorded_at <= (select instant from until)
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
    on c.instance = p.instance and c.md5 = p.md5 and c.recorded_at <= (select instant from until)
qualify c.line is null or row_number() over (partition by p.instance, c.name order by c.line desc) = 1
order by p.instance, c.name
