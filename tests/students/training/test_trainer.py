import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from p4d.artifacts import Arrays, read_json, read_table, write_table
from p4d.config import replace_params
from p4d.errors import ContractError, TrainingError
from p4d.students.distillation.probes import probed_clips, probed_steps, probes_picture
from p4d.students.training.launch import train, with_settings
from p4d.students.training.stages import build_p4d, build_sft
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays
from tests.students import tiny
from tests.students.tiny import raw_params


class Killed(BaseException):
    """Ends a run where a kill would."""


def inputs_of(project, stage, *, work=None, progress=None, folders=None, **sections):
    inputs = project.inputs(stage, **({"progress": progress} if progress else {}))
    return dataclasses.replace(
        inputs,
        all_params=replace_params(inputs.all_params, **sections),
        work=work,
        folders={**inputs.folders, **(folders or {})},
    )


def weights_of(folder):
    found = load_file(folder / "model" / "model.safetensors")
    if (folder / "perception.safetensors").is_file():
        found |= load_file(folder / "perception.safetensors")
    return found


def curve_of(folder, name="curve.csv"):
    return pl.read_csv(folder / name)


def equal_bytes(one, other):
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    return [str(n) for n in names if (one / n).read_bytes() != (other / n).read_bytes()]


def close(one, other, **tolerance):
    first, second = weights_of(one), weights_of(other)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], **tolerance)


BUDGET = {"steps": 3, "batch": 4}


# --- division of a step -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undivided(project, tmp_path_factory):
    out = tmp_path_factory.mktemp("undivided")
    build_p4d(inputs_of(project, "student_p4d", training=BUDGET), out)
    return out


@pytest.mark.parametrize("parts", [2, 4])
def test_a_step_computed_in_parts_is_the_same_step(project, undivided, tmp_path, parts):
    settings = BUDGET | {"gradient_accumulation": parts}
    build_p4d(inputs_of(project, "student_p4d", training=settings), tmp_path)
    # Sums of float32 in another order, through three steps of AdamW.
    close(tmp_path, undivided, rtol=1e-3, atol=6e-5)
    for column in ("sft", "latent", "depth", "flow", "motion", "rays"):
        one, other = curve_of(tmp_path)[column], curve_of(undivided)[column]
        assert one.to_list() == pytest.approx(other.to_list(), rel=1e-4)


def test_checkpointed_gradients_are_the_same_gradients(project, undivided, tmp_path):
    settings = BUDGET | {"gradient_checkpointing": True}
    build_p4d(inputs_of(project, "student_p4d", training=settings), tmp_path)
    close(tmp_path, undivided, rtol=1e-5, atol=1e-6)


def test_bfloat16_computes_roughly_the_same_and_keeps_weights_in_float32(
    project, undivided, tmp_path
):
    settings = BUDGET | {"precision": "bfloat16"}
    build_p4d(inputs_of(project, "student_p4d", training=settings), tmp_path)
    assert {value.dtype for value in weights_of(tmp_path).values()} == {torch.float32}
    rough, exact = curve_of(tmp_path), curve_of(undivided)
    assert rough["latent"].to_list() == pytest.approx(exact["latent"].to_list(), rel=0.05)
    assert rough["total"].to_list() != exact["total"].to_list()


def test_a_batch_that_does_not_divide_is_refused(project):
    with pytest.raises(ValueError, match="multiple of gradient_accumulation"):
        replace_params(project.params, training={"batch": 3, "gradient_accumulation": 2})


# --- resume -------------------------------------------------------------------------------------

LONG = {"steps": 7, "batch": 2, "save_steps": 2}
TAUGHT = {"training": LONG, "distillation": {"until_fraction": 0.5}}


@pytest.fixture(scope="module")
def uninterrupted(project, tmp_path_factory):
    root = tmp_path_factory.mktemp("uninterrupted")
    build_p4d(inputs_of(project, "student_p4d", **TAUGHT), root / "student_p4d")
    build_sft(inputs_of(project, "student_sft", training=LONG), root / "student_sft")
    return root


@pytest.mark.parametrize("died_after", [1, 4, 6])
def test_a_run_that_resumes_leaves_equal_bytes(project, uninterrupted, tmp_path, died_after):
    seen = []

    def die(done, total, note):
        seen.append(done)
        if done == died_after and len(seen) == died_after:
            raise Killed

    work = tmp_path / "work"
    inputs = inputs_of(project, "student_p4d", work=work, progress=die, **TAUGHT)
    with pytest.raises(Killed):
        build_p4d(inputs, tmp_path / "first")
    build_p4d(inputs, tmp_path / "out")
    # What was saved is not done again: a checkpoint is written after every second step.
    saved = (died_after - 1) // 2 * 2
    assert seen == [*range(1, died_after + 1), *range(saved + 1, 8)]
    assert equal_bytes(tmp_path / "out", uninterrupted / "student_p4d") == []
    live = pl.read_csv(work / "live" / "live.csv")
    assert live["step"].to_list() == list(range(1, 8))


