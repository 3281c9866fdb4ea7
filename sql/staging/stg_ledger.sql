-- Materializations: which version of which instance was made, when, from what code, at what cost.
--
-- grain: one row per materialization
-- key: id
-- source: ledger/ledger.jsonl
-- columns:
--   id varchar: id of the materialization
--   line bigint: order among materializations, from 1
--   recorded_at timestamptz: when it was recorded, UTC
--   instance varchar: stage, or stage@shard
--   stage varchar: the stage
--   shard varchar: the shard, null for a stage without shards
--   md5 varchar: data version, without the prefix md5:
--   path varchar: folder, relative to the project
--   code_version varchar: hash of command, parameters and code
--   params_digest varchar: hash of the parameters that were read
--   git_commit varchar: commit that was checked out, null without git
--   dirty boolean: whether the code differed from that commit
--   environment varchar: digest of the installed packages
--   nbytes bigint: size, bytes
--   nfiles bigint: files
--   wall_s double: wall time of the computation, seconds
--   cpu_s double: processor time of the computation, seconds
--   gpu_s double: accelerator time, seconds, null where none was used
--   run_id varchar: run that made it
--   metrics json: the stage's own numbers
with found as (
    select record, row_number() over () as line
    from raw.ledger
    where record ->> '$.kind' = 'materialization'
)
select
    record ->> '$.id' as id,
    line,
    (record ->> '$.at')::timestamptz as recorded_at,
    (record ->> '$.stage') || coalesce('@' || (record ->> '$.shard'), '') as instance,
    record ->> '$.stage' as stage,
    record ->> '$.shard' as shard,
    replace(record ->> '$.md5', 'md5:', '') as md5,
    record ->> '$.path' as path,
    coalesce(record ->> '$.code_version', record ->> '$.fingerprint.code_version') as code_version,
    record ->> '$.fingerprint.params_digest' as params_digest,
    record ->> '$.git.commit' as git_commit,
    (record ->> '$.git.dirty')::boolean as dirty,
    record ->> '$.env' as environment,
    (record ->> '$.nbytes')::bigint as nbytes,
    (record ->> '$.nfiles')::bigint as nfiles,
    (record ->> '$.cost.wall_s')::double as wall_s,
    (record ->> '$.cost.cpu_s')::double as cpu_s,
    (record ->> '$.cost.gpu_s')::double as gpu_s,
    record ->> '$.run_id' as run_id,
    record -> '$.metrics' as metrics
from found
