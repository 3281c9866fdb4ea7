-- The champion at an instant, and why: the last decision that was published until then.
--
-- grain: one row, or none when nothing had been decided
-- key: decision_order
-- parameters:
--   $date: an ISO date, which means its end, so that all of that day counts; or a timestamp, which
--   means that instant. UTC unless it names a zone. As in `p4d champion --on`.
-- columns:
--   decision_order bigint: position among all decisions
--   recorded_at timestamptz: when the decision was published, UTC
--   decision varchar: promoted or refused
--   champion_md5 varchar: version of the champion, null for none
--   challenger_md5 varchar: version of the student that was considered
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
where
    case
        when length($date::varchar) = 10 then recorded_at < $date::date + interval 1 day
        else recorded_at <= $date::timestamptz
    end
order by decision_order desc
limit 1
