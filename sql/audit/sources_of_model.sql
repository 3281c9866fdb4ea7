-- Everything a version of a model derives from, down to the landed videos: the exact versions that
-- were read, by the ledger.
--
-- grain: one row per materialization it derives from
-- key: id
-- parameters:
--   $md5: first digits of the model's data version, without md5:
-- columns:
--   depth bigint: steps upstream of the model, 0 for itself
--   instance varchar: stage, or stage@shard
--   md5 varchar: data version
--   id varchar: materialization
--   recorded_at timestamptz: when it was recorded, UTC
--   code_version varchar: hash of command, parameters and code
--   git_commit varchar: commit of the code
--   checks_passed bigint: checks of this version that passed
--   checks_failed bigint: checks of this version that failed
with recursive made as (
    -- Of equal versions the last one before the reader counts; equal bytes make any of them right.
    select id, line, instance, md5 from stg_ledger
),
trace as (
    select id, line, 0::bigint as depth
    from made
    where starts_with(md5, $md5)
    union
    select m.id, m.line, t.depth + 1
    from trace as t
    inner join stg_ledger_inputs as i on i.id = t.id
    inner join made as m on m.instance = i.upstream and m.md5 = i.upstream_md5 and m.line < t.line
    where not exists (
        select 1 from made as later
        where later.instance = m.instance
            and later.md5 = m.md5
            and later.line > m.line
            and later.line < t.line
    )
),
verdicts as (
    select
        instance,
        md5,
        count_if(passed) as checks_passed,
        count_if(not passed) as checks_failed
    from (
        select * from stg_checks
        qualify row_number() over (partition by instance, md5, name order by line desc) = 1
    )
    group by instance, md5
)
select
    max(t.depth) as depth,
    l.instance,
    l.md5,
    l.id,
    l.recorded_at,
    l.code_version,
    l.git_commit,
    coalesce(any_value(v.checks_passed), 0) as checks_passed,
    coalesce(any_value(v.checks_failed), 0) as checks_failed
from trace as t
inner join stg_ledger as l using (id)
left join verdicts as v using (instance, md5)
group by l.instance, l.md5, l.id, l.recorded_at, l.code_version, l.git_commit
order by depth, l.instance
