"""The folder of `p4d export training`: what is in it, and what must not be."""

import hashlib
import json
import shutil

import av
import numpy as np
import polars as pl
import pytest
from PIL import Image

from p4d.datasets.masks.rle import decode as decode_mask
from p4d.errors import ConfigError, ContractError, LedgerError, PublishError
from p4d.exports import destination
from p4d.exports.training.export import TrainingOptions, export_training
from p4d.questions.regions.marks import COLOURS_RGB
from p4d.versioning.ledger.ledger import Ledger
from tests.exports.small_project import OPTIONS, SmallProject, picture

SMALL = TrainingOptions(size_px=128)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def frames_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = [(f.pts * f.time_base, f.to_ndarray(format="rgb24")) for f in container.decode()]
        return float(stream.average_rate), [float(t) for t, _ in shown], [p for _, p in shown]


def test_a_clip_is_its_source_frames_at_the_rate_of_the_grid(small, exported):
    row = lines(exported.path / "train.jsonl")[0]
    rate, times, pictures = frames_of(exported.path / row["videos"][0])
    assert rate == 4.0 == row["fps"]
    assert times == [k / 4 for k in range(8)]
    clip = pl.read_parquet(small.project.data / "clips" / small.shards[0] / "clips.parquet").row(
        by_predicate=pl.col("clip_id") == small.clip_of["landscape"], named=True
    )
    for index, shown in zip(clip["frame_index"], pictures, strict=True):
        assert shown.shape == (144, 256, 3)  # the source's ratio
        truth = Image.fromarray(picture("landscape", index, 128, 72)).resize((256, 144))
        error = np.abs(shown.astype(int) - np.asarray(truth).astype(int)).mean()
        assert error < 4, index
    true = (np.array(clip["frame_pts_ns"]) - clip["start_ns"]) / 1e9
    assert row["frames_pts_s"] == true.tolist()
    assert not np.allclose(true, times, atol=0.02)  # the source has a variable rate


def test_marks_lie_on_the_regions_of_the_first_source_frame(exported):
    row = lines(exported.path / "train.jsonl")[0]
    marked = np.asarray(Image.open(exported.path / row["images"][0]))
    assert marked.shape == (144, 256, 3)
    regions = json.loads(row["regions"])
    assert [r["name"] for r in regions] == ["red box", "green box"]
    for region, colour in zip(regions, COLOURS_RGB, strict=False):
        mask = decode_mask(region["segmentation"])
        assert mask.shape == (144, 256)
        rows, columns = np.nonzero((marked == colour).all(-1))
        inside_rows, inside_columns = np.nonzero(mask)
        # The outline surrounds the mask closely; the number lies beside it.
        assert abs(columns.min() - inside_columns.min()) <= 4
        assert rows.max() >= inside_rows.max()
    box = decode_mask(regions[0]["segmentation"])
    corner = np.argwhere(box).min(0)
    assert abs(corner[0] - 16) <= 3 and abs(corner[1] - 8) <= 3  # (4, 8) px, twice as large


def test_the_marked_video_differs_in_its_first_frame_alone(exported):
    row = json.loads((exported.path / "llava_next" / "train.json").read_text())[0]
    plain = frames_of(exported.path / row["video"].replace("videos_marked", "videos"))[2]
    shown = frames_of(exported.path / row["video"])[2]
    differences = [np.abs(a.astype(int) - b).max() for a, b in zip(plain, shown, strict=True)]
    assert differences[0] > 60 > max(differences[1:])
    assert row["conversations"][0]["value"].count("<image>") == 1
    assert "<video>" not in row["conversations"][0]["value"]


