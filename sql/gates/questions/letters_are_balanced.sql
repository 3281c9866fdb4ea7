-- Letters of the answers, if their shares are far from a quarter each: the divergence (Kullback and
-- Leibler's) from equal shares exceeds 0.05 nats.
--
-- holds: Among questions with four options, answer letters are balanced.
-- grain: one letter
-- key: answer
-- columns:
--   answer varchar: the letter
--   share double: of the questions with four options
--   divergence_nats double: of all letters together
with counted as (
    select answer, count(*) as questions
    from stg_questions
    where len(options) = 4
    group by answer
),
shares as (
    select answer, questions / sum(questions) over () as share
    from counted
),
diverging as (
    select answer, share, sum(share * ln(share / 0.25)) over () as divergence_nats
    from shares
)
select answer, share, divergence_nats
from diverging
where divergence_nats > 0.05
order by answer
