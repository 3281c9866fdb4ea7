-- Every promotion decision, dated by the ledger.
--
-- The decisions of one evaluation and challenger (the rule may have changed between them) are paired
-- in order with the versions of the stage champion that were made from these two.
--
-- grain: one row per decision
-- key: decision_order
-- columns:
--   decision_order bigint: position, from 1
--   recorded_at timestamptz: when the decision was published, UTC; null if the ledger has no record
--   decision varchar: promoted or refused
--   champion_md5 varchar: version of the champion from then on, null for none
--   challenger_md5 varchar: version of the student that was considered
--   evaluation_md5 varchar: version of the evaluation it rests on
--   reasons varchar[]: why
--   try_number bigint: which try against this champion it was, from 1; null in versions that did not count
--   alpha_of_try double: the one-sided error rate it was tested at; null likewise
--   run_id varchar: run that decided
with made as (
    select
        m.md5,
        first(m.recorded_at order by m.line) as recorded_at,
        first(m.run_id order by m.line) as run_id,
        min(m.line) as line,
        any_value(e.upstream_md5) as evaluation_md5,
        any_value(s.upstream_md5) as challenger_md5
    from stg_ledger as m
    inner join stg_ledger_inputs as e on e.id = m.id and e.upstream = 'evaluation'
    inner join stg_ledger_inputs as s on s.id = m.id and s.upstream = 'student_p4d'
    where m.stage = 'champion'
    group by m.md5
),
made_in_order as (
    select *, row_number() over (partition by evaluation_md5, challenger_md5 order by line) as turn
    from made
),
decided as (
    select
        *,
        row_number() over (
            partition by evaluation_md5, challenger_md5 order by decision_order
        ) as turn
    from stg_decisions
)
select
    d.decision_order,
    m.recorded_at,
    d.decision,
    d.champion_md5,
    d.challenger_md5,
    d.evaluation_md5,
    d.reasons,
    d.try_number,
    d.alpha_of_try,
    m.run_id
from decided as d
left join made_in_order as m using (evaluation_md5, challenger_md5, turn)
order by d.decision_order