def test_rows_say_what_the_release_says_in_every_form(small, exported):
    asked = {row["qa_id"]: row for row in small.questions_of["landscape"]}
    found = lines(exported.path / "train.jsonl")
    assert [row["id"] for row in found] == sorted(asked)
    for row in found:
        truth = asked[row["id"]]
        user, answer = row["messages"]
        assert user["content"].count("<image>") == len(row["images"]) == 1
        assert user["content"].count("<video>") == len(row["videos"]) == 1
        assert f"{truth['question']}\nA. 1 m/s\nB. 2 m/s" in user["content"]
        assert answer["content"] == row["solution"] == truth["answer"]
        (fact,) = json.loads(row["facts"])
        assert (fact["value"], fact["unit"], fact["marks"]) == (
            OPTIONS.index(truth["answer_text"]) + 1.0, "m/s", [1],
        )  # fmt: skip
        assert fact["sigma"] == pytest.approx(fact["value"] / 100)
        assert row["lineage"] == f"{exported.export_id}/{row['id']}"
    assert len({row["exchange_group"] for row in found} - {None}) == 1
    by_id = {row["id"]: row for row in found}
    for row in json.loads((exported.path / "llava" / "train.json").read_text()):
        human, gpt = row["conversations"]
        assert human["value"] == by_id[row["id"]]["messages"][0]["content"]
        assert gpt["value"] == by_id[row["id"]]["solution"]
    info = json.loads((exported.path / "dataset_info.json").read_text())
    assert list(info) == ["p4d_train", "p4d_val"]
    shared = json.loads((exported.path / info["p4d_train"]["file_name"]).read_text())
    assert [row["messages"] for row in shared] == [row["messages"] for row in found]
    for row in lines(exported.path / "swift" / "train.jsonl"):
        assert row["messages"][0]["content"].count("<bbox>") == len(row["objects"]["bbox"]) == 2
        assert all(0 <= value <= 1 for box in row["objects"]["bbox"] for value in box)


def test_held_out_answers_stay_unless_asked_for(small, exported, tmp_path):
    found = lines(exported.path / "test.jsonl")
    assert len(found) == 4
    for row in found:
        assert [turn["role"] for turn in row["messages"]] == ["user"]
        hidden = ("solution", "answer_text", "facts", "exchange_group", "margin_sigma")
        assert all(row[name] is None for name in hidden)
        assert all(region["name"] is None for region in json.loads(row["regions"]))
    for form in ("llava/test.json", "llava_next/test.json", "sharegpt/test.json"):
        assert not (exported.path / form).exists()
    regions = pl.read_parquet(exported.path / "regions.parquet")
    held_out = regions.filter(clip_id=small.clip_of["portrait"])
    assert set(held_out["frame"]) == {0}  # a track would show how the region moves
    assert set(regions.filter(clip_id=small.clip_of["square"])["frame"]) == set(range(8))
    assert list(lines(exported.path / "train.jsonl")[0]) == list(found[0])  # one schema
    whole = export_training(
        small.project, tmp_path / "out", TrainingOptions(size_px=64, held_out_answers=True)
    )
    answers = {row["id"]: row["solution"] for row in lines(whole.path / "test.jsonl")}
    assert answers == {row["qa_id"]: row["answer"] for row in small.questions_of["portrait"]}
    assert "Do not train on it" in (whole.path / "README.md").read_text()


def test_equal_exports_have_equal_bytes_and_their_sums_are_true(small, exported, tmp_path):
    again = export_training(
        small.project, tmp_path / "out", TrainingOptions(size_px=256, webdataset=True)
    )
    assert not again.again and again.export_id == exported.export_id
    sums = (again.path / "SHA256SUMS").read_text()
    assert sums == (exported.path / "SHA256SUMS").read_text()
    listed = dict(reversed(line.split("  ", 1)) for line in sums.splitlines())
    files = [p for p in again.path.rglob("*") if p.is_file() and p.name != "SHA256SUMS"]
    assert {p.relative_to(again.path).as_posix() for p in files} == set(listed)
    for path in files:
        name = path.relative_to(again.path).as_posix()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]


def test_a_second_call_finds_the_export_and_an_altered_one_is_refused(small, tmp_path):
    path = tmp_path / "out"
    first = export_training(small.project, path, SMALL)
    before = len(list(Ledger(small.project).records("export")))
    second = export_training(small.project, path, SMALL)
    assert second.again and second.counts == first.counts
    assert len(list(Ledger(small.project).records("export"))) == before
    (path / "train.jsonl").write_text("")
    with pytest.raises(ContractError, match="files were altered since"):
        export_training(small.project, path, SMALL)


