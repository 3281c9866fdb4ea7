"""Which rows are trained on: none that shows a held-out clip; rows with common media together."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import read_json, read_table, write_table
from p4d.external.mixture import HELD_OUT, LEFT_OUT, TRAIN, build_mixture
from p4d.external.rows import read_split
from p4d.pipeline import StageInputs, stage_named
from p4d.video.appearance import frame_hashes, grey_levels
from tests.external import sets
from tests.external.conftest import params

SHARD = "0000-aaaaaaaa"


def scene(seed, *, frames=40):
    """Blocks that wander over a background, u8 [frames, 96, 128, 3]."""
    rng = np.random.default_rng(seed)
    back = np.kron(rng.integers(40, 200, (6, 8, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    colour, x, y = rng.integers(0, 256, 3), rng.integers(10, 60), rng.integers(10, 50)
    found = np.repeat(back[None], frames, axis=0)
    for t in range(frames):
        left = int(x + t)
        found[t, y : y + 28, left : left + 28] = colour
    return found


def clip_hashes(frames):
    """As the stage clips makes them, of 8 frames at 4 Hz of a video of 8 Hz, from its start."""
    picked = frames[::2][:8]
    small = np.stack([_squashed(frame) for frame in picked])
    return frame_hashes(grey_levels(small))


def _squashed(frame):
    from p4d.video.appearance import area_mean

    return area_mean(frame, 64, 64)


@pytest.fixture
def mix(build, drop, tmp_path):
    """Runs both stages; the release has the clips of scenes 1 (test), 2 (train) and 3 (val)."""
    clips = tmp_path / "clips" / SHARD
    rows, hashes = [], []
    for seed, split in ((1, "test"), (2, "train"), (3, "val")):
        plain, mirrored = clip_hashes(scene(seed))
        rows.append(
            {
                "clip_id": f"clip_{seed}", "video_id": f"vid_{seed}", "shard": SHARD,
                "split": split, "group": f"vid_{seed}",
            }
        )  # fmt: skip
        hashes.append({"clip_id": f"clip_{seed}", "frame_hash": plain, "mirrored_hash": mirrored})
    write_table(clips / "frame_hashes.parquet", pl.DataFrame(hashes), sort_by=["clip_id"])
    release = tmp_path / "release"
    write_table(release / "clips.parquet", pl.DataFrame(rows), sort_by=["clip_id"])

    def run(**sections):
        external = build()
        out = tmp_path / "mixture"
        inputs = StageInputs(
            stage=stage_named("mixture"),
            all_params=params(**sections),
            folders={
                "release": release, "external": external.folder, "clips": {SHARD: clips}
            },
        )  # fmt: skip
        build_mixture(inputs, out)
        placed = {row["row_id"]: row for row in read_table(out / "rows.parquet").to_dicts()}
        named = {source_id: placed[row["row_id"]] for source_id, row in external.rows.items()}
        return external, out, named

    return run


def write_scenes(folder, names):
    """One video per name, and a row about each."""
    for name, frames in names.items():
        sets.video(folder / f"{name}.mp4", 0, frames=frames)
    rows = [
        {"id": name, "video": f"{name}.mp4", "conversations": sets.talk("What moves?", name)}
        for name in names
    ]
    sets.write(folder / "rows.json", rows)


def test_rows_that_show_a_held_out_clip_are_left_out_with_its_name(mix, drop):
    write_scenes(
        drop / "web",
        {
            "copy_of_test": scene(1),
            "copy_of_train": scene(2),
            "copy_of_val": scene(3),
            "mirrored_test": scene(1)[:, :, ::-1],
            "trimmed_test": scene(1)[4:],
            "other": scene(9),
        },
    )
    external, out, placed = mix()
    splits = {name: row["split"] for name, row in placed.items()}
    assert splits == {
        "copy_of_test": LEFT_OUT,
        "copy_of_train": TRAIN,
        "copy_of_val": LEFT_OUT,
        "mirrored_test": LEFT_OUT,
        "trimmed_test": LEFT_OUT,
        "other": TRAIN,
    }
    assert placed["copy_of_val"]["reason"].endswith("resembles clip_3 of the val split")
    assert placed["other"]["reason"] is None
    summary = read_json(out / "mixture.json")
    assert summary["clips_compared"] == 3
    assert summary["media_compared"] == 6
    assert summary["media_like_clips"] == {"test": 3, "train": 1, "val": 1}
    assert summary["sets"] == {"web": {"train": 2, "held_out": 0, "left_out": 4}}
    assert {row.row_id for row in read_split(external.folder, out, TRAIN)} == {
        placed["copy_of_train"]["row_id"],
        placed["other"]["row_id"],
    }


def test_a_picture_of_a_test_clip_is_found_and_a_plain_one_is_not(mix, drop):
    import io

    from PIL import Image

    folder = drop / "stills"
    folder.mkdir()
    for name, rgb in (("frame", scene(1)[4]), ("plain", np.full((96, 128, 3), 90, np.uint8))):
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "PNG")
        (folder / f"{name}.png").write_bytes(buffer.getvalue())
    rows = [
        {"id": name, "image": f"{name}.png", "conversations": sets.talk("What?", name)}
        for name in ("frame", "plain")
    ]
    sets.write(folder / "rows.json", rows)
    _, _, placed = mix()
    assert {name: row["split"] for name, row in placed.items()} == {
        "frame": LEFT_OUT,
        "plain": TRAIN,
    }


def test_rows_that_share_media_are_held_out_together(mix, drop):
    folder = drop / "many"
    for seed in range(24):
        sets.video(folder / f"v{seed}.mp4", 5, seed=seed)
    rows = [
        {
            "id": f"r{seed}{part}",
            "video": f"v{seed}.mp4",
            "conversations": sets.talk(f"Question {part}?", "A"),
        }
        for seed in range(24)
        for part in "ab"
    ]
    # A chain: a row about two videos joins their groups.
    rows.append(
        {
            "id": "chain",
            "video": ["v0.mp4", "v1.mp4"],
            "conversations": sets.talk("<video><video>Which?", "A"),
        }
    )
    sets.write(folder / "rows.json", rows)
    _, _, placed = mix(external={"heldout_fraction": 0.5})
    for seed in range(24):
        assert placed[f"r{seed}a"]["split"] == placed[f"r{seed}b"]["split"]
        assert placed[f"r{seed}a"]["group"] == placed[f"r{seed}b"]["group"]
    assert len({placed[name]["group"] for name in ("r0a", "r1b", "chain")}) == 1
    counts = {
        split: sum(r["split"] == split for r in placed.values()) for split in (TRAIN, HELD_OUT)
    }
    assert counts[TRAIN] + counts[HELD_OUT] == 49
    assert min(counts.values()) >= 10
    _, _, none = mix()
    assert {row["split"] for row in none.values()} == {TRAIN}


def test_clips_without_hashes_are_counted_as_not_compared(mix, drop, tmp_path):
    write_scenes(drop / "web", {"copy_of_test": scene(1)})
    (tmp_path / "clips" / SHARD / "frame_hashes.parquet").unlink()
    _, out, placed = mix()
    summary = read_json(out / "mixture.json")
    assert (summary["clips_compared"], summary["clips_without_hashes"]) == (0, 3)
    assert placed["copy_of_test"]["split"] == TRAIN
