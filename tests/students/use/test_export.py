"""An exported student opens in p4d and in transformers, with readable files."""

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from p4d.config import replace_params
from p4d.students import load
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.model.pretrained import open_student
from p4d.students.training.base_student import build_base_student
from p4d.students.use.ask import VideoQuestion, ask_video, load_asked, sampling_of
from p4d.students.use.export import export_student
from tests.evaluation.benchmarks.files import video
from tests.students import tiny
from tests.students.model.published.checkpoints import FAMILIES, write_checkpoint

TORCHVISION = os.environ.get("P4D_TORCHVISION", "")
QUESTION = "Which way does it move?"
SIZE = 56


def clips_of(params):
    return replace_params(params, clips={"size_px": SIZE}).clips


@pytest.fixture(scope="module", params=FAMILIES)
def student(request, project, tmp_path_factory):
    """The folder of a base student that is made of a published checkpoint."""
    root = tmp_path_factory.mktemp(request.param)
    folder = write_checkpoint(root / "published", request.param)
    inputs = project.inputs("base_student")
    params = replace_params(
        inputs.all_params,
        clips={"size_px": SIZE},
        student={"checkpoint": str(folder), "region_prompt": "marks"},
    )
    build_base_student(dataclasses.replace(inputs, all_params=params), root / "student")
    return root / "student"


@pytest.fixture(scope="module")
def exported(student, project):
    return export_student(student, student.parent / "exported", clips_of(project.params))


def asked(student, frames, times_s):
    question = ad_hoc_question(QUESTION, (), clip_id="c", video_id="v")
    visual = Visual(frames, times_s, np.zeros((0, *frames.shape[1:3]), np.uint8))
    sample = Sample("c", (question,), visual, {})
    packer = Packer(student.tokenizer, student.adapter)
    return packer.prompts([sample]), packer.pack([sample])


def test_every_file_is_readable_by_everyone(exported):
    for path in (exported, *exported.rglob("*")):
        expected = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == expected, path.name


@torch.no_grad()
def test_it_opens_in_ask_and_evaluate_and_answers_as_before(student, exported, project, tmp_path):
    before, after = load(student), open_student(exported)
    assert not after.as_published
    frames = np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    one, two = (asked(each, frames, np.arange(4) / 4)[1] for each in (before, after))
    assert torch.equal(before.hidden(one), after.hidden(two))
    sampling = sampling_of(exported, project.params.clips)
    assert sampling == clips_of(project.params)  # not those of the project
    loaded, _ = load_asked(exported, print)
    answer = ask_video(
        loaded, video(tmp_path / "a.mp4"), VideoQuestion(text=QUESTION), sampling, max_new_tokens=2
    )
    assert isinstance(answer.text, str)


@torch.no_grad()
@pytest.mark.skipif(
    not TORCHVISION,
    reason="P4D_TORCHVISION names no folder: in_transformers.py",
)
def test_transformers_processor_and_pipeline_open_it(student, exported, tmp_path):
    """Equal prompts and, with `p4d_time.py`, equal logits; the encoding of times matters."""
    ours = load(student)
    frames = np.random.default_rng(2).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    times_s = np.arange(4) / 4
    np.savez(tmp_path / "given.npz", frames=frames, times_s=times_s)
    (tmp_path / "question.txt").write_text(QUESTION)
    repository = Path(tiny.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.students.use.in_transformers",
         str(tmp_path / "given.npz"), str(exported)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{TORCHVISION}:{repository}"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    (said,) = json.loads(ran.stdout.splitlines()[-1])
    prompts, packed = asked(ours, frames, times_s)
    assert said["ids"] == prompts.input_ids[0].tolist()
    ((row, position),) = packed.letter_rows.tolist()
    expected = ours.adapter.logits(ours.hidden(packed)[row, position])
    told, plain = torch.tensor(said["told"]), torch.tensor(said["plain"])
    torch.testing.assert_close(told, expected, atol=1e-3, rtol=1e-3)
    assert float((plain - expected).abs().max()) > 0.05
    assert isinstance(said["pipeline"], str)
