-- Facts whose unit is not that of their kind, or whose kind is unknown to this gate.
--
-- holds: Every fact is of a known kind and has the unit of that kind.
-- grain: one offending fact
-- key: fact_id
-- columns:
--   fact_id varchar: the fact
--   kind varchar: what was measured
--   unit varchar: its unit
--   expected varchar: unit of that kind, null for an unknown kind
with kinds (kind, expected) as (
    values
        ('absent_mark', 'count'),
        ('absent_name', 'class'),
        ('acceleration', 'm/s2'),
        ('camera_direction', 'class'),
        ('camera_displacement', 'm'),
        ('camera_speed', 'm/s'),
        ('camera_turn', 'class'),
        ('comes_closest', 'class'),
        ('course', 'class'),
        ('depth_order', 'class'),
        ('direction', 'class'),
        ('displacement', 'm'),
        ('displacement_ahead', 'm'),
        ('displacement_right', 'm'),
        ('displacement_up', 'm'),
        ('distance', 'm'),
        ('distance_to_camera', 'm'),
        ('farthest', 'class'),
        ('faster_count', 'count'),
        ('fastest', 'class'),
        ('gap_in_picture', 'class'),
        ('gap_trend', 'class'),
        ('goes_farther', 'class'),
        ('going_count', 'count'),
        ('height_order', 'class'),
        ('largest', 'class'),
        ('least_distance', 'm'),
        ('left_count', 'count'),
        ('leftward_count', 'count'),
        ('left_or_right', 'class'),
        ('marked_count', 'count'),
        ('mean_speed', 'm/s'),
        ('moves_first', 'class'),
        ('moving', 'class'),
        ('moving_count', 'count'),
        ('moving_of_three', 'count'),
        ('name', 'class'),
        ('nearer_count', 'count'),
        ('nearest', 'class'),
        ('own_side', 'class'),
        ('path_length', 'm'),
        ('path_ratio', 'ratio'),
        ('picture_direction', 'class'),
        ('picture_left_count', 'count'),
        ('picture_side', 'class'),
        ('place_across', '%'),
        ('place_down', '%'),
        ('position_ahead', 'm'),
        ('position_down', 'm'),
        ('position_right', 'm'),
        ('quadrant', 'class'),
        ('quarter_turns', 'count'),
        ('range_trend', 'class'),
        ('rests_first', 'class'),
        ('rightward_count', 'count'),
        ('rotation', 'class'),
        ('rotation_seen', 'class'),
        ('screen_direction', 'class'),
        ('screen_shift', '%'),
        ('screen_speed', '%/s'),
        ('side', 'class'),
        ('size_longest', 'm'),
        ('smallest', 'class'),
        ('speed', 'm/s'),
        ('speed_change', 'class'),
        ('turn_angle', 'rad'),
        ('turn_total', 'rad'),
        ('turn_vertical', 'rad'),
        ('turning_count', 'count'),
        ('unmarked_number', 'count'),
        ('up_or_down', 'class'),
        ('view', 'class'),
        ('view_direction', 'class'),
        ('way', 'class'),
        ('when_there', 'class'),
        ('who_is_there', 'class')
)
select f.fact_id, f.kind, f.unit, k.expected
from stg_facts as f
left join kinds as k using (kind)
where k.expected is distinct from f.unit
order by f.fact_id