def test_a_run_that_died_before_it_was_published_trains_no_more(project, uninterrupted, tmp_path):
    seen = []
    inputs = inputs_of(
        project,
        "student_sft",
        work=tmp_path / "work",
        progress=lambda done, total, note: seen.append(done),
        training=LONG,
    )
    build_sft(inputs, tmp_path / "first")
    build_sft(inputs, tmp_path / "out")
    assert seen == list(range(1, 8))
    assert equal_bytes(tmp_path / "out", uninterrupted / "student_sft") == []


def test_a_checkpoint_of_another_run_is_refused(project, tmp_path):
    work = tmp_path / "work"
    build_sft(inputs_of(project, "student_sft", work=work, training=LONG), tmp_path / "a")
    changed = LONG | {"learning_rate": 0.5}
    with pytest.raises(TrainingError, match="other inputs, parameters"):
        build_sft(inputs_of(project, "student_sft", work=work, training=changed), tmp_path / "b")


def launched(project, out, *settings, launcher=(sys.executable,), **popen):
    """`p4d train p4d` in a process of its own, on the tiny project."""
    code = (
        "import sys; from pathlib import Path; from p4d.students.training.launch import *; "
        "from tests.students import tiny; import yaml; "
        "from tests.students.tiny import raw_params; "
        "train(sys.argv[1], Path(sys.argv[2]), data=Path(sys.argv[3]), "
        "params=with_settings(raw_params(), sys.argv[4:]))"
    )
    script = out.parent / "launched.py"
    script.write_text(code.replace("; ", "\n"))
    return subprocess.Popen(
        [*launcher, str(script), "p4d", str(out), str(project.root), *settings],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **popen,
    )


def test_a_killed_process_goes_on_where_it_was(project, tmp_path):
    settings = ("training.steps=30", "training.batch=2", "training.save_steps=3")
    params = with_settings(raw_params(), settings)
    out = tmp_path / "killed"
    process = launched(project, out, *settings)
    deadline = time.monotonic() + 180
    while not list((out / "work" / "checkpoints").glob("checkpoint-*")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "card.json").exists()
    steps = []
    train(
        "p4d", out, data=project.root, params=params,
        progress=lambda done, total, note: steps.append(done),
    )  # fmt: skip
    assert 1 < steps[0] <= 30
    train("p4d", tmp_path / "whole", data=project.root, params=params)
    shutil.rmtree(out / "work")
    shutil.rmtree(tmp_path / "whole" / "work")
    assert equal_bytes(out, tmp_path / "whole") == []


# --- what is distilled --------------------------------------------------------------------------


def labelled_by_truth(project, folder):
    """Labels of a teacher that stores cameras and no rays, for all clips but the first."""
    writer = LabelWriter()
    for clip_id in read_table(project.root / "release" / "clips.parquet")["clip_id"]:
        arrays = tiny.SquareLabels().read(tiny.SHARD, clip_id)
        kept = {k: v for k, v in arrays.items() if k not in ("latents", "rays_thw6")}
        poses = torch.eye(4, dtype=torch.float64).repeat(tiny.FRAMES, 1, 1)
        poses[:, 0, 3] = torch.arange(tiny.FRAMES) * 0.1
        K = torch.tensor([[16.0, 0, 8], [0, 16, 8], [0, 0, 1]]).double()
        camera = {"world_T_cam_t44": poses.numpy(), "K_t33": K.repeat(tiny.FRAMES, 1, 1).numpy()}
        if clip_id != "clip_000":
            writer.add(clip_id, "exact", LabelArrays(**kept, **camera))
    writer.write(folder)
    return {"labels": {tiny.SHARD: folder}}


EXACT = {"teacher": "exact", "latents": False, "target_ratio": 1.0}


