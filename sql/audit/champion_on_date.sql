-- What was champion at an instant, and why: the last decision published until then.
--
-- grain: one row, or none when nothing had been decided
-- key: decision_order
-- parameters:
--   $date: an ISO date or timestamp; a date means its first instant, UTC
-- columns:
--   decision_order bigint: position among all decisions
--   recorded_at timestamptz: when the decision was published, UTC
--   decision varchar: promoted or refused
--   champion_md5 varchar: version of the champion, null for none
--   challenger_md5 varchar: version of the student that was judged
--   evaluation_md5 varchar: version of the evaluation it rests on
--   reasons varchar[]: why
--   run_id varchar: run that decided
select
    decision_order,
    recorded_at,
    decision,
    champion_md5,
    challenger_md5,
    evaluation_md5,
    reasons,
    run_id
from champions
where recorded_at <= $date::timestamptz
order by decision_order desc
limit 1
