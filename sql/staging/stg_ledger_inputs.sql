-- What each materialization read: the exact version of every upstream artifact.
--
-- grain: one row per materialization and upstream artifact
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
        -- Keys and values apart, in one order: ten times as fast as a map of them.
        json_keys(record, '$.upstream') as upstreams,
        record ->> '$.upstream.*' as upstream_md5s
    from raw.ledger_inputs
    where record ->> '$.kind' = 'materialization'
),
each as (
    select id, instance, md5, unnest(upstreams) as upstream, unnest(upstream_md5s) as upstream_md5
    from found
)
select id, instance, md5, upstream, replace(upstream_md5, 'md5:', '') as upstream_md5 from each