def test_truth_can_be_the_teacher(project, tmp_path):
    folders = labelled_by_truth(project, tmp_path / "labels")
    settings = BUDGET | {"steps": 12, "learning_rate": 0.001}
    build_p4d(
        inputs_of(project, "student_p4d", folders=folders, training=settings, distillation=EXACT),
        tmp_path / "out",
    )
    curve, card = curve_of(tmp_path / "out"), read_json(tmp_path / "out" / "card.json")
    assert curve.columns == ["step", "total", "sft", "depth", "flow", "motion", "rays"]
    assert card["teacher"] == "exact"
    assert card["clips_without_labels"] == 1
    assert curve["rays"][-1] < curve["rays"][0]
    weights = curve_of(tmp_path / "out", "weights.csv").row(-1, named=True)
    shares = [weights[name] * curve[name][-1] for name in ("depth", "flow", "motion", "rays")]
    assert 0 < sum(shares) <= 1.5 * curve["sft"][-1]


@pytest.mark.parametrize("off", ["depth", "flow", "motion", "rays"])
def test_each_modality_can_be_switched_off(project, tmp_path, off):
    kept = tuple(name for name in ("depth", "flow", "motion", "rays") if name != off)
    inputs = inputs_of(
        project, "student_p4d", training={"steps": 1}, distillation={"modalities": kept}
    )
    build_p4d(inputs, tmp_path)
    assert curve_of(tmp_path).columns == ["step", "total", "sft", "latent", *kept]


def test_latents_alone_and_maps_alone_can_teach(project, tmp_path):
    for name, settings in (("latent", {"modalities": ()}), ("maps", {"latents": False})):
        inputs = inputs_of(project, "student_p4d", training={"steps": 1}, distillation=settings)
        build_p4d(inputs, tmp_path / name)
    assert curve_of(tmp_path / "latent").columns == ["step", "total", "sft", "latent"]
    assert "latent" not in curve_of(tmp_path / "maps").columns


def test_nothing_to_distil_is_refused(project):
    with pytest.raises(ValueError, match="name some modalities"):
        replace_params(project.params, distillation={"latents": False, "modalities": ()})
    with pytest.raises(ValueError, match="teacher exact has no latents"):
        replace_params(project.params, distillation={"teacher": "exact"})


def test_the_question_loss_can_start_after_a_warm_up(project, tmp_path):
    settings = {"warmup_fraction": 0.5, "warmup_sft_weight": 0.0, "preset": "paper"}
    inputs = inputs_of(project, "student_p4d", training={"steps": 4}, distillation=settings)
    build_p4d(inputs, tmp_path)
    weights = curve_of(tmp_path, "weights.csv")
    assert weights["sft"].to_list() == [0.0, 0.0, 1.0, 1.0]
    assert weights["latent"].to_list() == [0.5] * 4
    curve = curve_of(tmp_path)
    assert [value > 0 for value in curve["sft"]] == [False, False, True, True]


def test_nothing_is_distilled_after_the_distilled_steps(project, tmp_path):
    taught = {"training": {"steps": 4}, "distillation": {"until_fraction": 0.5, "preset": "paper"}}
    build_p4d(inputs_of(project, "student_p4d", **taught), tmp_path)
    curve = curve_of(tmp_path)
    for name in ("latent", "depth", "flow", "motion", "rays"):
        assert [value is None for value in curve[name]] == [False, False, True, True]
    assert curve["total"][2:].to_list() == curve["sft"][2:].to_list()
    card = read_json(tmp_path / "card.json")
    assert card["loss_weights"]["latent"] == 0.5
    assert card["loss_of_last_steps"]["latent"] == round(curve["latent"][:2].mean(), 4)


def test_a_warm_up_that_outlasts_distillation_is_an_error(project):
    with pytest.raises(ValueError, match="not end before the warm-up"):
        replace_params(project.params, distillation={"until_fraction": 0.2, "warmup_fraction": 0.5})


def test_clips_without_questions_are_distilled(project, tmp_path):
    release = tmp_path / "release"
    shutil.copytree(project.root / "release", release)
    questions = read_table(release / "questions.parquet")
    asked = questions.filter(pl.col("clip_id") != "clip_000")
    write_table(release / "questions.parquet", asked, sort_by=["qa_id"])
    curves = {}
    for extra in (0, 2):
        out = tmp_path / str(extra)
        build_p4d(
            inputs_of(
                project,
                "student_p4d",
                folders={"release": release},
                training=BUDGET,
                distillation={"unlabelled_clips": extra, "until_fraction": 0.6},
            ),
            out,
        )
        curves[extra] = curve_of(out)
        assert read_json(out / "card.json")["unlabelled_clips"] == (1 if extra else 0)
    # The questions of a step are the same; what is distilled is not.
    assert curves[2]["sft"][0] == pytest.approx(curves[0]["sft"][0], rel=1e-5)
    assert curves[2]["latent"][0] != pytest.approx(curves[0]["latent"][0], rel=1e-4)
    assert curves[2]["latent"].null_count() == 1


