-- Pairs of released clips in different splits of which one copies the other: trimmed, letterboxed,
-- cropped or mirrored. Compares the hashes of their frames at every shift that leaves half of them
-- over, not the groups that the release recorded. A pair counts if each of the two copies the other,
-- so the gate is never stricter than the release, which compares later videos with earlier ones.
--
-- holds: No clip copies one of another split, by the hashes of their frames.
-- grain: one offending pair
-- key: clip_id, other_clip_id
-- columns:
--   clip_id varchar: a clip
--   other_clip_id varchar: its copy
--   split varchar: split of the one
--   other_split varchar: split of the other
--   bits double: mean difference of the frames that overlap, at the shift where it is least
with promised as (
    -- A release that states no limit was made with the first one.
    select coalesce(max(copy_bits), 13.0) as bits
    from stg_releases
),
hashed as (
    select distinct
        r.clip_id,
        r.split,
        list_transform(h.frame_hash, lambda x: ('0x' || x)::ubigint) as plain,
        list_transform(h.mirrored_hash, lambda x: ('0x' || x)::ubigint) as mirrored,
        len(h.frame_hash) as frames
    from stg_release_clips as r
    inner join stg_frame_hashes as h using (clip_id)
    where len(h.frame_hash) > 1
),
-- Of two clips in different splits one lies outside of the largest split, so these are compared
-- with all. Two frames of each decide which pairs are worth it: copies are alike in all frames.
rare as (
    select
        clip_id,
        split,
        frames,
        plain[frames // 3 + 1] as one,
        plain[2 * frames // 3 + 1] as two,
        mirrored[frames // 3 + 1] as one_mirrored,
        mirrored[2 * frames // 3 + 1] as two_mirrored
    from hashed
    where split <> (select max_by(split, clips) from (
        select split, count(*) as clips from hashed group by split
    ))
),
near as (
    select distinct least(r.clip_id, s.clip_id) as clip_id, greatest(r.clip_id, s.clip_id) as other
    from rare as r
    inner join (select clip_id, split, frames, unnest(plain) as hash from hashed) as s
        on r.split <> s.split and r.frames = s.frames
    where
        least(
            bit_count(xor(r.one, s.hash)),
            bit_count(xor(r.two, s.hash)),
            bit_count(xor(r.one_mirrored, s.hash)),
            bit_count(xor(r.two_mirrored, s.hash))
        ) <= 1.5 * (select bits from promised)
),
-- Either clip in turn, as it is and mirrored, against the other as it is.
looks as (
    select clip_id, other, clip_id as shown, other as beside from near
    union all
    select clip_id, other, other as shown, clip_id as beside from near
),
alike as (
    select
        n.clip_id,
        n.other,
        n.shown,
        m.is_mirrored,
        if(m.is_mirrored, a.mirrored, a.plain) as one,
        b.plain as beside,
        a.frames
    from looks as n
    cross join (values (false), (true)) as m (is_mirrored)
    inner join hashed as a on n.shown = a.clip_id
    inner join hashed as b on n.beside = b.clip_id
    where
        list_min(list_transform(
            b.plain,
            lambda x: least(
                bit_count(xor(one[a.frames // 3 + 1], x)),
                bit_count(xor(one[2 * a.frames // 3 + 1], x))
            )
        )) <= 1.5 * (select bits from promised)
),
shifted as (
    select *, unnest(range(-(frames // 2), frames // 2 + 1)) as shift from alike
),
copies as (
    select
        clip_id,
        other,
        shown,
        is_mirrored,
        min(list_avg(list_transform(
            range(greatest(0, -shift), least(frames, frames - shift)),
            lambda i: bit_count(xor(one[i + 1], beside[i + shift + 1]))
        ))) as bits
    from shifted
    group by clip_id, other, shown, is_mirrored
    having bits <= (select bits from promised)
),
mutual as (
    select clip_id, other, is_mirrored, max(bits) as bits
    from copies
    group by clip_id, other, is_mirrored
    having count(*) = 2
)
select
    m.clip_id,
    m.other as other_clip_id,
    a.split,
    b.split as other_split,
    min(m.bits) as bits
from mutual as m
inner join hashed as a on m.clip_id = a.clip_id
inner join hashed as b on m.other = b.clip_id
group by m.clip_id, m.other, a.split, b.split
order by m.clip_id, m.other
