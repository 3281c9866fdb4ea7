-- Facts that are not a measurement: no finite value and no word, no finite sigma, no unit, an
-- interval that ends before it starts (an instant starts and ends at once) or begins long before its
-- clip (the frame shown at the start may be a little older), or a repeated id.
--
-- holds: Every fact has an id, a value or word, a sigma, a unit and a valid interval.
-- grain: one offending fact
-- key: fact_id
-- columns:
--   fact_id varchar: the fact
--   kind varchar: what was measured
--   value double: its value, in `unit`
--   unit varchar: its unit
--   sigma double: its standard deviation, in `unit`
select fact_id, kind, value, unit, sigma
from stg_facts
where (value is null and value_text is null)
    or not coalesce(isfinite(value), true)
    or sigma is null or not isfinite(sigma) or sigma < 0
    or coalesce(unit, '') = ''
    or start_ns is null or end_ns is null or start_ns < -500000000 or end_ns < start_ns
    or fact_id in (select fact_id from stg_facts group by fact_id having count(*) > 1)
order by fact_id
