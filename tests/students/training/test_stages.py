import csv
import dataclasses
import shutil

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.errors import ContractError, TrainingError
from p4d.students import load
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import RowOrder, Sample, TrainingSamples
from p4d.students.distillation.perception import DecoderSizes, LatentStats, PerceptionDecoder
from p4d.students.model.student import embedded_tokens, hidden_states
from p4d.students.training.arm import Arm, Distillation
from p4d.students.training.base_student import build_base_student
from p4d.students.training.loop import train_arm
from p4d.students.training.run import TrainingRun
from p4d.students.training.stages import (
    build_blind,
    build_p4d,
    build_sft,
)
from p4d.students.training.trainer import ClipPartsSeparately
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays
from tests.students import tiny

ALL = ("depth", "flow", "motion", "rays")


@pytest.fixture(scope="module")
def trained(project, tmp_path_factory):
    """Folders of the three arms after three steps."""
    root = tmp_path_factory.mktemp("arms")
    build_sft(project.inputs("student_sft"), root / "student_sft")
    build_p4d(project.inputs("student_p4d"), root / "student_p4d")
    build_blind(project.inputs("student_blind"), root / "student_blind")
    return root


def readers(project):
    return ClipReader(
        {tiny.SHARD: project.root / "clips" / tiny.SHARD},
        {tiny.SHARD: project.root / "regions" / tiny.SHARD},
    )


def distilling_arm(project):
    student = load(project.root / "base_student")
    expert = expert4d.load(project.root / "expert")
    sizes = DecoderSizes(
        student_width=student.adapter.hidden_width,
        student_grid=student.adapter.frame_grid(),
        slots=tiny.FRAMES,
        hooks=2,
        latent_grid=(2, 4, 4),
        latent_width=16,
        hidden_width=16,
    )
    decoder = PerceptionDecoder(sizes)
    stats = LatentStats.load(project.root / "expert")
    return student, Arm(student.adapter, Distillation(decoder, expert, stats, ALL))


def samples(project, labels, steps=3, split="train", maps_every=1, **rest):
    return TrainingSamples(
        load_questions(project.root / "release", split),
        RowOrder(length=steps * 2, seed=1, maps_every=maps_every),
        questions_per_clip=2,
        clips=readers(project),
        labels=labels,
        **rest,
    )


def test_gradients_reach_student_and_decoder_and_never_the_expert(project):
    student, arm = distilling_arm(project)
    expert = arm._distillation[0].expert
    before = {name: value.clone() for name, value in expert.state_dict().items()}
    packer = Packer(student.tokenizer, student.adapter)
    batch = packer.pack([samples(project, tiny.SquareLabels())[i] for i in range(2)])
    terms = arm(batch)
    assert list(terms) == ["sft", "latent", *ALL]
    for name in ("latent", *ALL):
        arm.zero_grad()
        terms[name].backward(retain_graph=True)
        encoder = student.adapter.model.model.vision_tower.embeddings.patch_embedding.weight
        assert encoder.grad.abs().sum() > 0, name
        assert any(p.grad is not None and p.grad.any() for p in arm.decoder.parameters()), name
    assert not any(p.requires_grad or p.grad is not None for p in expert.parameters())
    assert all(torch.equal(before[name], value) for name, value in expert.state_dict().items())
    assert not any("expert" in name for name, _ in arm.named_parameters())


def test_a_step_that_asks_nothing_perceives_the_same_and_runs_no_language_model(project):
    student, arm = distilling_arm(project)
    arm._distillation = [dataclasses.replace(arm._distillation[0], layer=0)]
    packer = Packer(student.tokenizer, student.adapter)
    batch = packer.pack([samples(project, tiny.SquareLabels())[i] for i in range(2)])
    entering = embedded_tokens(student.adapter, batch)
    assert torch.equal(entering, hidden_states(student.adapter, batch, [0])[0])
    asked, unasked = arm(batch), arm(batch, ask=False)
    assert unasked["sft"] == 0 and asked["sft"] > 0
    for name in ("latent", *ALL):
        torch.testing.assert_close(unasked[name], asked[name])
    ran = []
    student.adapter.model.model.language_model.norm.register_forward_hook(
        lambda *_: ran.append("language model")
    )
    sum(arm(batch, ask=False).values()).backward()
    assert not ran
    assert all(weight.grad is not None for weight in arm.student.parameters())


def test_labels_are_read_only_for_the_steps_that_distil(project):
    first = samples(project, tiny.SquareLabels(), labelled=1)
    assert first[0].labels and not first[1].labels
    assert first[1].questions == samples(project, tiny.SquareLabels())[1].questions


