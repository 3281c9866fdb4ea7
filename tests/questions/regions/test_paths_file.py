"""The file of paths through the picture: what earlier versions did not write is not known."""

import numpy as np

from p4d.questions.facts.path_facts import path_facts
from p4d.questions.facts.table import Source
from p4d.questions.regions.flow.clip_motion import ClipMotion
from p4d.questions.regions.flow.paths_file import clip_paths, read_clip_paths


def test_a_file_of_an_earlier_version_reads_with_what_it_lacks_as_not_known():
    motion = ClipMotion(
        things=(), doubts=(), view_t42=np.zeros((8, 4, 2)), all_moved_px_tt=np.ones((8, 8)),
        stirs_tt33=np.ones((8, 8, 3, 3)), may_stir_tt33=np.ones((8, 8, 3, 3)),
        size_px_2=(400, 300), side_px=64,
    )  # fmt: skip
    arrays = clip_paths("clip_a", motion, [])
    assert (read_clip_paths(arrays, "clip_a").all_moved_px_tt == 1).all()
    later = ("area_kt", "all_moved_px_tt", "stirs_tt33", "may_stir_tt33")
    earlier = {name: each for name, each in arrays.items() if name.split(".")[1] not in later}
    read = read_clip_paths(earlier, "clip_a")
    assert read.area_kt.shape == (0, 8)
    assert read.all_moved_px_tt.shape == (8, 8) and np.isnan(read.all_moved_px_tt).all()
    for parts in (read.stirs_tt33, read.may_stir_tt33):
        assert parts.shape == (8, 8, 3, 3) and np.isnan(parts).all()
    source = Source(clip_id="clip_a", scale_kind="relative", teacher="flow_dis", teacher_digest="x")
    kinds = {fact.kind for fact in path_facts(source, np.arange(8) * 250_000_000, [], read)}
    assert not any(kind.startswith("stirring") for kind in kinds)
