"""Questions of many clips at once. The corpus is made of exact scenes, so no picture is needed."""

import dataclasses
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4d.categories import CATEGORIES
from p4d.config import QuestionsParams, ReleaseParams
from p4d.errors import ContractError
from p4d.questions.asking.families import BY_NAME, FAMILIES
from p4d.questions.asking.recompute import recompute
from p4d.questions.asking.refusals import (
    CLIP_FULL,
    CROWDED,
    NO_FACT,
    NO_PARTNERS,
    NOT_DRAWN,
    UNCERTAIN,
)
from p4d.splits import is_asked, split_for
from tests.questions.scenes import (
    clip_of,
    compose_clips,
    random_clips,
    random_scene,
    scene,
    thing,
    with_facts,
)

QUESTIONS = QuestionsParams(
    margin_sigma=3.0, options=4, max_per_clip=18, families=(), seconds="none"
)
SPLITS = ReleaseParams(
    test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
)


@pytest.fixture(scope="module")
def clips():
    return random_clips(60)


@pytest.fixture(scope="module")
def composed(clips):
    return compose_clips(clips, QUESTIONS, SPLITS)


def test_every_category_is_asked(composed):
    counts = Counter(row["category"] for row in composed.questions)
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) >= 24, counts


OF_PATHS = {
    "place_across", "place_down", "shift_in_picture", "speed_in_picture", "view_direction",
    "view_rests", "left_or_right", "up_or_down", "gap_in_picture", "faster_in_picture",
    "going_left", "going_right", "left_in_picture",
    "half_across", "half_down", "more_left", "more_up", "looks_larger", "size_change",
    "faster_half", "in_left_half", "in_upper_half", "premise_view",
    "stirring_side", "stirring_level", "stirring_columns", "stirring_rows",
    *(f"{kind}_{edge}" for edge in ("left", "right", "top", "bottom")
      for kind in ("stirring_where", "stirring_when", "premise_stirring")),
}  # fmt: skip
"""Families that only clips without truth are asked."""


def test_every_family_finds_candidates_and_most_are_asked_of_sixty_clips(composed):
    asked = {row["family"] for row in composed.questions}
    found = {row["family"] for row in composed.refused if row["reason"] in (NO_PARTNERS, CLIP_FULL)}
    of_seconds = {name for name, one in BY_NAME.items() if one.needs_seconds}
    assert asked | found == set(BY_NAME) - OF_PATHS - of_seconds
    assert len(asked) >= 45


def test_every_question_states_its_frame_of_reference(composed):
    for row in composed.questions:
        assert row["frame"] == BY_NAME[row["family"]].frame


def test_every_stored_answer_recomputes_from_its_facts(clips, composed):
    facts = {clip.clip_id: clip.facts for clip in clips}
    for row in composed.questions:
        assert recompute(row, facts[row["clip_id"]]) == row["answer_index"]
        assert row["options"][row["answer_index"]] == row["answer_text"]
        assert row["answer"] == "ABCD"[row["answer_index"]]


def test_a_changed_fact_changes_the_recomputed_answer(clips, composed):
    facts = {fact.fact_id: fact for clip in clips for fact in clip.facts}
    row = next(row for row in composed.questions if row["family"] == "mean_speed")
    other = next(i for i in range(4) if i != row["answer_index"])
    (fact_id,) = row["fact_ids"]
    value = float(row["options"][other].split()[0])
    changed = {**facts, fact_id: facts[fact_id]._replace(value=value)}
    assert recompute(row, changed) == other


def test_a_question_of_other_facts_has_another_id(clips, composed):
    def renamed(fact):
        return fact._replace(fact_id=f"{fact.fact_id}_b")

    again = compose_clips([with_facts(clip, renamed) for clip in clips], QUESTIONS, SPLITS)
    ids = {row["qa_id"] for row in composed.questions}
    assert len(ids) == len(composed.questions)
    assert not ids & {row["qa_id"] for row in again.questions}


