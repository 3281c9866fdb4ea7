-- Accuracy of each arm with its interval and its lead over the blind control.
--
-- grain: one row per arm and category
-- key: arm, category
-- columns:
--   arm varchar: sft, p4d, p4d_first_frame (p4d, shown the first frame alone) or blind
--   category varchar: category, or the slices Average, Static, Dynamic
--   n bigint: questions
--   accuracy double: share answered correctly, 0 to 1
--   low double: lower end of the confidence interval
--   high double: upper end of the confidence interval
--   over_blind double: accuracy less that of the control that sees no video
select
    a.arm,
    a.category,
    a.n,
    a.accuracy,
    a.low,
    a.high,
    round(a.accuracy - b.accuracy, 6) as over_blind
from stg_accuracy as a
left join stg_accuracy as b on b.category = a.category and b.arm = 'blind'
order by a.category, a.arm
