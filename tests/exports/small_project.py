"""A project of three videos with known masks, facts and questions, as stages leave it."""

import platform
from fractions import Fraction

import av
import numpy as np
import polars as pl

from benchmarks.synthetic.bulk import hexdigest
from benchmarks.synthetic.questions_project import QuestionsProject
from p4d.artifacts import write_arrays, write_bytes, write_json
from p4d.ids import content_id, sha256_file, video_id
from p4d.origins import Origin, write_origins
from p4d.questions.facts import table as facts
from p4d.questions.regions.marks import draw_marks
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays
from p4d.versioning.files.artifact_key import data_version
from p4d.video.clip_plans import plan_clips
from p4d.video.clips import CLIP_SCHEMA
from p4d.video.ingest import VIDEO_SCHEMA
from p4d.video.shots import Shot

SIDE = 64
OPTIONS = ("1 m/s", "2 m/s", "3 m/s", "4 m/s")
VIDEOS = {  # name: split, shard, width, height
    "landscape": ("train", 0, 128, 72),
    "square": ("val", 0, 96, 96),
    "portrait": ("test", 1, 72, 128),
}


def picture(name, t, width, height):
    """Frame t: a red and a green box on a gradient; the red one moves to the right."""
    shade = np.linspace(40, 120, width)[None, :, None] * np.ones((height, 1, 3))
    rgb = shade.astype(np.uint8)
    for (x, y), colour in ((red_corner(t), (220, 30, 30)), ((40, 40), (30, 200, 30))):
        rgb[y : y + 20, x : x + 20] = colour
    return rgb


def red_corner(t):
    return 4 + t, 8


def box_mask(corner, width, height):
    """The mask of a box of 20 px in the squashed square of 64 px, by pixel centres."""
    x, y = corner
    columns = (np.arange(SIDE) + 0.5) * width / SIDE
    rows = (np.arange(SIDE) + 0.5) * height / SIDE
    inside = (rows >= y) & (rows < y + 20)
    return inside[:, None] & ((columns >= x) & (columns < x + 20))[None, :]


def write_video(path, name, width, height):
    """30 pictures at about 12 Hz: a variable rate, so that times differ from index / rate."""
    asm = "asm=sse2" if platform.machine() in ("x86_64", "AMD64") else "asm=0"
    rng = np.random.default_rng(len(name))
    ticks = np.cumsum([0, *rng.integers(70, 100, 29)]).tolist()
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "4", "x264-params": asm, "preset": "veryfast"}
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for t, when in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(picture(name, t, width, height), format="rgb24")
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return np.array(ticks, np.int64) * 10**6


