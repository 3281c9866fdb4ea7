-- Promotion decisions, in order; they carry no time (the mart champions dates them by the ledger).
--
-- grain: one row per decision
-- key: decision_order
-- source: champion/champions.jsonl
-- columns:
--   decision_order bigint: position, from 1
--   decision varchar: promoted or refused
--   challenger_md5 varchar: version of the student that was considered
--   incumbent_md5 varchar: version of the champion until then, null for none
--   champion_md5 varchar: version of the champion from then on, null for none
--   evaluation_md5 varchar: version of the evaluation it rests on
--   reasons varchar[]: why
--   try_number bigint: which try against this champion it was, from 1; null in versions that did not count
--   alpha_of_try double: the one-sided error rate it was tested at; null likewise
select
    (record ->> '$.order')::bigint as decision_order,
    record ->> '$.decision' as decision,
    replace(record ->> '$.challenger', 'md5:', '') as challenger_md5,
    replace(record ->> '$.incumbent', 'md5:', '') as incumbent_md5,
    replace(record ->> '$.champion', 'md5:', '') as champion_md5,
    replace(record ->> '$.evaluation', 'md5:', '') as evaluation_md5,
    from_json(record -> '$.reasons', '["varchar"]') as reasons,
    (record ->> '$.error_rate.try')::bigint as try_number,
    (record ->> '$.error_rate.alpha_of_try')::double as alpha_of_try
from raw.decisions
