-- The version of each instance that was published last.
--
-- grain: one row per instance
-- key: instance
-- columns:
--   instance varchar: stage, or stage@shard
--   stage varchar: the stage
--   shard varchar: the shard, null for a stage without shards
--   id varchar: materialization that made it last
--   md5 varchar: data version
--   recorded_at timestamptz: when it was published, UTC
--   git_commit varchar: commit of the code
--   dirty boolean: whether the code differed from that commit
select instance, stage, shard, id, md5, recorded_at, git_commit, dirty
from stg_ledger
qualify row_number() over (partition by instance order by line desc) = 1
order by instance
