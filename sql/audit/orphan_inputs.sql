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
inner join stg_ledger as reader using (id)
where not exists (
    select 1 from stg_ledger as m
    where m.instance = i.upstream and m.md5 = i.upstream_md5 and m.line < reader.line
)
order by i.id, i.upstream
