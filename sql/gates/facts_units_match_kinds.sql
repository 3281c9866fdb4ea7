-- Facts whose unit is not that of their kind, or whose kind is not known here.
--
-- grain: one offending fact
-- key: fact_id
-- columns:
--   fact_id varchar: the fact
--   kind varchar: what was measured
--   unit varchar: its unit
--   expected varchar: unit of that kind, null for an unknown kind
with kinds (kind, expected) as (
    values
        ('camera_direction', 'class'),
        ('camera_displacement', 'm'),
        ('depth_order', 'class'),
        ('direction', 'class'),
        ('displacement', 'm'),
        ('displacement_ahead', 'm'),
        ('displacement_right', 'm'),
        ('displacement_up', 'm'),
        ('distance', 'm'),
        ('distance_to_camera', 'm'),
        ('marked_count', 'count'),
        ('mean_speed', 'm/s'),
        ('moving', 'class'),
        ('moving_count', 'count'),
        ('path_length', 'm'),
        ('picture_direction', 'class'),
        ('position_ahead', 'm'),
        ('position_down', 'm'),
        ('position_right', 'm'),
        ('rotation', 'class'),
        ('side', 'class'),
        ('size_longest', 'm'),
        ('turn_total', 'rad'),
        ('turn_vertical', 'rad')
)
select f.fact_id, f.kind, f.unit, k.expected
from stg_facts as f
left join kinds as k using (kind)
where k.expected is distinct from f.unit
order by f.fact_id
