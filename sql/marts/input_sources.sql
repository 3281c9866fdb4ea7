-- Which materialization each input was read from: of those that made the version that was read, the
-- last one before the reader. Equal bytes make any of them right.
--
-- grain: one row per materialization and upstream instance it read; none where the record is lost
-- key: id, upstream
-- columns:
--   id varchar: the materialization that read it
--   upstream varchar: what was read, stage or stage@shard
--   source_id varchar: the materialization that had made it
select i.id, i.upstream, arg_max(m.id, m.line) as source_id
from stg_ledger_inputs as i
inner join stg_ledger as reader using (id)
inner join stg_ledger as m
    on m.instance = i.upstream and m.md5 = i.upstream_md5 and m.line < reader.line
group by i.id, i.upstream
order by i.id, i.upstream
