-- Materializations: which version of which artifact was made, when, from which code, at what cost.
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
--   package_version varchar: version of p4d, null if version 0.1 recorded it
--   environment varchar: digest of the installed packages
--   environment_lock varchar: SHA-256 of the lock they were installed from, null if unknown
--   nbytes bigint: size, bytes
--   nfiles bigint: files
--   wall_s double: wall time of the computation, seconds
--   cpu_s double: processor time of the computation, seconds
--   run_id varchar: run that made it
--   metrics json: the stage's own numbers
with found as (
    select
        row_number() over () as line,
        -- All at once: each path that is looked up parses the record again.
        from_json(record, '{
            "id": "VARCHAR", "at": "TIMESTAMPTZ", "stage": "VARCHAR", "shard": "VARCHAR",
            "md5": "VARCHAR", "path": "VARCHAR", "code_version": "VARCHAR",
            "fingerprint": {"code_version": "VARCHAR", "params_digest": "VARCHAR"},
            "git": {"commit": "VARCHAR", "dirty": "BOOLEAN"},
            "package": {"version": "VARCHAR"}, "env": "VARCHAR",
            "env_lock": "VARCHAR",
            "nbytes": "BIGINT", "nfiles": "BIGINT",
            "cost": {"wall_s": "DOUBLE", "cpu_s": "DOUBLE"},
            "run_id": "VARCHAR", "metrics": "JSON"
        }') as r
    from raw.ledger
    where record ->> '$.kind' = 'materialization'
)
select
    r.id as id,
    line,
    r.at as recorded_at,
    r.stage || coalesce('@' || r.shard, '') as instance,
    r.stage as stage,
    r.shard as shard,
    replace(r.md5, 'md5:', '') as md5,
    r.path as path,
    coalesce(r.code_version, r.fingerprint.code_version) as code_version,
    r.fingerprint.params_digest as params_digest,
    r.git.commit as git_commit,
    r.git.dirty as dirty,
    r.package.version as package_version,
    r.env as environment,
    r.env_lock as environment_lock,
    r.nbytes as nbytes,
    r.nfiles as nfiles,
    r.cost.wall_s as wall_s,
    r.cost.cpu_s as cpu_s,
    r.run_id as run_id,
    r.metrics as metrics
from found
