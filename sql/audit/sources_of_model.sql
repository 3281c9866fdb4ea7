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
with recursive trace as (
    select id, 0::bigint as depth
    from stg_ledger
    where starts_with(md5, $md5)
    union
    select s.source_id, t.depth + 1
    from trace as t
    inner join input_sources as s using (id)
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
