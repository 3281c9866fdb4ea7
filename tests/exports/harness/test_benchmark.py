"""R4D-World as an lmms-eval task: constant-rate clips, its own prompt, exchange groups."""

import json
import shutil

import av
import pytest

from p4d.errors import ContractError
from p4d.exports.harness.benchmark import export_benchmark
from tests.exports.harness.test_task import documents, load_utils, scores


@pytest.fixture
def world(small, exported, tmp_path):
    """A small benchmark in R4D-World's layout, of the clip called landscape."""
    folder, clip, shard = tmp_path / "world", small.clip_of["landscape"], small.shards[0]
    (folder / "videos").mkdir(parents=True)
    (folder / "images").mkdir()
    shutil.copy(small.project.root / "made" / "landscape.mp4", folder / "videos" / "w.mp4")
    shutil.copy(exported.path / "marks" / "train" / f"{clip}.png", folder / "images" / "w.png")
    for stage in ("clips", "regions"):
        shutil.copytree(small.project.data / stage / shard, folder / "stages" / stage / shard)
    records = [
        {"id": row["qa_id"], "benchmark": "r4d-world", "task": row["category"],
         "video": "videos/w.mp4", "source": "videos/w.mp4", "som_image": "images/w.png",
         "question": row["question"], "options": row["options"], "answer": row["answer_text"],
         "family": row["family"], "shard": shard, "clip_id": clip}
        for row in small.questions_of["landscape"]
    ]  # fmt: skip
    (folder / "test.json").write_text(json.dumps(records))
    return folder


def test_the_task_asks_as_the_benchmark_does_and_keeps_its_exchange_groups(world, tmp_path):
    done = export_benchmark(world, tmp_path / "out")
    assert done.counts == {"questions": 4, "exchange_groups": 1}
    task = done.path / "lmms_eval" / "r4d_world"
    utils, docs = load_utils(task), documents(task)
    assert "Options:\n(A) 1 m/s\n(B) 2 m/s" in utils.doc_to_text(docs[0])
    assert scores(utils, docs, utils.doc_to_target)["p4d_exchange"] == 1.0
    biased = scores(utils, docs, lambda doc: "A")
    assert (biased["p4d_accuracy"], biased["p4d_exchange"]) == (0.25, 0.0)
    _, video = utils.doc_to_visual(docs[0])
    with av.open(video) as container:  # the source has a variable rate
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert times == [k / 4 for k in range(8)]
    assert export_benchmark(world, tmp_path / "out").again


def test_a_folder_that_is_no_benchmark_or_not_whole_is_refused(world, tmp_path):
    with pytest.raises(ContractError, match=r"holds no test\.json"):
        export_benchmark(tmp_path, tmp_path / "out")
    (world / "images" / "w.png").unlink()
    with pytest.raises(ContractError, match="cannot be shown by lmms-eval"):
        export_benchmark(world, tmp_path / "out")
    assert not (tmp_path / "out").exists()