def test_recomputing_without_the_facts_names_what_is_missing(composed):
    row = composed.questions[0]
    with pytest.raises(ContractError, match=row["qa_id"]):
        recompute(row, [])


def test_letters_are_equal_in_number_per_category_and_split(composed, clips):
    videos = {clip.clip_id: clip.video_id for clip in clips}
    letters = defaultdict(Counter)
    for row in composed.questions:
        split = split_for(videos[row["clip_id"]], SPLITS)
        letters[(row["category"], split)][row["answer"]] += 1
    for counts in letters.values():
        assert len(counts) == 4
        assert len(set(counts.values())) == 1


def test_within_a_split_each_option_of_a_set_is_right_equally_often(composed):
    right = defaultdict(Counter)
    for row in composed.questions:
        times = tuple(re.findall(r"([0-9.]+) sec", row["question"]))
        split = split_for(row["video_id"], SPLITS)
        key = (split, row["family"], times, *sorted(row["options"]))
        right[key][row["answer_text"]] += 1
    for key, counts in right.items():
        assert len(counts) == 4, key
        assert len(set(counts.values())) == 1, key


def test_no_margin_is_below_the_limit(composed):
    assert min(row["margin_sigma"] for row in composed.questions) >= QUESTIONS.margin_sigma


def test_no_clip_has_more_than_its_share(composed):
    assert max(Counter(row["clip_id"] for row in composed.questions).values()) <= 18
    per_category = Counter((row["clip_id"], row["category"]) for row in composed.questions)
    assert max(per_category.values()) <= 4


def test_options_differ_and_counts_are_consecutive(composed):
    for row in composed.questions:
        assert len(set(row["options"])) == 4
        if row["category"] == "Counting":
            counts = sorted(int(option) for option in row["options"])
            assert counts == list(range(counts[0], counts[0] + 4))


def test_texts_are_short_and_name_only_their_regions(clips, composed):
    marks = {clip.clip_id: {r: f"<obj_{k + 1}>" for k, r in enumerate(clip.region_ids)}
             for clip in clips}  # fmt: skip
    for row in composed.questions:
        assert "{" not in row["question"]
        words = len((row["question"] + " " + " ".join(row["options"])).split())
        assert words <= 40, row
        named = set(re.findall(r"<obj_\d>", row["question"]))
        known = {marks[row["clip_id"]][region] for region in row["region_ids"]}
        if row["answer_text"] == "there is no such object":
            assert not named & set(marks[row["clip_id"]].values())
        else:
            assert named == known


def test_false_premises_are_denied_and_true_ones_are_not(clips, composed):
    facts = {fact.fact_id: fact for clip in clips for fact in clip.facts}
    rows = [row for row in composed.questions if row["family"].startswith("premise_")]
    denied = Counter()
    for row in rows:
        cited = {facts[fact_id].kind: facts[fact_id] for fact_id in row["fact_ids"]}
        words = {kind: fact.value_text for kind, fact in cited.items()}
        absent = bool({"absent_mark", "absent_name"} & set(words))
        assert (row["answer_text"] == "there is no such object") == absent
        if "moving" in words:
            still = words["moving"] == "still"
            assert (row["answer_text"] == "it is not moving") == still
        if "rotation" in words:
            still = words["rotation"] == "does not rotate"
            assert (row["answer_text"] == "it is not spinning") == still
        denied[row["family"]] += "no such" in row["answer_text"] or " not " in row["answer_text"]
    asked = Counter(row["family"] for row in rows)
    assert len(asked) >= 5
    for family, count in asked.items():
        assert 0 < denied[family] < count, family


def test_what_is_not_there_is_asked_by_name_and_by_mark(clips, composed):
    names = {
        clip.clip_id: {fact.value_text for fact in clip.facts if fact.kind == "name"}
        for clip in clips
    }
    absent = [
        row
        for row in composed.questions
        if row["answer_text"] == "there is no such object" and "<obj_" not in row["question"]
    ]
    assert absent
    for row in absent:
        assert not any(name in row["question"] for name in names[row["clip_id"]])