def test_a_folder_with_other_files_is_left_alone(small, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ContractError, match="is not empty"):
        export_training(small.project, tmp_path, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
    with pytest.raises(ContractError, match="among the artifacts"):
        export_training(small.project, small.project.data / "out", SMALL)
    with pytest.raises(ConfigError, match=r"\[32, 4096\]"):
        TrainingOptions(size_px=8)
    with pytest.raises(LedgerError, match="videos is no recorded release"):
        export_training(small.project, tmp_path / "out", SMALL, release="videos")


def test_an_interrupted_export_is_continued_and_nothing_torn_has_its_name(
    small, tmp_path, monkeypatch
):
    path = tmp_path / "out"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(destination, "describe", killed)
        with pytest.raises(KeyboardInterrupt):
            export_training(small.project, path, SMALL)
    assert not path.exists()
    (hidden,) = [p for p in tmp_path.iterdir() if p.name.endswith(".partial")]
    videos = sorted(hidden.rglob("videos/*/*.mp4"))
    videos[0].write_bytes(b"cut")  # as after a power cut
    kept = {p: p.stat().st_mtime_ns for p in videos[1:]}
    (hidden / ".train.jsonl.tmp1").write_text("torn")
    done = export_training(small.project, path, SMALL)
    assert not hidden.exists() and not done.again
    fresh = export_training(small.project, tmp_path / "fresh", SMALL)
    assert (path / "SHA256SUMS").read_text() == (fresh.path / "SHA256SUMS").read_text()
    for old, when in kept.items():
        assert (path / old.relative_to(hidden)).stat().st_mtime_ns == when


def test_a_full_disk_says_so_and_keeps_what_is_written(small, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(destination, "describe", full)
        with pytest.raises(PublishError, match="is full"):
            export_training(small.project, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
    assert export_training(small.project, tmp_path / "out", SMALL).path.is_dir()


def test_pixels_of_videos_whose_terms_forbid_copies_never_leave(own_small, tmp_path):
    own_small.redistributable["landscape"] = False
    own_small.write()
    found = export_training(own_small.project, tmp_path / "out", SMALL)
    clip, video = own_small.clip_of["landscape"], own_small.video_of["landscape"]
    assert found.counts["recipes"] == 4 and not (found.path / "train.jsonl").exists()
    holding = {
        p.relative_to(found.path).as_posix() for p in found.path.rglob("*")
        if p.is_file() and (clip in p.name or clip.encode() in p.read_bytes())
    }  # fmt: skip
    assert holding == {"recipes/train.jsonl"}
    row = lines(found.path / "recipes" / "train.jsonl")[0]
    assert row["video_id"] == video and len(row["frame_index"]) == 8
    assert not {"messages", "question", "regions", "facts", "solution"} & row.keys()
    assert "The terms of some sources forbid" in (found.path / "README.md").read_text()


def test_a_video_that_was_taken_down_is_absent(own_small, tmp_path):
    own_small.write()
    video = own_small.video_of["landscape"]
    text = f"takedowns:\n- video_id: {video}\n"
    (own_small.project.shards_dir / "takedowns.yaml").write_text(text)
    found = export_training(own_small.project, tmp_path / "out", SMALL)
    needles = [video.encode(), own_small.clip_of["landscape"].encode()]
    for path in found.path.rglob("*"):
        assert not path.is_file() or not any(n in path.read_bytes() for n in needles), path


def test_a_text_that_a_trainer_takes_for_a_tag_is_left_out_alone(tmp_path):
    class Hostile(SmallProject):
        def _facts_and_questions(self, shard, names):
            for name in names:
                tag = " <video>" if name == "landscape" else ""
                self.question_text = "At {k} sec, how fast is <obj_1>?" + tag
            super()._facts_and_questions(shard, names)

    made = Hostile(tmp_path / "project")
    made.question_text = "At {k} sec, is <video> here?"
    made.write()
    found = export_training(made.project, tmp_path / "out", SMALL)
    assert found.counts["left_out_texts"] + found.counts["rows"] == 12
    shutil.rmtree(found.path)
