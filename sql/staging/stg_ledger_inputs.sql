-- What each materialization read: the exact version of every upstream instance.
--
-- grain: one row per materialization and upstream instance
-- key: id, upstream
-- source: ledger/ledger.jsonl
-- columns:
--   id varchar: id of the materialization
--   instance varchar: what was made, stage or stage@shard
--   md5 varchar: the version that was made
--   upstream varchar: what was read, stage or stage@shard
--   upstream_md5 varchar: the version that was read
with found as (
    select
        record ->> '$.id' as id,
        (record ->> '$.stage') || coalesce('@' || (record ->> '$.shard'), '') as instance,
        replace(record ->> '$.md5', 'md5:', '') as md5,
        -- As one map: looking each of a fan-in's hundreds of inputs up would parse the line each time.
        unnest(map_entries((record -> '$.upstream')::map(varchar, varchar))) as read
    from raw.ledger_inputs
    where record ->> '$.kind' = 'materialization'
)
select id, instance, md5, read.key as upstream, replace(read.value, 'md5:', '') as upstream_md5
from found
