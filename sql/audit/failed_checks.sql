-- The failed checks of the versions that are published now, with what they found and a sample of the
-- offending rows.
--
-- grain: one row per instance and failed check
-- key: instance, name
-- columns:
--   instance varchar: stage, or stage@shard
--   md5 varchar: the published version
--   name varchar: the check
--   blocking boolean: a failure stops descendants
--   holds varchar: what holds when it passes
--   recorded_at timestamptz: when it was checked, UTC
--   details json: numbers and a sample of offending rows
with latest as (
    select v.instance, v.md5, c.name, c.passed, c.blocking, c.recorded_at, c.details
    from current_versions as v
    inner join stg_checks as c using (instance, md5)
    qualify row_number() over (partition by v.instance, c.name order by c.line desc) = 1
)
select instance, md5, name, blocking, details ->> '$.description' as holds, recorded_at, details
from latest
where not passed
order by blocking desc, instance, name
