import numpy as np
import pytest
import torch

from p4d.errors import ContractError
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import LabelReader, RowOrder, Sample, TrainingSamples
from p4d.students.model.batch import IGNORED
from p4d.students.model.chat import VIDEO
from p4d.students.model.student import hidden_states
from tests.students import tiny


@pytest.fixture
def student(family_student):
    return family_student


@pytest.fixture(scope="module")
def questions(project):
    return load_questions(project.root / "release", "train")


@pytest.fixture(scope="module")
def clips(project):
    shard = {tiny.SHARD: project.root / "clips" / tiny.SHARD}
    return ClipReader(shard, {tiny.SHARD: project.root / "regions" / tiny.SHARD})


def packer_of(student):
    return Packer(student.tokenizer, student.adapter)


def sample(clips, questions):
    first = questions[0]
    return Sample(first.clip_id, tuple(questions), clips.read(first.shard, first.clip_id), {})


def test_a_packed_question_scores_exactly_as_it_does_alone(student, questions, clips):
    packer = packer_of(student)
    pair = [q for q in questions if q.clip_id == questions[0].clip_id]
    other = [q for q in questions if q.clip_id != questions[0].clip_id][:1]
    together = student.answer_scores(packer.pack([sample(clips, pair), sample(clips, other)]))
    for row, question in enumerate([*pair, *other]):
        alone = student.answer_scores(packer.pack([sample(clips, [question])]))[0]
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-5)


def test_letters_that_are_not_offered_are_impossible(student, questions, clips):
    batch = packer_of(student).pack([sample(clips, [questions[1]])])
    scores = student.answer_scores(batch)[0]
    assert len(questions[1].options) == 2
    assert scores[:2].isfinite().all()
    assert (scores[2:] == float("-inf")).all()


def test_only_the_letter_and_the_end_of_the_turn_are_targets(student, questions, clips):
    packed = packer_of(student).pack([sample(clips, questions[:2])])
    targets = packed.targets[packed.targets != IGNORED]
    expected = "".join("ABCDE"[q.answer_index] + "<|im_end|>" for q in questions[:2])
    assert student.tokenizer.decode(targets) == expected
    at = packed.letter_rows
    assert packed.targets[at[:, 0], at[:, 1]].tolist() == targets[::2].tolist()


def test_the_first_frame_shown_is_the_marked_picture_and_has_no_time(clips, questions):
    visual = clips.read(tiny.SHARD, questions[0].clip_id)
    assert visual.frames.shape == (1 + tiny.FRAMES, tiny.SIZE, tiny.SIZE, 3)
    assert np.isnan(visual.times_s[0])
    assert visual.times_s[1:].tolist() == [0.0, 0.25, 0.5, 0.75]


def test_a_blind_arm_has_no_visual_tokens(student, questions):
    batch = Packer(student.tokenizer, student.adapter).pack(
        [Sample("c", (questions[0],), None, {})]
    )
    assert batch.frames is None
    assert not student.adapter.visual_mask(batch.input_ids).any()
    assert VIDEO not in student.tokenizer.decode(batch.input_ids[0])


def test_visual_tokens_are_found_by_mask_wherever_they_stand(student):
    adapter = student.adapter
    shown = torch.tensor(adapter.visual_ids([float("nan"), 0.0, 0.5, 1.0, 1.5], lambda text: [9]))
    length, width = len(shown) + 6, adapter.hidden_width
    hidden = torch.arange(2 * length * width, dtype=torch.float32).view(2, length, width)
    ids = torch.full((2, length), 9)
    ids[0, 3 : 3 + len(shown)] = ids[1, 5 : 5 + len(shown)] = shown
    times_s = torch.tensor([[float("nan"), 0.0, 0.5, 1.0, 1.5]] * 2)
    tokens = adapter.frame_tokens(hidden, ids, times_s)
    slots, side = 4 // adapter.frames_per_slot, adapter.frame_grid()[0]
    assert tokens.shape == (2, slots, side, side, width)
    assert torch.equal(tokens[1] - tokens[0], torch.full_like(tokens[0], (length + 2) * width))
    with pytest.raises(ContractError, match="visual tokens"):
        adapter.frame_tokens(hidden, ids, times_s[:, :3])


def test_time_reaches_the_student_and_leaves_nothing_behind(student, questions, clips):
    batch = packer_of(student).pack([sample(clips, questions[:1])])
    later = packer_of(student).pack([sample(clips, questions[:1])])
    assert batch.times_s is not None
    later.times_s[:] = batch.times_s * 2
    same = student.answer_scores(batch)
    assert torch.equal(same, student.answer_scores(batch))
    assert not torch.allclose(same, student.answer_scores(later), atol=1e-6)
    assert not any(module._forward_pre_hooks for module in student.adapter.model.modules())


def test_data_order_is_the_same_for_every_arm_and_covers_all_clips(questions, clips):
    def order(clips):
        samples = TrainingSamples(
            questions,
            RowOrder(length=8, seed=3),
            questions_per_clip=1,
            clips=clips,
            labels=LabelReader(),
        )
        return [
            (s.clip_id, [q.qa_id for q in s.questions]) for s in map(samples.__getitem__, range(8))
        ]

    assert order(clips) == order(None)
    assert {clip for clip, _ in order(None)[:4]} == {q.clip_id for q in questions}


def test_generation_continues_the_prompt_it_is_given(student, questions, clips):
    other = next(q for q in questions if q.clip_id != questions[0].clip_id)
    asked = [questions[0], questions[1], other]
    prompts = packer_of(student).prompts([sample(clips, [q]) for q in asked])
    together = student.generate(prompts, max_new_tokens=4)
    for question, text in zip(asked, together, strict=True):
        alone = packer_of(student).prompts([sample(clips, [question])])
        assert student.generate(alone, max_new_tokens=4) == [text]


def test_generation_answers_what_the_packed_question_scores_highest(student, questions, clips):
    packed = packer_of(student).pack([sample(clips, questions[:2])])
    hidden = student.hidden(packed)[packed.letter_rows[:, 0], packed.letter_rows[:, 1]]
    expected = student.adapter.logits(hidden).argmax(dim=-1)
    prompts = packer_of(student).prompts([sample(clips, [q]) for q in questions[:2]])
    texts = student.generate(prompts, max_new_tokens=1)
    assert texts == student.tokenizer.batch_decode(expected[:, None], skip_special_tokens=True)


@torch.no_grad()
def test_one_layers_states_are_those_that_transformers_returns_among_all(student, questions, clips):
    adapter = student.adapter
    batch = packer_of(student).pack([sample(clips, questions[:1])])
    kept = hidden_states(adapter, batch, [0, 1, 2, -1])
    everything = []
    model = adapter.model.model
    forward = model.forward

    def recorded(*given, **named):
        out = forward(*given, **named, output_hidden_states=True)
        everything.extend(out.hidden_states)
        return out

    model.forward = recorded
    hidden_states(adapter, batch)
    model.forward = forward
    assert len(everything) == 3
    assert torch.equal(kept[0], everything[0])
    assert torch.equal(kept[2], everything[2])
    assert torch.equal(kept[-1], everything[2])
    if adapter.model.config.model_type != "qwen3_vl":  # whose early features are added behind it
        assert torch.equal(kept[1], everything[1])
    assert set(kept) == {0, 1, 2, -1}