def _blind(train, test, feature):
    """Accuracy of the option with the highest rate in train of a feature that reads the text."""
    offered, right = Counter(), Counter()
    for row in train:
        for index in range(4):
            offered[feature(row, index)] += 1
        right[feature(row, row["answer_index"])] += 1
    score = 0.0
    for row in test:
        keys = [feature(row, index) for index in range(4)]
        rates = [right[key] / offered[key] if offered[key] else 0.25 for key in keys]
        best = max(rates)
        score += (rates[row["answer_index"]] == best) / rates.count(best)
    return score / len(test)


def _rank(row, index):
    try:
        values = [float(option.split()[0]) for option in row["options"]]
    except ValueError:
        return None
    return sorted(values).index(values[index])


FEATURES = {
    "letter": lambda row, i: (row["category"], i),
    "answer": lambda row, i: (row["template"], row["options"][i]),
    "rank": lambda row, i: (row["family"], _rank(row, i)),
    "answer and time": lambda row, i: (row["family"], row["question"][:14], row["options"][i]),
    "answer and mark": lambda row, i: (row["question"][-12:], row["options"][i]),
}


@pytest.fixture(scope="module")
def halves(composed):
    """Some hundred questions to count in and as many others to be asked."""
    rows = [
        *composed.questions,
        *compose_clips(random_clips(48, seed=1), QUESTIONS, SPLITS).questions,
    ]
    train = [row for row in rows if split_for(row["video_id"], SPLITS) == "train"]
    return train, [row for row in rows if split_for(row["video_id"], SPLITS) != "train"]


@pytest.mark.parametrize("name", FEATURES)
def test_counting_answers_without_seeing_stays_at_chance(halves, name):
    train, test = halves
    assert len(test) > 300
    accuracy = _blind(train, test, FEATURES[name])
    spread = np.sqrt(0.25 * 0.75 / len(test))
    assert abs(accuracy - 0.25) < 3 * spread, accuracy


def test_the_counting_reader_does_find_a_prior_where_there_is_one():
    """The control of the test above: wrong options drawn at large leave the priors in."""
    clips = random_clips(40, seed=7)
    rng = np.random.default_rng(0)
    family = BY_NAME["direction"]
    words = ["left", "right", "towards the camera", "away from the camera", "up", "down",
             "stays in place"]  # fmt: skip
    rows = []
    for clip in clips:
        for fact in clip.facts:
            if fact.kind == "direction":
                wrong = [w for w in words if w != fact.value_text]
                options = [*rng.permutation(wrong)[:3], fact.value_text]
                rows.append({"template": family.name, "options": options, "answer_index": 3})
    half = len(rows) // 2
    spread = np.sqrt(0.25 * 0.75 / (len(rows) - half))
    assert _blind(rows[:half], rows[half:], FEATURES["answer"]) > 0.25 + 3 * spread


def test_uncertain_facts_are_not_asked_about(clips):
    doubtful = [with_facts(c, lambda f: f._replace(sigma=50.0)) for c in clips[:12]]
    composed = compose_clips(doubtful, QUESTIONS, SPLITS)
    assert composed.questions == []
    assert {row["reason"] for row in composed.refused} >= {UNCERTAIN}


def test_every_candidate_is_asked_or_refused_once(clips, composed):
    reasons = Counter()
    for row in composed.refused:
        reasons[row["reason"]] += row["count"]
    assert reasons[CLIP_FULL] > 0
    assert len(composed.refused) == len(
        {(r["clip_id"], r["family"], r["reason"]) for r in composed.refused}
    )


def test_a_candidate_beyond_the_share_of_its_category_says_so(clips):
    only = [
        dataclasses.replace(c, facts=tuple(f for f in c.facts if f.kind == "direction"))
        for c in clips
    ]
    composed = compose_clips(only, QUESTIONS, SPLITS)
    asked = Counter(row["clip_id"] for row in composed.questions)
    assert max(asked.values()) == 4
    reasons = {row["reason"] for row in composed.refused if row["family"] == "direction"}
    assert reasons >= {CLIP_FULL, NO_PARTNERS}


