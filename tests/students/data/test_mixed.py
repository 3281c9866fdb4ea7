import dataclasses

import numpy as np
import pytest
import torch

from p4d.errors import ContractError
from p4d.external.conversation import ForeignTurn
from p4d.external.rows import ExternalConversation
from p4d.students import embedded, load
from p4d.students.data.clip_reader import ClipReader, Visual
from p4d.students.data.conversations import DecodedConversation, decoded, unseen
from p4d.students.data.joined import MixedPacker
from p4d.students.data.mixed import CLIPS, MixedSamples, MixPlan, sets_of_mix
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question, load_questions
from p4d.students.data.samples import RowOrder, Sample, TrainingSamples
from p4d.students.model.batch import IGNORED
from p4d.students.model.student import hidden_states
from p4d.students.training.arm import Arm
from tests.external import sets
from tests.students import tiny


def test_every_stretch_of_rows_holds_the_shares():
    plan = MixPlan(length=1000, mix={"b": 0.125, "a": 0.3})
    sources = [plan.at(row)[0] for row in range(plan.length)]
    for name, share in {"a": 0.3, "b": 0.125, CLIPS: 0.575}.items():
        rows = np.array([source == name for source in sources])
        assert plan.count(name) == rows.sum() == round(1000 * share)
        taken = np.cumsum(rows)
        assert np.abs(taken - share * np.arange(1, 1001)).max() <= 1.0
        places = [plan.at(row)[1] for row in np.flatnonzero(rows)]
        assert places == list(range(len(places)))
    assert plan.count(CLIPS, 10) == sources[:10].count(CLIPS)


