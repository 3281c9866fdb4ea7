-- Facts that need to know where up is, of clips whose truth does not state it, and facts in seconds
-- of clips whose frame times are a convention. Truth that came in parts states both.
--
-- holds: No fact of a clip needs an up direction or a frame rate that nobody measured.
-- grain: one offending fact
-- key: fact_id
-- columns:
--   fact_id varchar: the fact
--   kind varchar: what was measured
--   unknown varchar: up or times
with needs (kind, unknown) as (
    values
        ('acceleration', 'times'),
        ('camera_direction', 'up'),
        ('camera_speed', 'times'),
        ('camera_turn', 'up'),
        ('direction', 'up'),
        ('displacement_ahead', 'up'),
        ('displacement_right', 'up'),
        ('displacement_up', 'up'),
        ('height_order', 'up'),
        ('mean_speed', 'times'),
        ('own_side', 'up'),
        ('rotation', 'up'),
        ('speed', 'times'),
        ('speed_change', 'times'),
        ('turn_vertical', 'up'),
        ('way', 'up')
)
select f.fact_id, f.kind, n.unknown
from stg_facts as f
inner join needs as n using (kind)
inner join stg_truth_parts as p using (clip_id)
where f.teacher = 'exact'
    and (
        (n.unknown = 'up' and p.up = 'unknown')
        or (n.unknown = 'times' and p.times = 'declared')
    )
order by f.fact_id
