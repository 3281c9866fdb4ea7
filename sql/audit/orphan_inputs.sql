-- Inputs on record that no earlier materialization made: gaps in the audit trail. Must be empty.
--
-- grain: one row per materialization and unexplained input
-- key: id, upstream
-- columns:
--   id varchar: the materialization that read it
--   instance varchar: what it made, stage or stage@shard
--   upstream varchar: what it read
--   upstream_md5 varchar: the version it read
select i.id, i.instance, i.upstream, i.upstream_md5
from stg_ledger_inputs as i
anti join input_sources using (id, upstream)
order by i.id, i.upstream
