-- Checks on record, each with the exact version that it judged.
--
-- grain: one row per check that was run
-- key: line
-- source: ledger/ledger.jsonl
-- columns:
--   line bigint: order among checks, from 1
--   recorded_at timestamptz: when it was recorded, UTC
--   instance varchar: what was judged, stage or stage@shard
--   stage varchar: the stage
--   shard varchar: the shard, null for a stage without shards
--   md5 varchar: the version that was judged
--   name varchar: name of the check
--   passed boolean: outcome
--   blocking boolean: a failure stops descendants
--   severity varchar: critical or warning
--   details json: numbers and a sample of offending rows
--   run_id varchar: run that judged
with found as (
    select record, row_number() over () as line
    from raw.checks
    where record ->> '$.kind' = 'check'
)
select
    line,
    (record ->> '$.at')::timestamptz as recorded_at,
    (record ->> '$.stage') || coalesce('@' || (record ->> '$.shard'), '') as instance,
    record ->> '$.stage' as stage,
    record ->> '$.shard' as shard,
    replace(record ->> '$.md5', 'md5:', '') as md5,
    record ->> '$.name' as name,
    (record ->> '$.passed')::boolean as passed,
    (record ->> '$.blocking')::boolean as blocking,
    record ->> '$.severity' as severity,
    record -> '$.details' as details,
    record ->> '$.run_id' as run_id
from found
