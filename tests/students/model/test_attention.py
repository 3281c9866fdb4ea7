"""Other implementations of attention attend to the same, or say that they cannot."""

import pytest
import torch

from p4d.config import replace_params
from p4d.errors import ConfigError, ContractError
from p4d.students import load
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import Sample
from p4d.students.model.attention import (
    FLASH,
    FLEX,
    attention_of,
    block_mask,
    mask_for,
    set_attention,
    use_attention,
)
from tests.students.tiny import SHARD, params

CPU = torch.device("cpu")


@pytest.fixture
def student(student_folder):
    return load(student_folder)


def packed(project, student, *, per_row=2, scored=True):
    """Two rows of unequal length."""
    questions = load_questions(project.root / "release", "train")
    clips = ClipReader(*({SHARD: project.root / part / SHARD} for part in ("clips", "regions")))
    ids = sorted({question.clip_id for question in questions})[:2]
    samples = []
    for number, clip_id in enumerate(ids):
        asked = tuple(q for q in questions if q.clip_id == clip_id)[: per_row - number or 1]
        samples.append(Sample(clip_id, asked, clips.read(SHARD, clip_id), {}))
    return Packer(student.tokenizer, student.adapter).pack(samples, scored=scored)


def test_the_rule_for_flex_attention_is_the_whole_mask(project, student):
    batch = packed(project, student)
    rule, whole = block_mask(batch).mask_mod, batch.attention_mask()
    rows, _, length, _ = whole.shape
    index = torch.meshgrid(*(torch.arange(n) for n in (rows, length, length)), indexing="ij")
    assert torch.equal(rule(index[0], 0, index[1], index[2]), whole[:, 0])


def test_flex_attention_answers_as_sdpa(project, student):
    """Without its compiler, whose kernels are for GPUs: the same call by transformers."""
    batch = packed(project, student)
    before = student.answer_scores(batch)
    set_attention(student.adapter.model, FLEX, "key")
    assert attention_of(student.adapter.model) == FLEX
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(student.answer_scores(batch), before, rtol=1e-3, atol=1e-4)
    set_attention(student.adapter.model, "eager", "key")
    torch.testing.assert_close(student.answer_scores(batch), before, rtol=1e-3, atol=1e-4)


def test_flash_attention_gets_rows_of_one_question_and_no_others(project, student):
    model = student.adapter.model
    model.config.get_text_config()._attn_implementation = FLASH  # its package is not here
    batch = packed(project, student, per_row=1, scored=False)
    mask = mask_for(model, batch, batch.attention_mask())
    assert torch.equal(mask.bool(), batch.token_mask)
    # A causal order and this mask are all that the rows say.
    causal = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool).tril()
    seen = causal & mask.bool()[:, None, :]
    told = batch.attention_mask()[:, 0]
    assert torch.equal(seen[batch.token_mask], told[batch.token_mask])
    with pytest.raises(ContractError, match="cannot keep the questions of a row apart"):
        mask_for(model, packed(project, student), torch.ones(1))


@pytest.mark.parametrize("name", [FLEX, FLASH])
def test_where_there_is_no_gpu_it_is_refused_with_the_way_out(student, name):
    with pytest.raises(ConfigError, match=rf"training\.attention: {name} needs a CUDA device"):
        use_attention(student.adapter.model, name, CPU, "training.attention")
    assert attention_of(student.adapter.model) == "sdpa"
    use_attention(student.adapter.model, "eager", CPU, "training.attention")
    assert attention_of(student.adapter.model) == "eager"


def test_a_gpu_without_the_package_of_flash_attention_is_told_of_it(student):
    with pytest.raises(ConfigError, match="needs the package flash-attn"):
        use_attention(student.adapter.model, FLASH, torch.device("cuda"), "evaluation.attention")


@pytest.mark.parametrize("section", ["training", "evaluation"])
def test_a_name_that_is_none_is_refused_by_the_parameters(section):
    with pytest.raises(ConfigError, match="attention must be among"):
        replace_params(params(), **{section: {"attention": "somebody/kernel"}})
    if section == "training":
        with pytest.raises(ConfigError, match="needs questions_per_clip 1"):
            replace_params(params(), training={"attention": FLASH})
