"""The region term: the expert's latents under regions, predicted from what a question reads."""

import dataclasses

import numpy as np
import pytest
import torch

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.errors import ConfigError, ContractError
from p4d.students import load
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import RowOrder, TrainingSamples
from p4d.students.distillation.perception import LatentStats
from p4d.students.distillation.regions import (
    RegionDecoder,
    region_latents,
    region_loss,
    regions_counted,
)
from p4d.students.model.student import REGIONS, embedded_states, hidden_states
from p4d.students.training.arm import Arm, Distillation
from p4d.students.training.base_student import build_base_student
from p4d.students.training.distillation_setup import new_decoder
from p4d.students.training.stages import build_p4d
from p4d.teachers.expert4d import network as expert4d
from tests.students import tiny

READS_TOKENS = {"architecture": "qwen3_vl", "region_prompt": "tokens", "answers": "option"}
ON = {"region_share": 0.5, "student_layer": 0}


@pytest.fixture(scope="module")
def region_project(tmp_path_factory):
    """A tiny project whose student reads regions as tokens."""
    project = tiny.make(tmp_path_factory.mktemp("regions") / "data", student=READS_TOKENS)
    build_base_student(project.inputs("base_student"), project.root / "base_student")
    return project


def one_clip():
    """Latents of one hook, two tubelets of 2 x 2 cells and one channel; three regions."""
    latents = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)
    latents = torch.stack([latents, 10 * latents])[None, None, ..., None]
    masks = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    masks[0, 0, :2] = 1  # the upper row of cells
    masks[0, 2, :2, :2] = 1  # the first cell, and a quarter of the last
    masks[0, 2, 3, 3] = 1
    return latents, masks


def test_the_target_is_the_mean_under_the_mask_and_empty_regions_have_none():
    latents, masks = one_clip()
    there, means = region_latents(latents, masks)
    assert there.tolist() == [[True, False, True]]
    last = (1.0 + 5.0 / 4) / (1 + 1 / 4)
    torch.testing.assert_close(means, torch.tensor([[1.5, 15.0], [last, 10 * last]]))
    assert regions_counted(latents, masks) == means.numel()
    assert regions_counted(latents, None) == 0
    assert regions_counted(latents, torch.zeros_like(masks)) == 0


def test_the_term_is_smooth_l1_over_the_elements_of_the_step():
    predicted, target = torch.tensor([[0.0, 3.0]]), torch.tensor([[0.5, 0.0]])
    both = 0.5 * 0.5**2 + (3.0 - 0.5)
    assert region_loss(predicted, target).item() == pytest.approx(both / 2)
    assert region_loss(predicted, target, 10.0).item() == pytest.approx(both / 10)
    assert region_loss(predicted[:0], target[:0], 0.0).item() == 0


def region_arm(project):
    """A student that distils at regions only, and a batch of two clips without questions."""
    student = load(project.root / "base_student")
    expert = expert4d.load(project.root / "expert")
    distillation = Distillation(
        new_decoder(
            student,
            expert.latent_shape,
            project.params.distillation,
            frames=tiny.FRAMES,
            seed=0,
        ),
        expert,
        LatentStats.load(project.root / "expert"),
        (),
        layer=0,
        regions=RegionDecoder(student.adapter.hidden_width, expert.latent_shape),
    )
    samples = TrainingSamples(
        load_questions(project.root / "release", "train"),
        RowOrder(length=2, seed=1),
        questions_per_clip=2,
        clips=ClipReader(
            {tiny.SHARD: project.root / "clips" / tiny.SHARD},
            {tiny.SHARD: project.root / "regions" / tiny.SHARD},
        ),
        labels=tiny.SquareLabels(),
    )
    batch = Packer(student.tokenizer, student.adapter).pack([samples[0], samples[1]])
    return student, Arm(student.adapter, distillation), batch


def test_the_term_trains_the_encoder_and_no_language_model_runs_for_it(region_project):
    student, arm, batch = region_arm(region_project)
    read = embedded_states(student.adapter, batch)[REGIONS]
    assert read.shape == (2, 1, student.adapter.hidden_width)
    assert torch.equal(read, hidden_states(student.adapter, batch, [REGIONS])[REGIONS])
    ran = []
    student.adapter.model.model.language_model.norm.register_forward_hook(
        lambda *_: ran.append("language model")
    )
    terms = arm(batch, ask=False)
    assert list(terms) == ["sft", "latent", "region"]
    terms["region"].backward()
    assert not ran
    moved = {name for name, w in arm.named_parameters() if w.grad is not None and w.grad.any()}
    assert "regions.linear.weight" in moved
    assert any("visual.blocks" in name for name in moved)
    assert any("visual.patch_embed" in name for name in moved)
    assert not any(name.startswith("decoder") for name in moved)