def test_all_clips_are_compared_in_latents_and_some_in_maps(project):
    student, arm = distilling_arm(project)
    packer = Packer(student.tokenizer, student.adapter)
    order = samples(project, tiny.SquareLabels())
    every_second = samples(project, tiny.SquareLabels(), maps_every=2)
    full, some = (packer.pack([which[i] for i in range(2)]) for which in (order, every_second))
    assert some.labelled_rows.tolist() == [0, 1]
    assert some.mapped.tolist() == [0]
    assert len(some.labels["latents"]) == 2
    assert len(some.labels["depth_thw"]) == 1
    terms, first = arm(some), arm(packer.pack([order[0]]))
    torch.testing.assert_close(terms["latent"], arm(full)["latent"])
    for name in ALL:
        torch.testing.assert_close(terms[name], first[name])
    none = arm(packer.pack([every_second[1]]))
    assert [none[name].item() for name in ALL] == [0.0] * 4
    assert none["latent"] > 0


def test_a_large_gradient_of_the_decoder_does_not_shrink_the_step_of_the_student(project):
    _, arm = distilling_arm(project)
    for part, size in ((arm.student, 1e-5), (arm.decoder, 1e3)):
        for weight in part.parameters():
            weight.grad = torch.full_like(weight, size)
    ClipPartsSeparately(0.7).on_pre_optimizer_step(None, None, None, model=arm)
    assert all(bool((weight.grad == 1e-5).all()) for weight in arm.student.parameters())
    norms = torch.stack([weight.grad.norm() for weight in arm.decoder.parameters()])
    assert norms.norm().item() == pytest.approx(0.7, rel=1e-3)


def norm_after_training(project, **training):
    """The final norm of the language model, which has no weight decay, before and after."""
    student, arm = distilling_arm(project)
    norm = student.adapter.model.model.language_model.norm.weight
    before = norm.detach().clone()
    run = TrainingRun(
        samples=samples(project, tiny.SquareLabels()),
        packer=Packer(student.tokenizer, student.adapter),
        params=replace_params(project.params, training=training).training,
    )
    train_arm(arm, run)
    return before, norm.detach()


def test_gradients_are_clipped_during_training_to_the_norm_in_params(project):
    assert not torch.equal(*norm_after_training(project))
    # So small that Adam's epsilon outweighs it.
    assert torch.equal(*norm_after_training(project, max_gradient_norm=1e-20))