def test_without_a_mix_every_row_is_a_clip():
    plan = MixPlan(length=5, mix={})
    assert [plan.at(row) for row in range(5)] == [(CLIPS, row) for row in range(5)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A video, a picture, a text, and two turns about two videos."""
    folder = tmp_path_factory.mktemp("external")
    sets.video(folder / "a.mp4", 12)
    sets.video(folder / "b.mp4", 3, seed=5)
    (folder / "p.png").write_bytes(sets.picture(3))
    turns = {
        "video": [("<video>\nWhat moves?", "a red box")],
        "picture": [("<image>\nWhich colour?", "red")],
        "text": [("1 + 1?", "2")],
        "two": [("<video>What?", "this"), ("And <video>?", "a longer answer than all of them")],
    }
    media = {"video": ["a.mp4"], "picture": ["p.png"], "text": [], "two": ["a.mp4", "b.mp4"]}
    return [
        ExternalConversation(
            row_id=name,
            set_name="own",
            group=name,
            turns=tuple(ForeignTurn(*turn) for turn in turns[name]),
            media=tuple(
                ("<image>" if file.endswith("png") else "<video>", folder / file)
                for file in media[name]
            ),
        )
        for name in turns
    ]


def own_samples(project, *, length=2, clips=True):
    reader = ClipReader(
        {tiny.SHARD: project.root / "clips" / tiny.SHARD},
        {tiny.SHARD: project.root / "regions" / tiny.SHARD},
    )
    return TrainingSamples(
        load_questions(project.root / "release", "train"),
        RowOrder(length=length, seed=3),
        questions_per_clip=2,
        clips=reader if clips else None,
        labels=tiny.SquareLabels(),
    )


def test_mixed_samples_give_each_set_in_passes_of_its_own(project, rows):
    plan = MixPlan(length=16, mix={"own": 0.5})
    own = own_samples(project, length=8)
    mixed = MixedSamples(plan, own, {"own": rows}, seed=1, clips=project.params.clips)
    assert len(mixed) == 16
    found = [mixed[index] for index in range(16)]
    clips = [row.clip_id for row in found if isinstance(row, Sample)]
    assert clips == [own[index].clip_id for index in range(8)]
    shown = [r.conversation.row_id for r in found if isinstance(r, DecodedConversation)]
    assert sorted(shown[:4]) == sorted(shown[4:]) == sorted(row.row_id for row in rows)
    blind = MixedSamples(plan, own, {"own": rows}, seed=1, clips=None)
    assert not any(
        r.visuals for r in map(blind.__getitem__, range(16)) if not isinstance(r, Sample)
    )


@torch.no_grad()
@pytest.mark.parametrize("which", [["video"], ["picture"], ["text"], ["two"], ["text", "two"]])
def test_a_mixed_batch_reads_every_row_as_it_is_read_alone(family_student, project, rows, which):
    """Rows of clips and of conversations have equal states in one batch and in separate ones."""
    adapter = family_student.adapter
    packer = MixedPacker(family_student.tokenizer, adapter)
    own = [own_samples(project)[index] for index in range(2)]
    other = [decoded(row, project.params.clips) for row in rows if row.row_id in which]
    both = packer.pack([*other, *own], scored=False)
    assert both.clip_ids == (*(sample.clip_id for sample in own), *which)
    adapter.model.eval()
    states = hidden_states(adapter, both)[-1]
    alone = packer.pack(own, scored=False), packer.pack(other, scored=False)
    start = 0
    for batch in alone:
        count, length = batch.input_ids.shape
        expected = hidden_states(adapter, batch)[-1]
        there = batch.token_mask
        torch.testing.assert_close(
            states[start : start + count, :length][there], expected[there], atol=1e-5, rtol=1e-4
        )
        part = both.targets[start : start + count]
        assert torch.equal(part[:, :length][there], batch.targets[there])
        assert (part != IGNORED).sum() == (batch.targets != IGNORED).sum()
        start += count
    assert torch.equal(both.labelled_rows, alone[0].labelled_rows)


def test_clips_alone_are_packed_as_ever(family_student, project):
    own = [own_samples(project)[index] for index in range(2)]
    arguments = family_student.tokenizer, family_student.adapter
    plain, mixed = (kind(*arguments).pack(own, scored=False) for kind in (Packer, MixedPacker))
    for field in dataclasses.fields(plain):
        a, b = getattr(plain, field.name), getattr(mixed, field.name)
        if isinstance(a, torch.Tensor):
            torch.testing.assert_close(a, b, atol=0, rtol=0, equal_nan=True)
        elif isinstance(a, tuple):
            assert a == b, field.name


@torch.no_grad()
def test_the_embedded_student_reads_regions_beside_conversations(rows):
    """Its regions are tokens: those of a clip stay its own, and a conversation has none."""
    student = load(embedded.FOLDER)
    clips = tiny.params(clips={"size_px": 64, "frames": 8}).clips
    masks = np.zeros((2, 64, 64), np.uint8)
    masks[0, 8:24, 8:24] = masks[1, 30:60, 30:60] = 1
    frames = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), dtype=np.uint8)
    times_s = np.array([np.nan, *(np.arange(8) / 4)])
    question = ad_hoc_question("Where is <obj_2>?", ("left", "right"), clip_id="c", video_id="v")
    own = Sample("c", (question,), Visual(frames, times_s, masks), {})
    packer = MixedPacker(student.tokenizer, student.adapter)
    student.adapter.model.eval()
    for which in (rows[:1], rows[1:2], rows):
        other = [decoded(row, clips) for row in which]
        both = packer.pack([own, *other], scored=False)
        assert both.masks is not None
        states = hidden_states(student.adapter, both)[-1]
        start = 0
        for batch in (packer.pack([own], scored=False), packer.pack(other, scored=False)):
            count, length = batch.input_ids.shape
            expected = hidden_states(student.adapter, batch)[-1]
            there = batch.token_mask
            torch.testing.assert_close(
                states[start : start + count, :length][there], expected[there],
                atol=1e-4, rtol=1e-3,
            )  # fmt: skip
            start += count


def test_an_arm_without_video_trains_on_both_kinds_of_rows(family_student, project, rows):
    packer = MixedPacker(family_student.tokenizer, family_student.adapter)
    own = [own_samples(project, clips=False)[index] for index in range(2)]
    batch = packer.pack([*own, *map(unseen, rows)], scored=False)
    assert batch.frames is None
    terms = Arm(family_student.adapter, None)(batch)
    assert torch.isfinite(terms["sft"])


def test_a_set_without_rows_to_train_on_is_named(tmp_path):
    with pytest.raises(ContractError, match="names sat, which has no row to train on"):
        sets_of_mix(tmp_path, tmp_path, {"sat": 0.1})
