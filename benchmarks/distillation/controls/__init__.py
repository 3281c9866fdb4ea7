"""Controls that no stage of the pipeline trains: each is the SFT arm with one thing changed.

`fitting.py` has what they share. `teacher_features.py` replaces the encoder by the teacher,
`teacher_cues.py` gives the student the flow that the teacher is given, `frame_differences.py`
distils the differences of neighbouring frames in the place of a teacher, `other_clips.py` distils
the teacher's labels of other clips. All start from the same base and see the same questions in the
same order for the same number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from benchmarks.distillation.controls.fitting import ControlRun
from benchmarks.distillation.controls.frame_differences import from_frame_differences
from benchmarks.distillation.controls.other_clips import from_other_clips
from benchmarks.distillation.controls.teacher_cues import with_teacher_cues
from benchmarks.distillation.controls.teacher_features import with_teacher_features
from p4d.students.model.student import Student

CONTROLS: Mapping[str, Callable[[ControlRun], AbstractContextManager[Student]]] = {
    "teacher_features": with_teacher_features,
    "teacher_cues": with_teacher_cues,
    "frame_differences": from_frame_differences,
    "other_clips": from_other_clips,
}
"""By `RunSpec.stage`: trains the control, whose student sees as it learned inside the context."""