class SmallProject(QuestionsProject):
    """Two shards; `clip_of`, `video_of` and `times` say what was written, by name of the video."""

    def __init__(self, root):
        super().__init__(root, 2 * 16)
        self.shards = [f"000{k}-{hexdigest(k)[:8]}" for k in (1, 2)]
        self.clip_of, self.video_of, self.rows, self.questions_of = {}, {}, {}, {}
        self.redistributable = dict.fromkeys(VIDEOS, True)
        self.question_text = "At {k} sec, how fast is <obj_1>?"

    def shard(self, shard, edition=0, without=None):
        number = self.shards.index(shard)
        names = [name for name, row in VIDEOS.items() if row[1] == number]
        videos, files, clips, plans = [], [], [], {}
        for name in names:
            _, _, width, height = VIDEOS[name]
            temporary = self.project.root / "made" / f"{name}.mp4"
            pts_ns = write_video(temporary, name, width, height)
            digest = sha256_file(temporary)
            vid = self.video_of[name] = video_id(digest)
            target = self.project.data / "videos" / shard / "files" / f"{vid}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(temporary.read_bytes())
            duration_ns = int(pts_ns[-1]) + 83_000_000
            params = self.project.params.clips
            plan = plans[name] = next(
                iter(plan_clips(pts_ns, duration_ns, [Shot(0, len(pts_ns), None)], params))
            )
            assert plan.problem is None
            clip = self.clip_of[name] = content_id("clip", vid, plan.start_ns, plan.end_ns)
            files.append(
                {"file_id": vid, "name": f"{name}.mp4", "relpath": f"{name}.mp4", "outcome": "ok",
                 "sha256": digest, "reason": None, "sidecar": None, "licence": "CC0-1.0",
                 "source": "made up", "bytes": 1, "expected_clips": 1}
            )  # fmt: skip
            videos.append(
                {"video_id": vid, "name": f"{name}.mp4", "sha256": digest,
                 "file": f"files/{vid}.mp4",
                 "width_px": width, "height_px": height, "duration_ns": duration_ns,
                 "licence": "CC0-1.0", "source": "made up", "has_truth": True, "outcome": "ok"}
            )  # fmt: skip
            clips.append(
                {"clip_id": clip, "video_id": vid, "shard": shard, "start_ns": plan.start_ns,
                 "end_ns": plan.end_ns, "frame_index": list(plan.frame_index),
                 "frame_pts_ns": list(plan.frame_pts_ns), "has_truth": True,
                 "scale_kind": "metric", "outcome": "ok"}
            )  # fmt: skip
        write_json(self.project.shards_dir / f"{shard}.json", {"shard": shard, "files": files})
        table = pl.DataFrame(videos, VIDEO_SCHEMA)
        bound = [name for name in names if not self.redistributable[name]]
        origin = Origin(terms_id="no-copies", redistributable=False)
        write_origins(
            self.project.data / "videos" / shard, {self.video_of[name]: origin for name in bound}
        )
        self.artifact("videos", shard, {"videos.parquet": table}, "video_id")
        self.artifact(
            "clips", shard, {"clips.parquet": pl.DataFrame(clips, CLIP_SCHEMA)}, "clip_id"
        )
        self._labels(shard, names)
        self._regions(shard, names, plans)
        self._facts_and_questions(shard, names)

    def _labels(self, shard, names):
        writer = LabelWriter()
        depth = np.full((8, 32, 32), 2.5, np.float32)
        valid = np.ones((8, 32, 32), bool)
        valid[:, 0] = False
        for name in names:
            writer.add(self.clip_of[name], "exact", LabelArrays(
                depth_thw=depth, valid_thw=valid,
                world_T_cam_t44=np.repeat(np.eye(4)[None], 8, 0),
                K_t33=np.repeat(np.diag([30.0, 30.0, 1.0])[None], 8, 0),
                latents=np.ones((1, 4, 2, 2, 3), np.float16),
            ))  # fmt: skip
        writer.write(self.project.data / "labels" / shard)
        ids = [self.clip_of[name] for name in names]
        index = pl.DataFrame({"clip_id": ids}).with_columns(
            teacher=pl.lit("exact"), teacher_digest=pl.lit("0" * 64), depth_kind=pl.lit("z"),
            scale_kind=pl.lit("metric"), map_px=pl.lit(32), outcome=pl.lit("ok"),
            reason=pl.lit(None, pl.String),
        )  # fmt: skip
        stats = pl.DataFrame({"clip_id": ids}).with_columns(
            teacher=pl.lit("exact"), modality=pl.lit("depth"), coverage=pl.lit(0.96875)
        )
        self.artifact(
            "labels", shard, {"index.parquet": index, "label_stats.parquet": stats}, "clip_id"
        )

    def _regions(self, shard, names, plans):
        rows, masks, marks = [], {}, {}
        for name in names:
            _, _, width, height = VIDEOS[name]
            clip = self.clip_of[name]
            corners = [[red_corner(t) for t in plans[name].frame_index], [(40, 40)] * 8]
            stored = np.stack(
                [[box_mask(corner, width, height) for corner in track] for track in corners]
            ).astype(np.uint8)
            masks[f"{clip}.masks_kthw"] = stored
            marks[f"{clip}.marks_hw3"] = draw_marks(
                np.zeros((SIDE, SIDE, 3), np.uint8), stored[:, 0]
            )
            rows += [
                {"region_id": content_id("reg", clip, k), "clip_id": clip, "mark": k,
                 "source": "truth", "instance": k, "name": ("red box", "green box")[k - 1],
                 "area_px": int(stored[k - 1, 0].sum()), "visible_frames": 8, "outcome": "ok",
                 "reason": None}
                for k in (1, 2)
            ]  # fmt: skip
        folder = self.project.data / "regions" / shard
        write_arrays(folder / "masks.safetensors", masks)
        write_arrays(folder / "marks.safetensors", marks)
        table = pl.DataFrame(rows, schema_overrides={"reason": pl.String})
        self.artifact("regions", shard, {"regions.parquet": table}, "region_id")

    def _facts_and_questions(self, shard, names):
        made, asked = [], []
        for name in names:
            split, _, _, _ = VIDEOS[name]
            clip, vid = self.clip_of[name], self.video_of[name]
            region = content_id("reg", clip, 1)
            source = facts.Source(
                clip_id=clip, scale_kind="metric", teacher="exact", teacher_digest="0" * 64
            )
            for k in range(4):
                span_ns = (k * 250_000_000, k * 250_000_000)
                fact = facts.quantity(
                    source, "speed", k + 1.0, 0.01 * (k + 1), unit="m/s", frame="world",
                    method="made up", region_ids=[region], span_ns=span_ns,
                )  # fmt: skip
                made.append(fact.row())
                text = self.question_text.format(k=k / 4)
                asked.append(
                    {"qa_id": content_id("qa", clip, text, k), "clip_id": clip, "video_id": vid,
                     "category": "Speed & Acceleration", "family": "speed", "frame": "world",
                     "template": "t", "question": text, "options": list(OPTIONS), "answer_index": k,
                     "answer": "ABCD"[k], "answer_text": OPTIONS[k], "fact_ids": [fact.fact_id],
                     "region_ids": [region], "margin_sigma": 5.0, "dynamic": True,
                     "has_truth": True, "split": split, "shard": shard, "review": None,
                     "fixed_from": None}
                )  # fmt: skip
            self.questions_of[name] = [row for row in asked if row["clip_id"] == clip]
        self.rows[shard] = asked
        table = pl.DataFrame(made, schema=facts.SCHEMA)
        self.artifact("facts", shard, {"facts.parquet": table}, "fact_id")
        questions = pl.DataFrame(asked).drop("split", "shard", "review", "fixed_from")
        self.artifact("questions", shard, {"questions.parquet": questions}, "qa_id")

    def rest(self):
        names = ("clips", "labels", "questions", "regions")
        manifest = {
            "release_id": "rel_made_up",
            "shards": [
                {"shard": s, "versions": {n: data_version(self.md5[f"{n}@{s}"]) for n in names}}
                for s in self.shards
            ],
        }
        questions = pl.DataFrame(
            [row for s in self.shards for row in self.rows[s]],
            schema_overrides={"review": pl.String, "fixed_from": pl.String},
        )
        clips = pl.DataFrame(
            [
                {"clip_id": self.clip_of[name], "video_id": self.video_of[name],
                 "shard": self.shards[number], "split": split, "group": self.video_of[name]}
                for name, (split, number, _, _) in VIDEOS.items()
            ]
        )  # fmt: skip
        write_bytes(
            self.project.data / "release" / "card.md", b"# Release rel_made_up\n\nMade up.\n"
        )
        files = {"questions.parquet": questions, "manifest.json": manifest}
        self.artifact("release", None, files, "qa_id", clips=clips)
