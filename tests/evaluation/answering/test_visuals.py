import numpy as np
import pytest

from p4d.errors import ContractError, DecodeError
from p4d.evaluation.answering.visuals import VideoVisuals, sampled_frames, view_id
from p4d.evaluation.benchmarks.r4d_bench import read
from p4d.students.data.questions import Question
from tests.evaluation.benchmarks import files
from tests.video.media import read_mark


def marks(frames):
    return [read_mark(frame) for frame in frames]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return files.video(tmp_path_factory.mktemp("clip") / "a.mp4")  # 24 frames at 12 Hz


def test_ends_takes_first_and_last(clip):
    frames, times_s, span_s = sampled_frames(
        clip, 4, 64, start_ns=None, end_ns=None, sampling="ends"
    )
    assert marks(frames) == [0, 7, 15, 23]
    assert span_s == pytest.approx(2.0)
    assert times_s == pytest.approx(np.array([0, 7, 15, 23]) / 12)


def test_grid_takes_the_start_of_each_part(clip):
    frames, times_s, _ = sampled_frames(clip, 4, 64, start_ns=None, end_ns=None, sampling="grid")
    assert marks(frames) == [0, 6, 12, 18]
    assert times_s == pytest.approx([0, 0.5, 1.0, 1.5])


def test_a_trim_is_kept_and_times_start_with_it(clip):
    frames, times_s, span_s = sampled_frames(
        clip, 3, 64, start_ns=10**9, end_ns=3 * 10**9 // 2, sampling="ends"
    )
    assert marks(frames) == [12, 14, 17]
    assert times_s[0] == pytest.approx(0)
    assert span_s == pytest.approx(0.5)


def test_a_short_span_repeats_frames(clip):
    frames, _, _ = sampled_frames(clip, 4, 64, start_ns=0, end_ns=170_000_000, sampling="ends")
    assert marks(frames) == [0, 0, 1, 2]


def test_frames_keep_their_size_and_one_video_for_a_checkpoint_that_resizes_itself(clip):
    own, times_s, _ = sampled_frames(clip, 4, None, start_ns=0, end_ns=170_000_000, sampling="ends")
    assert own.shape[1:3] == (48, 64)
    assert (np.diff(times_s) > 0).all()


def test_a_trim_beyond_the_end_is_refused(clip):
    with pytest.raises(DecodeError, match=r"a\.mp4.*check the trim"):
        sampled_frames(clip, 4, 64, start_ns=9 * 10**9, end_ns=10**10, sampling="ends")


def test_the_marked_picture_comes_first_and_the_plain_frame_where_there_is_none(tmp_path):
    found = read(files.r4d_bench(tmp_path))
    items = {item.item_id: item for item in found.items}
    visuals = VideoVisuals(items, frames=4, size_px=32, sampling="ends")

    def seen(item_id):
        item = items[item_id]
        question = Question(
            qa_id=item_id, clip_id=view_id(item), video_id="", shard="", category="",
            question="", options=(), answer_index=0, dynamic=False,
        )  # fmt: skip
        return visuals.of(question)

    marked, plain = seen("vlm4d/7"), seen("vlm4d/real_3")
    assert marked.frames.shape == (5, 32, 32, 3)
    assert marked.masks_khw.shape == (0, 32, 32)
    assert np.isnan(marked.times_s[0])
    assert marked.frames[0].reshape(-1, 3).mean(axis=0) == pytest.approx([200, 30, 30], abs=1)
    assert (plain.frames[0] == plain.frames[1]).all()
    (tmp_path / "images" / "stibench" / "7.png").write_text("no picture")
    with pytest.raises(ContractError, match=r"7\.png"):
        seen("stibench/7")


def test_items_of_one_view_share_it_and_others_do_not(tmp_path):
    items = {item.item_id: item for item in read(files.r4d_bench(tmp_path)).items}
    assert view_id(items["vlm4d/7"]) != view_id(items["vlm4d/real_3"])  # other marks
    assert view_id(items["vlm4d/7"]) == view_id(items["vlm4d/7"])