def test_a_term_of_weight_zero_is_known_and_costs_no_gradient(region_project):
    """The gradients are those of the sum in which its weight is zero."""
    _, arm, batch = region_arm(region_project)
    for ask in (False, True):
        found = []
        for unweighted in ((), ("latent",)):
            arm.zero_grad(set_to_none=True)
            terms = arm(batch, ask=ask, unweighted=unweighted)
            (terms["sft"] + 3.0 * terms["region"] + 0.0 * terms["latent"]).backward()
            gradients = {name: weight.grad.clone() for name, weight in arm.named_parameters()}
            found.append((terms["latent"].item(), gradients))
        (whole, full), (alone, lean) = found
        assert alone == whole > 0
        assert list(lean) == list(full)
        assert all(torch.equal(lean[name], full[name]) for name in full)
    cut = arm(batch, ask=False, unweighted=("latent",))["latent"]
    arm.zero_grad(set_to_none=True)
    cut.backward()
    assert {name.split(".")[0] for name, w in arm.named_parameters() if w.grad is not None} == {
        "decoder"
    }


def test_the_term_is_what_its_parts_give(region_project):
    student, arm, batch = region_arm(region_project)
    distillation = arm._distillation[0]
    stats, regions = distillation.stats, distillation.regions
    latents = stats.standardise(batch.labels["latents"].float())
    there, target = region_latents(latents, batch.masks)
    read = embedded_states(student.adapter, batch)[REGIONS][there]
    expected = torch.nn.functional.smooth_l1_loss(regions(read), target)
    torch.testing.assert_close(arm(batch)["region"], expected)


def test_a_batch_without_regions_is_no_error_and_teaches_nothing(region_project):
    _, arm, batch = region_arm(region_project)
    for masks in (None, torch.zeros_like(batch.masks)):
        bare = dataclasses.replace(
            batch, masks=masks, region_ids=None if masks is None else batch.region_ids
        )
        assert arm.counts(bare)["region"] == 0
        assert arm(bare, ask=False)["region"].item() == 0


def trained(project, out, **distillation):
    inputs = project.inputs("student_p4d")
    params = replace_params(inputs.all_params, distillation=distillation)
    build_p4d(dataclasses.replace(inputs, all_params=params), out)
    return out


def test_a_run_reports_the_term_and_exports_a_student_without_its_decoder(region_project, tmp_path):
    with_term = trained(region_project, tmp_path / "with", **ON)
    without = trained(region_project, tmp_path / "without", student_layer=0)
    header = (with_term / "curve.csv").read_text().splitlines()[0]
    assert header == "step,total,sft,latent,depth,flow,motion,rays,region"
    assert "region" not in (without / "curve.csv").read_text()
    card, other = read_json(with_term / "card.json"), read_json(without / "card.json")
    assert card["loss_weights"]["region"] > 0
    width = load(with_term).adapter.hidden_width
    added = card["training_only_parameters"] - other["training_only_parameters"]
    assert added == (width + 1) * 2 * 2 * 16  # hooks, tubelets, channels
    of_both = [
        {file.name: file.stat().st_size for file in (folder / "model").iterdir()}
        for folder in (with_term, without)
    ]
    assert of_both[0] == of_both[1]


def test_all_of_the_weight_can_go_to_regions_and_needs_no_maps(region_project, tmp_path):
    out = trained(region_project, tmp_path, **ON | {"region_share": 1.0, "modalities": ()})
    weights = read_json(out / "card.json")["loss_weights"]
    assert weights["latent"] == 0 and weights["region"] > 0
    assert np.isfinite(read_json(out / "card.json")["loss_of_last_steps"]["region"])


def test_a_student_that_reads_drawn_marks_is_refused(project, tmp_path):
    with pytest.raises(ContractError, match=r"region_share 0\.5: the student reads"):
        trained(project, tmp_path, **ON)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"region_share": 1.5}, "region_share must be in"),
        ({"region_share": 0.5, "preset": "paper"}, "region_share needs"),
        ({"region_share": 0.5, "latents": False}, "region_share needs"),
    ],
)
def test_settings_without_a_meaning_are_refused(project, changed, message):
    with pytest.raises(ConfigError, match=message):
        replace_params(project.params, distillation=changed)
