-- How many questions each category has, how their letters spread, and how many candidates were rejected.
--
-- grain: one row per category
-- key: category
-- columns:
--   category varchar: one of the nine categories
--   questions bigint: questions asked
--   clips bigint: clips with such a question
--   a bigint: answers that are A
--   b bigint: answers that are B
--   c bigint: answers that are C
--   d bigint: answers that are D
--   e bigint: answers that are E
--   smallest_margin_sigma double: least distance of a wrong answer, standard deviations
--   refused bigint: rejected candidates
with asked as (
    select
        category,
        count(*) as questions,
        count(distinct clip_id) as clips,
        count_if(answer = 'A') as a,
        count_if(answer = 'B') as b,
        count_if(answer = 'C') as c,
        count_if(answer = 'D') as d,
        count_if(answer = 'E') as e,
        min(margin_sigma) as smallest_margin_sigma
    from stg_questions
    group by category
),
refused as (
    select category, sum(count)::bigint as refused from stg_refusals group by category
)
select
    category,
    coalesce(questions, 0) as questions,
    coalesce(clips, 0) as clips,
    coalesce(a, 0) as a,
    coalesce(b, 0) as b,
    coalesce(c, 0) as c,
    coalesce(d, 0) as d,
    coalesce(e, 0) as e,
    smallest_margin_sigma,
    coalesce(refused, 0) as refused
from asked
full join refused using (category)
order by category
