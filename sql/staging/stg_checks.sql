-- Recorded checks, each with the exact version that was checked.
--
-- grain: one row per check that was run
-- key: line
-- source: ledger/ledger.jsonl
-- columns:
--   line bigint: order among checks, from 1
--   recorded_at timestamptz: when it was recorded, UTC
--   instance varchar: what was checked, stage or stage@shard
--   stage varchar: the stage
--   shard varchar: the shard, null for a stage without shards
--   md5 varchar: the version that was checked
--   name varchar: name of the check
--   passed boolean: result
--   blocking boolean: a failure blocks descendants
--   severity varchar: critical or warning
--   details json: numbers and a sample of offending rows
--   run_id varchar: run that checked
with found as (
    select
        row_number() over () as line,
        -- All at once: each path that is looked up parses the record again.
        from_json(record, '{
            "at": "TIMESTAMPTZ", "stage": "VARCHAR", "shard": "VARCHAR", "md5": "VARCHAR",
            "name": "VARCHAR", "passed": "BOOLEAN", "blocking": "BOOLEAN", "severity": "VARCHAR",
            "details": "JSON", "run_id": "VARCHAR"
        }') as r
    from raw.checks
    where record ->> '$.kind' = 'check'
)
select
    line,
    r.at as recorded_at,
    r.stage || coalesce('@' || r.shard, '') as instance,
    r.stage as stage,
    r.shard as shard,
    replace(r.md5, 'md5:', '') as md5,
    r.name as name,
    r.passed as passed,
    r.blocking as blocking,
    r.severity as severity,
    r.details as details,
    r.run_id as run_id
from found
