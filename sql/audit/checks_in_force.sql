-- The latest outcome of each check on the version of each instance that is published now.
--
-- grain: one row per instance and check
-- key: instance, name
-- columns:
--   instance varchar: stage, or stage@shard
--   md5 varchar: the published version
--   name varchar: the check; null if this version was never checked
--   passed boolean: outcome
--   blocking boolean: a failure stops descendants
--   severity varchar: critical or warning
--   recorded_at timestamptz: when it was checked, UTC
--   details json: numbers and a sample of offending rows
select v.instance, v.md5, c.name, c.passed, c.blocking, c.severity, c.recorded_at, c.details
from current_versions as v
left join stg_checks as c using (instance, md5)
qualify c.line is null or row_number() over (partition by v.instance, c.name order by c.line desc) = 1
order by v.instance, c.name
