-- Facts in metres measured on labels of relative scale.
--
-- holds: Every fact in metres was measured on labels of metric scale.
-- grain: one offending fact
-- key: fact_id
-- columns:
--   fact_id varchar: the fact
--   kind varchar: what was measured
--   unit varchar: its unit
--   scale_kind varchar: scale of the labels
select fact_id, kind, unit, scale_kind
from stg_facts
where scale_kind is null
    or scale_kind not in ('metric', 'relative')
    or (scale_kind = 'relative' and regexp_matches(unit, '^(c|k|m)?m(\b|/|\^|2|3)'))
order by fact_id
