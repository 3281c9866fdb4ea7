-- Questions whose letter, index and text of the answer disagree, or whose options repeat, are empty
-- or are not between two and five.
--
-- holds: Letter, index and text of every answer agree, and its two to five options differ.
-- grain: one offending question
-- key: qa_id
-- columns:
--   qa_id varchar: the question
--   answer varchar: letter of the answer
--   answer_index bigint: its position, from 0
--   answer_text varchar: its text
--   options varchar[]: all options
select qa_id, answer, answer_index, answer_text, options
from stg_questions
where answer_index is null
    or answer_index < 0
    or answer_index >= len(options)
    or answer is distinct from chr((65 + answer_index)::integer)
    or answer_text is distinct from options[answer_index + 1]
    or len(options) not between 2 and 5
    or len(list_distinct(list_transform(options, o -> lower(trim(o))))) <> len(options)
    or len(list_filter(options, o -> trim(o) = '')) > 0
order by qa_id
