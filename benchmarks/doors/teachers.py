"""Part `teachers`: what each teacher gives, how large its input is, how fast and how good it is.

Simulated worlds are rendered as videos with exact truth, landed, cut, and labelled by every teacher
from its own input. Quality is the mean of what `label_stats.parquet` measures against truth, and of
the errors of poses. `facts` are what facts of pictures are worth if flow comes from that teacher:
of the words whose margin lets a question be asked, the share that is right, and the share of true
values within one and two sigma. Networks with random weights are measured for their speed alone.

`python -m benchmarks.doors teachers`; the sigma of a teacher of your own: `--settings FILE` of
`python -m benchmarks.doors.teachers FOLDER`, which prints the same for a YAML of `labels`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from benchmarks.doors.random_networks import save_depth_anything_small, save_vjepa2_small
from benchmarks.questions.calibration import TRUE_REGIONS, calibration_errors, coverage
from p4d.artifacts import read_table
from p4d.config import LabelsParams, Params, TeacherParams, replace_params
from p4d.project import Project
from p4d.standalone import run_stages
from p4d.teachers import measures
from p4d.teachers.expert4d import embedded
from p4d.teachers.labelling.label import ShardClips, label_clips
from p4d.teachers.labelling.sources import write_record
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.protocol import Teacher
from p4d.teachers.registry import make_teachers
from p4d.video.landing import land
from p4d.worlds.corpus import write_world

FIRST_SEED, WORLDS = 8_700_000, 20
"""Far from the seeds of corpus, expert, R4D-World and of the study of sigmas."""

WORLD = {"size_px": 256, "duration_s": 4.0}
MEASURES = (
    "depth_absrel", "depth_delta1", "flow_epe_px", "flow_zero_epe_px", "motion_iou",
    "ray_angle_rad",
)  # fmt: skip
CLIPS_OF_RANDOM = 2

MEASURED: Mapping[str, TeacherParams] = {
    "dis": TeacherParams(kind="flow_dis"),
    "dis_small": TeacherParams(kind="flow_dis", input_px=96),
    "camera": TeacherParams(kind="camera_flow", uses=("dis", "expert4d")),
    "camera_metric": TeacherParams(kind="camera_flow", uses=("dis", "exact")),
}


def measure(work: Path) -> dict[str, object]:
    """Figures by teacher; see the text of this module."""
    params = _params(MEASURED)
    shard = _landed(work, params)
    found: dict[str, object] = dict(_measured(work, shard, params))
    random = {
        "depth_anything_small_random": TeacherParams(
            kind="depth", where=str(save_depth_anything_small(work / "depth_anything"))
        ),
        "vjepa2_small_random": TeacherParams(
            kind="latents", where=str(save_vjepa2_small(work / "vjepa2"))
        ),
    }
    for name, settings in random.items():
        one = _measured(work, shard, _params({name: settings}), only=name, most=CLIPS_OF_RANDOM)
        found[name] = one[name] | {"quality": {}, "weights": "random"}
    return found


def _params(settings: Mapping[str, TeacherParams]) -> Params:
    labels = {"teachers": ("expert4d", "exact", *settings), "settings": dict(settings)}
    return replace_params(Project.find().params, labels=labels | {"threads": 1}, worlds=WORLD)


def _landed(work: Path, params: Params) -> str:
    """Land the worlds; stages `videos`, `clips` and `regions` of their shard."""
    source = Project.find()
    project = Project(work)
    for name in ("inbox", "shards"):
        (work / name).mkdir(parents=True)
    shutil.copy(source.root / "params.yaml", work / "params.yaml")
    (work / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    for seed in range(FIRST_SEED, FIRST_SEED + WORLDS):
        write_world(work / "inbox" / f"world_{seed}.mp4", seed, params.worlds)
    land(project)
    (shard,) = project.shards()
    shutil.copytree(Path(embedded.__file__).parent, work / "expert")
    (work / "labels" / shard).mkdir(parents=True)  # regions of truth read no labels
    run_stages(work, params, ["videos", "clips", "regions"], [shard])
    shutil.rmtree(work / "labels")
    return shard


def _measured(
    work: Path, shard: str, params: Params, *, only: str = "", most: int | None = None
) -> dict[str, dict[str, object]]:
    teachers = make_teachers(params.labels, work / "expert")
    if only:
        teachers = [one for one in teachers if one.name == only]
    clips = ShardClips(work / "clips" / shard, work / "videos" / shard)
    if most is not None:
        clips = clips.first(most)
    out = work / "labels" / (only or "all")
    out.mkdir(parents=True)
    timer = _Timer()
    label_clips(clips, teachers, out, batch=params.labels.batch, tokens_hw=8, progress=timer)
    found = {}
    for teacher in teachers:
        found[teacher.name] = {
            "modalities": sorted(params.labels.gives(teacher.name)),
            "size_px": _size(teacher),
            "map_px": teacher.map_px,
            "clips": timer.clips[teacher.name],
            "clips_per_cpu_s": timer.rate(teacher.name),
            "quality": {} if only else _quality(out, teacher.name),
        }
        gives = params.labels.gives(teacher.name)
        if not only and "flow" in gives and teacher.name != "exact":
            found[teacher.name]["facts"] = _facts(work, shard, out, params, teachers, teacher.name)
    return found


class _Timer:
    """Processor seconds per teacher: each call of the progress ends the time of its batch.

    They do not depend on what else the machine does, and the networks run on one thread.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.clips: dict[str, int] = {}
        self._before = time.process_time()

    def rate(self, name: str) -> float:
        """Clips per second of a processor."""
        return float(f"{self.clips[name] / self.seconds[name]:.3g}")

    def __call__(self, done: int, total: int, note: str) -> None:
        del total
        name, now = note.rsplit(" ", 1)[1], time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._before
        self.clips[name] = done
        self._before = now


