"""What the controls share: the samples, the order and the loop of the arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from p4d.config import Params
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question, load_questions
from p4d.students.data.samples import RowOrder, TrainingSamples
from p4d.students.model.student import Student
from p4d.students.training.arm import Arm
from p4d.students.training.distillation_setup import DistillationSetup
from p4d.students.training.loop import train_arm
from p4d.students.training.run import TrainingRun


@dataclass(frozen=True, kw_only=True)
class ControlRun:
    """What a control is trained on.

    Attributes:
        work: folder of the corpus.
        folders: of the stages that the arm of the control reads, by name.
        base: folder of the student that it starts from.
        clips: the pictures.
        params: all sections.
        progress: called as `(steps done, steps, note)`.
    """

    work: Path
    folders: Mapping[str, Path | Mapping[str, Path]]
    base: Path
    clips: ClipReader
    params: Params
    progress: Callable[[int, int, str], None]

    def questions(self) -> list[Question]:
        """The questions of the train split."""
        return list(load_questions(self.work / "release", "train"))

    def shard_of_clips(self) -> dict[str, str]:
        """The shard of every clip with questions, by clip."""
        return {question.clip_id: question.shard for question in self.questions()}


def fit(run: ControlRun, student: Student, setup: DistillationSetup | None = None) -> None:
    """Train a student as the stages do, with the teacher's side of `setup` if there is one."""
    setup = setup or DistillationSetup()
    training = run.params.training
    samples = TrainingSamples(
        run.questions(),
        RowOrder(
            length=training.steps * training.batch, seed=training.seed, maps_every=setup.maps_every
        ),
        questions_per_clip=training.questions_per_clip,
        clips=run.clips,
        labels=setup.labels,
        labelled=setup.distilled_steps * training.batch,
    )
    train_arm(
        Arm(student.adapter, setup.distillation),
        TrainingRun(
            samples=samples,
            packer=Packer(student.tokenizer, student.adapter),
            params=training,
            weights=setup.weights,
            phases=setup.phases,
            progress=run.progress,
        ),
    )
