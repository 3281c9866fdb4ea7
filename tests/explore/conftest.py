"""A small project: real videos in two shards, labels, questions, a release and answers."""

import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import polars as pl
import pytest
from starlette.testclient import TestClient

from p4d.artifacts import write_table
from p4d.config import replace_params
from p4d.explore.app import Explorer
from p4d.project import Project
from p4d.standalone import run_stages
from p4d.video.landing import land
from p4d.worlds import sidecar
from p4d.worlds.corpus import write_world

ADDRESS = "http://127.0.0.1:3001"

PLANTED = "<img src=x onerror=planted()>.mp4"
"""Name of a file from outside; a page that does not escape it would run it."""

STAGES = (
    "videos", "clips", "expert_worlds", "expert", "labels", "regions", "facts", "questions",
    "release",
)  # fmt: skip


@dataclass(frozen=True)
class ExploredProject:
    """A project with artifacts, to read or to copy."""

    root: Path

    @property
    def project(self):
        return Project(self.root)

    @property
    def data(self):
        return self.root / "data"

    def copy_to(self, root):
        shutil.copytree(self.root, root)
        return ExploredProject(root)

    def explorer(self):
        return Explorer(self.project, "ana@example.org")

    def table(self, stage, name):
        """A table of all shards, read without the explorer."""
        folder = self.data / stage
        paths = [folder / name] if (folder / name).is_file() else sorted(folder.glob(f"*/{name}"))
        return pl.concat(
            pl.read_parquet(path).with_columns(at=pl.lit(path.parent.name)) for path in paths
        )

    def clip(self, **wanted):
        """The first usable clip of a video whose row has these values."""
        videos = self.table("videos", "videos.parquet").filter(outcome="ok", **wanted)
        clips = self.table("clips", "clips.parquet").filter(outcome="ok").sort("clip_id")
        found = clips.join(videos.select("video_id", "name", "file"), on="video_id")
        return found.row(0, named=True)


def transcode(source, target, codec, pix_fmt):
    """The same pictures in a codec that no browser plays."""
    # Matroska has a random id in each file otherwise, and ids of clips and questions follow it.
    options = {"fflags": "+bitexact"}
    with av.open(str(source)) as reader, av.open(str(target), "w", options=options) as writer:
        read = reader.streams.video[0]
        stream = writer.add_stream(codec, rate=read.average_rate)
        stream.width, stream.height, stream.pix_fmt = read.width, read.height, pix_fmt
        for number, frame in enumerate(reader.decode(read)):
            picture = frame.reformat(format=pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, 12)
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode())


def answers(released):
    """Predictions: p4d is right, sft on every second question, blind answers A."""
    rows = []
    for number, row in enumerate(released.filter(split="test").sort("qa_id").to_dicts()):
        right, count = row["answer_index"], len(row["options"])
        sft = right if number % 2 == 0 else (right + 1) % count
        for arm, given in (("p4d", right), ("sft", sft), ("blind", 0)):
            rows.append(
                {
                    "arm": arm, "qa_id": row["qa_id"], "clip_id": row["clip_id"],
                    "predicted_index": given, "correct": given == right, "text": None,
                }
            )  # fmt: skip
    schema = {
        "arm": pl.String, "qa_id": pl.String, "clip_id": pl.String, "predicted_index": pl.Int64,
        "correct": pl.Boolean, "text": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The project; read-only."""
    root = tmp_path_factory.mktemp("explore") / "project"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(Project.find().root / name, root / name)
    project = Project(root)
    params = replace_params(
        Project.find().params,
        worlds={"size_px": 96, "duration_s": 4.0},
        expert={"checkpoint": "embedded", "holdout_worlds": 4},
        release={"val_fraction": 0.0},
    )
    inbox = root / "inbox"
    for seed in range(5):
        write_world(inbox / f"world_{seed}.mp4", seed, params.worlds)
    bare = write_world(inbox / "bare.mp4", 11, params.worlds)
    transcode(bare, inbox / "lossless.mkv", "ffv1", "yuv420p")
    sidecar.path_for(bare).unlink()  # nobody knows its truth, so the expert labels it
    land(project)
    (inbox / PLANTED).write_bytes(b"no video")
    land(project)
    data = root / "data"
    shutil.copytree(root / "shards", data / "shards")
    (data / "inbox").symlink_to(inbox)
    run_stages(data, params, STAGES, project.shards())
    predictions = answers(pl.read_parquet(data / "release" / "questions.parquet"))
    write_table(data / "evaluation" / "predictions.parquet", predictions, sort_by=["arm", "qa_id"])
    return ExploredProject(root)


@pytest.fixture
def own(made, tmp_path):
    """A copy that a test may change."""
    return made.copy_to(tmp_path / "project")


@pytest.fixture
def client(made):
    """Requests to the pages of the project."""
    return TestClient(made.explorer().app(), base_url=ADDRESS)
