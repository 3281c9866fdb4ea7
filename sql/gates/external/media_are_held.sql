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
    select row_id, media,
        list_sum(list_transform(turns, turn ->
            (length(turn.asked) - length(replace(turn.asked, '<video>', ''))) // 7
            + (length(turn.asked) - length(replace(turn.asked, '<image>', ''))) // 7))::bigint
            as markers
    from stg_external_rows
),
counted as (
    select asked.row_id, any_value(markers) as markers, any_value(len(asked.media)) as media,
        count(held.media_id) as held
    from asked
    left join (select row_id, unnest(media).media_id as media_id from asked) as named
        using (row_id)
    left join stg_external_media as held on held.media_id = named.media_id
    group by asked.row_id
)
select row_id, markers, media, held
from counted
where markers <> media or media <> held
order by row_id