@pytest.mark.parametrize(
    "changed", [{"weight_decay": 0.5}, {"adam_betas": (0.5, 0.98)}, {"adam_betas": (0.9, 0.5)}]
)
def test_the_optimizer_has_the_settings_of_params(project, trained, tmp_path, changed):
    inputs = project.inputs("student_sft")
    params = replace_params(project.params, training=changed)
    build_sft(dataclasses.replace(inputs, all_params=params), tmp_path / "sft")
    weights = [
        load_file(root / "model" / "model.safetensors")
        for root in (tmp_path / "sft", trained / "student_sft")
    ]
    assert any(not torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_blind_student_opens_no_video(project, trained, tmp_path):
    """Its data hold broken files where the other arms read clips, regions and labels."""
    root = tmp_path / "data"
    shutil.copytree(project.root, root)
    for name in ("clips", "regions", "labels"):
        broken = [path for path in (root / name).rglob("*") if path.is_file()]
        assert broken
        for path in broken:
            path.write_bytes(b"not readable")
    blind_project = dataclasses.replace(project, root=root)
    with pytest.raises(SafetensorError):
        build_sft(blind_project.inputs("student_sft"), tmp_path / "sft")
    build_blind(blind_project.inputs("student_blind"), tmp_path / "blind")
    weights = "model/model.safetensors"
    assert (tmp_path / "blind" / weights).read_bytes() == (
        trained / "student_blind" / weights
    ).read_bytes()


def test_two_runs_leave_equal_bytes(project, trained, tmp_path):
    for name, build in (("student_p4d", build_p4d), ("student_sft", build_sft)):
        again = tmp_path / name
        build(project.inputs(name), again)
        files = [path.relative_to(again) for path in again.rglob("*") if path.is_file()]
        assert len(files) >= 7
        for path in files:
            assert (again / path).read_bytes() == (trained / name / path).read_bytes(), path


def test_an_exported_student_carries_nothing_of_training(trained):
    plain = load_file(trained / "student_sft" / "model" / "model.safetensors")
    distilled = load_file(trained / "student_p4d" / "model" / "model.safetensors")
    assert {k: v.shape for k, v in plain.items()} == {k: v.shape for k, v in distilled.items()}
    assert not any(torch.equal(plain[name], distilled[name]) for name in plain if "proj" in name)
    assert (trained / "student_p4d" / "perception.safetensors").is_file()
    assert not (trained / "student_sft" / "perception.safetensors").exists()


def test_inference_of_both_arms_costs_the_same(project, trained):
    cost = []
    for name in ("student_sft", "student_p4d"):
        student = load(trained / name)
        question = load_questions(project.root / "release", "test")[0]
        visual = readers(project).read(tiny.SHARD, question.clip_id)
        packer = Packer(student.tokenizer, student.adapter)
        batch = packer.pack([Sample(question.clip_id, (question,), visual, {})])
        with FlopCounterMode(display=False) as counter:
            student.answer_scores(batch)
        parameters = sum(p.numel() for p in student.adapter.model.parameters())
        cost.append((parameters, batch.input_ids.numel(), counter.get_total_flops()))
    assert cost[0] == cost[1]
    assert cost[0][2] > 0


def test_curves_name_every_term_and_the_card_keeps_the_weights(trained):
    with (trained / "student_p4d" / "curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert set(rows[0]) == {"step", "total", "sft", "latent", *ALL}
    with (trained / "student_p4d" / "weights.csv").open() as stream:
        weights = list(csv.DictReader(stream))
    assert [row["step"] for row in weights] == ["1", "2", "3"]
    for row, weight in zip(rows, weights, strict=True):
        total = sum(float(weight[name]) * float(row[name]) for name in ("sft", "latent", *ALL))
        assert float(row["total"]) == pytest.approx(total, rel=1e-3)
    assert [float(weights[0][name]) for name in ("sft", "latent")] == [1.0, 0.0]
    assert float(weights[1]["latent"]) > 0
    kept = read_json(trained / "student_p4d" / "card.json")["loss_weights"]
    assert set(kept) == {"latent", *ALL}
    assert read_json(trained / "student_sft" / "card.json")["loss_weights"] == {}


def test_all_arms_start_equal_and_the_blind_one_sees_nothing(trained):
    first = {}
    for name in ("student_sft", "student_p4d"):
        with (trained / name / "curve.csv").open() as stream:
            first[name] = next(csv.DictReader(stream))["sft"]
    assert first["student_sft"] == first["student_p4d"]
    blind = load(trained / "student_blind")
    assert not blind.sees_video
    assert read_json(trained / "student_blind" / "card.json")["visual_tokens"] == 0


def test_nan_labels_stop_training_and_name_the_clips(project):
    student, arm = distilling_arm(project)
    packer = Packer(student.tokenizer, student.adapter)
    with pytest.raises(TrainingError, match=r"step 1 .*clip_00\d, clip_00\d"):
        run = TrainingRun(
            samples=samples(project, tiny.SquareLabels(nan=True)),
            packer=packer,
            params=project.params.training,
        )
        train_arm(arm, run)


def test_clips_the_expert_failed_on_are_trained_on_their_questions_alone(project, tmp_path):
    store = LabelWriter()
    labelled = "clip_000"
    arrays = LabelArrays(**tiny.SquareLabels().read(tiny.SHARD, labelled))
    store.add(labelled, "expert4d", arrays)
    store.write(tmp_path / "labels" / tiny.SHARD)
    inputs = project.inputs("student_p4d")
    few = {**inputs.folders, "labels": {tiny.SHARD: tmp_path / "labels" / tiny.SHARD}}
    build_p4d(dataclasses.replace(inputs, folders=few), tmp_path / "out")
    card = read_json(tmp_path / "out" / "card.json")
    assert card["train_clips"] == 4
    assert card["clips_without_labels"] == 3
    with (tmp_path / "out" / "curve.csv").open() as stream:
        latent = [float(row["latent"]) for row in csv.DictReader(stream)]
    assert 0.0 in latent
    assert any(value > 0 for value in latent)


def test_distilling_without_a_single_label_is_refused(project, tmp_path):
    store = LabelWriter()
    store.write(tmp_path / "labels" / tiny.SHARD)
    inputs = project.inputs("student_p4d")
    none = {**inputs.folders, "labels": {tiny.SHARD: tmp_path / "labels" / tiny.SHARD}}
    with pytest.raises(ContractError, match="nothing to distil"):
        build_p4d(dataclasses.replace(inputs, folders=none), tmp_path / "out")


def test_training_leaves_torch_as_it_was(project, tmp_path):
    torch.manual_seed(5)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    build_blind(project.inputs("student_blind"), tmp_path / "blind")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_progress_is_reported_per_step(project, tmp_path):
    seen = []
    build_blind(
        project.inputs("student_blind", progress=lambda *step: seen.append(step[:2])),
        tmp_path / "blind",
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_student_memorises_clips_that_differ_only_in_their_pictures(tmp_path):
    budget = {"steps": 60, "batch": 4, "learning_rate": 0.004, "threads": 1}
    project = tiny.make(tmp_path / "data", clips=4, alike=True, training=budget)
    build_base_student(project.inputs("base_student"), project.root / "base_student")
    questions = load_questions(project.root / "release", "train")
    right = {}
    for name, build in (("student_sft", build_sft), ("student_blind", build_blind)):
        build(project.inputs(name), project.root / name)
        student = load(project.root / name)
        batch = Packer(student.tokenizer, student.adapter).pack(
            [
                Sample(q.clip_id, (q,), readers(project).read(tiny.SHARD, q.clip_id), {})
                if student.sees_video
                else Sample(q.clip_id, (q,), None, {})
                for q in questions
            ]
        )
        best = student.answer_scores(batch).argmax(dim=1)
        right[name] = (best == batch.answer_index).float().mean().item()
    assert right["student_sft"] == 1.0
    assert right["student_blind"] <= (1 / 4 + 1 / 2) / 2
