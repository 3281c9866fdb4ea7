"""Content ids and seeds."""

import hashlib
import subprocess
import sys

from p4d.ids import content_id, seed_for, sha256_file, video_id


def test_ids_depend_on_content_and_on_nothing_else():
    assert content_id("clip", "a", 1) == content_id("clip", "a", 1)
    assert content_id("clip", "a", 1) != content_id("clip", "a", 2)
    assert content_id("clip", {"x": 1, "y": 2}) == content_id("clip", {"y": 2, "x": 1})
    assert content_id("clip", "a").startswith("clip_")
    assert len(content_id("clip", "a")) == len("clip_") + 16


def test_a_seed_is_the_same_in_another_process():
    code = "from p4d.ids import seed_for; print(seed_for('clip_1', 'letters'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == seed_for("clip_1", "letters")
    assert seed_for("clip_1", "letters") != seed_for("clip_1", "order")
    assert 0 <= seed_for("x") < 2**63


def test_a_video_is_known_by_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"frames")
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"frames").hexdigest()
    assert (
        video_id(sha256_file(tmp_path / "a")) == "vid_" + hashlib.sha256(b"frames").hexdigest()[:16]
    )
