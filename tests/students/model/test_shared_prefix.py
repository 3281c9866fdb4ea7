"""A clip is read once for all its questions, and their scores are those of whole rows."""

import dataclasses

import numpy as np
import pytest
import torch

from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.model.adapters import FAMILIES, adapter_for, initial_model
from p4d.students.model.attention import FLEX, set_attention
from p4d.students.model.batch import PADDING, PREFIX
from p4d.students.model.chat import opening
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student
from p4d.students.model.tokenizer import train_tokenizer
from tests.students.tiny import SIZE, params

WORDS = ("left", "0.25 m", "to the right of <obj_2>")


def question(number, clip):
    return Question(
        qa_id=f"{clip}{number}", clip_id=clip, video_id="v", shard="", category="", dynamic=True,
        question=f"Which way does <obj_1> move {'now and then ' * number}?",
        options=WORDS[: 2 + number % 2], answer_index=1,
    )  # fmt: skip


class WholeRows(Student):
    def scored_states(self, batch):
        row, position = batch.scored[:, :2].unbind(dim=1)
        return self.hidden(batch)[row, position]


def student_of(family, settings):
    chosen = params(student={"architecture": family})
    texts = [opening(sees_video=True), question(1, "a").turn()]
    tokenizer = train_tokenizer(texts, 340, FAMILIES[family].special_tokens, min_frequency=2)
    model = initial_model(chosen.student, chosen.clips, tokenizer)
    settings.store(model)
    return Student(adapter_for(model.eval()), tokenizer, sees_video=True)


def visual(seed, frames):
    """Clips of unequal length have prefixes of unequal length."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, SIZE, SIZE), np.uint8)
    masks[0, :, : SIZE // 2], masks[1, : SIZE // 2] = 1, 1
    shown = rng.integers(0, 255, (frames, SIZE, SIZE, 3), np.uint8)
    return Visual(shown, np.cumsum(rng.uniform(0.1, 2, frames)), masks)


def batch_of(student):
    """Three rows: two of one clip, one of another whose prefix is of another length."""
    first, second = visual(0, 2), visual(1, 6)
    return Packer(student.tokenizer, student.adapter).pack(
        [
            Sample("a", (question(3, "a"), question(0, "a")), first, {}),
            Sample("b", (question(1, "b"),), second, {}),
            Sample("a", (question(2, "a"),), first, {}),
        ]
    )


TOKENS, MARKS = (
    PromptSettings(regions="tokens", answers="option", time="text"),
    PromptSettings(answers="letter", time="tpe"),
)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("settings", [TOKENS, MARKS], ids=["texts", "letters"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_whole_rows(family, settings, attention):
    student = student_of(family, settings)
    set_attention(student.adapter.model, attention, "key")
    batch = batch_of(student)
    prefixes = (batch.segment_ids == PREFIX).sum(dim=1).tolist()
    assert prefixes[0] == prefixes[2] != prefixes[1]
    whole = WholeRows(student.adapter, student.tokenizer, sees_video=True).answer_scores(batch)
    assert (whole > -torch.inf).sum(dim=1).tolist() == [3, 2, 3, 2]
    torch.testing.assert_close(student.answer_scores(batch), whole, rtol=1e-6, atol=1e-5)


def test_a_student_without_video_scores_as_whole_rows():
    student = dataclasses.replace(student_of("qwen3_vl", MARKS), sees_video=False)
    asked = tuple(question(number, "a") for number in range(3))
    batch = Packer(student.tokenizer, student.adapter).pack([Sample("a", asked, None, {})])
    whole = WholeRows(student.adapter, student.tokenizer, sees_video=False).answer_scores(batch)
    torch.testing.assert_close(student.answer_scores(batch), whole, rtol=1e-6, atol=1e-5)


def tokens_read(student, batch):
    """Tokens, padding included, that enter the first block while a batch is scored."""
    seen = []
    handle = student.adapter.blocks()[0].register_forward_pre_hook(
        lambda _, given, named: seen.append((given or tuple(named.values()))[0].shape[:2].numel()),
        with_kwargs=True,
    )
    with torch.compiler.set_stance("force_eager"):  # FlexAttention's kernels are for GPUs
        student.answer_scores(batch)
    handle.remove()
    return sum(seen)


def test_a_clip_is_read_once_unless_attention_needs_whole_rows():
    student = student_of("llava_onevision", TOKENS)
    batch = batch_of(student)
    prefixes = (batch.segment_ids == PREFIX).sum(dim=1).tolist()
    asked = batch.segment_ids[batch.segment_ids > PREFIX]
    longest = max(int((row == number).sum()) for row in batch.segment_ids for number in (1, 2))
    assert len(asked) > 0 and PADDING in batch.segment_ids
    assert tokens_read(student, batch) == 2 * max(prefixes) + 4 * longest
    set_attention(student.adapter.model, FLEX, "key")
    assert tokens_read(student, batch) == batch.input_ids.numel()
