-- Markers without a file, and rows whose media are not among those of the artifact.
--
-- holds: Every marker of an external row has a medium, which was decoded and is held.
-- grain: one offending row
-- key: row_id
-- columns:
--   row_id varchar: the row
--   markers bigint: markers in its questions
--   media bigint: media of the row
--   held bigint: those of them that are in media.parquet
with asked as (
    select row_id, media_ids,
        list_sum(list_transform(questions, lambda asked:
            (length(asked) - length(replace(replace(asked, '<video>', ''), '<image>', ''))) // 7
        ))::bigint as markers
    from stg_external_rows
),
counted as (
    select asked.row_id, any_value(markers) as markers, any_value(len(asked.media_ids)) as media,
        count(held.media_id) as held
    from asked
    left join (select row_id, unnest(media_ids) as media_id from asked) as named
        using (row_id)
    left join stg_external_media as held on held.media_id = named.media_id
    group by asked.row_id
)
select row_id, markers, media, held
from counted
where markers <> media or media <> held
order by row_id
