-- Rejected rows without a reason.
--
-- holds: Every rejected row or file has a reason.
-- grain: one offending row or file
-- key: set, file, number
-- columns:
--   set varchar: the set
--   file varchar: the file
--   number bigint: the row
select set, file, number
from stg_external_rejected
where coalesce(trim(reason), '') = ''
order by set, file, number