def test_unlabelled_clips_that_do_not_exist_are_refused(project, tmp_path):
    with pytest.raises(ContractError, match="no unlabelled clips"):
        build_p4d(inputs_of(project, "student_p4d", distillation={"unlabelled_clips": 2}), tmp_path)


# --- what a run shows ---------------------------------------------------------------------------


def test_a_run_reports_its_losses_and_waiting_times_as_it_goes(project, tmp_path):
    seen = []

    def look(done, total, note):
        seen.append(pl.read_csv(tmp_path / "work" / "live" / "live.csv").height)

    inputs = inputs_of(project, "student_p4d", work=tmp_path / "work", progress=look)
    build_p4d(inputs, tmp_path / "out")
    assert seen == [1, 2, 3]
    live = tmp_path / "work" / "live"
    row = pl.read_csv(live / "live.csv").row(-1, named=True)
    assert {"total", "latent", "weight_latent", "learning_rate", "clips_per_s"} <= set(row)
    assert 0 <= row["data_wait"] <= 1
    assert read_json(live / "times.json")["steps"] == 3
    (events,) = live.glob("events.out.tfevents.*")
    assert b"weight_latent" in events.read_bytes()
    artifact = [path.name for path in (tmp_path / "out").rglob("*")]
    assert not {"live.csv", "times.json"} & set(artifact)
    assert not any("work" in name or "checkpoint" in name for name in artifact)


def test_settings_of_the_command_line_are_checked():
    raw = raw_params()
    assert with_settings(raw, ["training.steps=9"]).training.steps == 9
    assert with_settings(raw, ["distillation.modalities=[depth]"]).distillation.modalities == (
        "depth",
    )
    for wrong in ("training.stepps=9", "steps=9", "training.steps", "training.steps=-1"):
        with pytest.raises(ValueError, match=r"params\.yaml"):
            with_settings(raw, [wrong])


def test_a_finished_student_is_not_trained_over(project, tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ContractError, match="finished student"):
        train("sft", tmp_path, data=project.root, params=project.params)


def test_a_student_is_probed_after_the_chosen_steps_and_the_last(project, tmp_path):
    settings = {"probe_steps": (1, 2, 99)}
    inputs = inputs_of(project, "student_p4d", training={"steps": 4}, distillation=settings)
    build_p4d(inputs, tmp_path)
    probes = Arrays(tmp_path / "probes.safetensors")
    assert probed_steps(probes) == [1, 2, 4]
    splits = read_table(project.root / "release" / "clips.parquet").select("clip_id", "split")
    assert probes.meta["splits"].items() <= dict(splits.iter_rows()).items()
    assert sorted(probes.meta["splits"].values()) == ["test", "test", "train", "train"]
    clip_id = probed_clips(probes)[0]
    depth = [probes[f"{clip_id}.step{step:07d}.depth"] for step in (1, 4)]
    assert depth[0].shape == probes[f"{clip_id}.teacher.depth"].shape == (tiny.MAP, tiny.MAP)
    assert depth[0].dtype == np.float16
    assert not np.array_equal(*depth)
    picture = probes_picture(tmp_path, clips=1)
    assert picture.shape[0] > 4 * 96  # the teacher and three steps
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    unseen = probes_picture(tmp_path, split="test")
    assert unseen.shape == probes_picture(tmp_path, clips=2).shape
    assert not np.array_equal(unseen, probes_picture(tmp_path, clips=2))
    with pytest.raises(ContractError, match="no probes at steps"):
        probes_picture(tmp_path, steps=[3])
    # Students of earlier versions have the same content under another name.
    (tmp_path / "probes.safetensors").rename(tmp_path / "looks.safetensors")
    assert np.array_equal(probes_picture(tmp_path, clips=1), picture)


def test_probes_do_not_change_what_is_learned(project, tmp_path):
    for name, steps in (("without", ()), ("with", (1, 2))):
        inputs = inputs_of(project, "student_p4d", distillation={"probe_steps": steps})
        build_p4d(inputs, tmp_path / name)
    assert not (tmp_path / "without" / "probes.safetensors").exists()
    weights = "model/model.safetensors"
    assert (tmp_path / "with" / weights).read_bytes() == (
        tmp_path / "without" / weights
    ).read_bytes()
    with pytest.raises(ContractError, match="probe_steps"):
        probes_picture(tmp_path / "without")