def test_clips_without_regions_or_facts_are_refused_not_fatal():
    empty = clip_of(scene([], clip="clip_empty"), "vid_e")
    bare = dataclasses.replace(empty, clip_id="clip_bare", facts=())
    composed = compose_clips([empty, bare], QUESTIONS, SPLITS)
    assert composed.questions == []
    bare_refusals = [row for row in composed.refused if row["clip_id"] == "clip_bare"]
    assert {row["reason"] for row in bare_refusals} == {NO_FACT}
    assert len(bare_refusals) == sum(not family.needs_seconds for family in FAMILIES)


def test_a_relative_scale_is_never_asked_for_metres():
    relative = []
    for i in range(40):
        one = random_scene(i)
        source = dataclasses.replace(one.source, scale_kind="relative")
        relative.append(clip_of(dataclasses.replace(one, source=source), f"vid_{i}"))
    rows = compose_clips(relative, QUESTIONS, SPLITS).questions
    assert rows
    assert not [row for row in rows if any(o.endswith((" m", "m/s")) for o in row["options"])]


@settings(max_examples=3, deadline=None)
@given(st.permutations(list(range(16))))
def test_the_order_of_clips_does_not_matter(order):
    some = random_clips(16, seed=5)
    straight = compose_clips(some, QUESTIONS, SPLITS)
    assert compose_clips([some[i] for i in order], QUESTIONS, SPLITS) == straight


def test_five_options_are_offered_where_there_are_five(clips):
    five = dataclasses.replace(QUESTIONS, options=5)
    rows = compose_clips(clips[:40], five, SPLITS).questions
    sizes = {row["family"]: len(row["options"]) for row in rows}
    assert sizes["distance_to_camera"] == 5
    assert sizes["rotation"] == 4


def test_the_nearest_object_is_the_nearest():
    def at(y, clip):
        things = [thing((-0.9 + 0.6 * k, y[k], 0.4)) for k in range(4)]
        return clip_of(scene(things, clip=clip), "vid_n")

    depths = [(-1.0, 0.5, 1.0, 1.5), (0.5, -1.0, 1.0, 1.5), (1.0, 0.5, -1.0, 1.5),
              (1.5, 0.5, 1.0, -1.0)]  # fmt: skip
    some = [at(y, f"clip_{i}") for i, y in enumerate(depths)]
    rows = compose_clips(some, QUESTIONS, SPLITS).questions
    nearest = [row for row in rows if row["family"] == "nearest_object"]
    assert len(nearest) >= 4
    for row in nearest:
        assert row["answer_text"] == f"object {int(row['clip_id'][-1]) + 1}"


def test_videos_that_are_not_drawn_are_not_asked_about_and_their_candidates_are_counted(
    clips, composed
):
    few = compose_clips(clips, dataclasses.replace(QUESTIONS, asked_share=0.5), SPLITS)
    closed = {c.clip_id for c in clips if not is_asked(c.video_id, SPLITS, 0.5)}
    in_train = {c.clip_id for c in clips if split_for(c.video_id, SPLITS) == "train"}
    assert closed and closed < in_train
    asked = {row["clip_id"] for row in few.questions}
    assert asked & in_train and not asked & closed
    # Exchange groups are drawn within splits: held-out videos are asked the same questions.
    held_out = [row for row in composed.questions if row["clip_id"] not in in_train]
    assert held_out == [row for row in few.questions if row["clip_id"] not in in_train]
    # No candidate is lost, and the reason says why each of these is not asked.
    for clip_id in closed:
        refused = [row for row in few.refused if row["clip_id"] == clip_id]
        assert {row["reason"] for row in refused} <= {NO_FACT, UNCERTAIN, CROWDED, NOT_DRAWN}
        before = [row for row in composed.refused if row["clip_id"] == clip_id]
        questions = sum(row["clip_id"] == clip_id for row in composed.questions)
        assert sum(row["count"] for row in refused) == questions + sum(
            row["count"] for row in before
        )