def _size(teacher: Teacher) -> str:
    if teacher.uses:
        return "maps of " + " and ".join(teacher.uses)
    if teacher.reads is None:
        return "frames of clips"
    return f"{teacher.reads.longest_px or 'as the video'}"


def _quality(out: Path, name: str) -> dict[str, float]:
    stats = read_table(out / "label_stats.parquet").filter(pl.col("teacher") == name)
    found = {
        each: round(float(mean), 4)
        for each in MEASURES
        if isinstance(mean := stats[each].mean(), float)
    }
    index = read_table(out / "index.parquet").filter(pl.col("teacher") == name)
    found["failed"] = int((index["outcome"] != "ok").sum())
    store, angles, paths = LabelStore(out), [], []
    for clip_id in index.filter(outcome="ok")["clip_id"]:
        if store.has(clip_id, name, "world_T_cam_t44"):
            poses = (store.get(clip_id, each, "world_T_cam_t44") for each in (name, "exact"))
            angle, path = measures.pose_errors(*poses)
            angles.append(angle)
            paths += [] if path is None else [path]
    if angles:
        found["pose_angle_rad"] = round(float(pl.Series(angles).median()), 5)  # type: ignore[arg-type]
    if paths:
        found["pose_path_error"] = round(float(pl.Series(paths).median()), 4)  # type: ignore[arg-type]
    return found


def _facts(
    work: Path,
    shard: str,
    labels: Path,
    params: Params,
    teachers: Sequence[Teacher],
    flow_by: str,
) -> dict[str, dict[str, Any]]:
    """Coverage of facts whose flow is of one teacher, and whose motion is the expert's."""
    sources = {**params.labels.sources, "flow": (flow_by,)}
    chosen = replace_params(params, labels={"sources": sources}).labels
    (labels / "teachers.json").unlink(missing_ok=True)
    write_record(labels, chosen, teachers)
    errors = calibration_errors(
        [(work / "clips" / shard, labels, work / "regions" / shard)], params.facts, params.regions
    )
    rows = coverage(errors).filter(pl.col("study") == TRUE_REGIONS).to_dicts()
    kept = ("facts", "within_1", "within_2", "asked", "asked_right")
    return {row["kind"]: {name: row[name] for name in kept} for row in rows}


def main() -> None:
    """Measure the teachers of a YAML of `labels.settings`, besides expert and truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="an empty folder")
    parser.add_argument("--settings", type=Path, help="YAML: name to kind, where, ...")
    given = parser.parse_args()
    settings = dict(MEASURED)
    if given.settings:
        raw = Project.find().raw_params["labels"]
        described = yaml.safe_load(given.settings.read_text(encoding="utf-8"))
        names = ["expert4d", "exact", *described]
        settings = dict(_labels(raw, names, described).settings)
    params = _params(settings)
    print(json.dumps(_measured(given.work, _landed(given.work, params), params), indent=1))


def _labels(raw: dict[str, Any], names: list[str], described: dict[str, Any]) -> LabelsParams:
    whole = dict(Project.find().raw_params)
    whole["labels"] = {**raw, "teachers": names, "settings": described}
    return Params.from_mapping(whole).labels


if __name__ == "__main__":
    main()
