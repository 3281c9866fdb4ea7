"""A shard of landed videos with exact truth: a simulated world, encoded, ingested and cut."""

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.pipeline import StageInputs, stage_named
from p4d.video.landing import land
from p4d.worlds.corpus import write_world
from tests.video.media import make_project


def landed_shard(root, *, size_px=128, clip_px=32, frames=8, seeds=(7,)):
    """Returns the project and its only shard, with stages `videos` and `clips` made."""
    project = make_project(
        root, clips={"size_px": clip_px, "frames": frames},
        worlds={"size_px": size_px, "duration_s": 2.0},
        expert={"checkpoint": ""},
    )  # fmt: skip
    for seed in seeds:
        write_world(project.inbox / f"world_{seed}.mp4", seed, project.params.worlds)
    land(project)
    (shard,) = project.shards()
    for name in ("videos", "clips"):
        run(project, name, shard, project.data / name / shard)
    return project, shard


def run(project, name, shard, out, folders=None, **sections):
    """Run a stage of the project into a folder; returns its report."""
    stage = stage_named(name)
    found = {
        each: project.data / each / (shard if stage_named(each).per_shard else "")
        for each in stage.reads
    }
    out.mkdir(parents=True, exist_ok=True)
    return stage.load()(
        StageInputs(
            stage=stage,
            all_params=replace_params(project.params, **sections),
            folders=found | (folders or {}),
            shard=shard,
            manifest=read_json(project.shards_dir / f"{shard}.json") if stage.manifest else None,
            inbox=project.inbox,
        ),
        out,
    )
