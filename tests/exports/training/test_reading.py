"""Rows come back as they were, and a row that does not hold together is named."""

import json
import shutil

import numpy as np
import pytest

from p4d.artifacts import Arrays
from p4d.errors import ContractError
from p4d.exports.training.reading import read_export
from p4d.external.forms import read_record
from p4d.questions.regions.marks import masks_at


def test_rows_come_back_without_loss(small, exported):
    asked = {row["qa_id"]: row for row in small.questions_of["landscape"]}
    found = list(read_export(exported.path, "train"))
    assert {row.qa_id for row in found} == set(asked)
    clip = small.clip_of["landscape"]
    stored = Arrays(small.project.data / "regions" / small.shards[0] / "masks.safetensors")
    masks = masks_at(stored[f"{clip}.masks_kthw"][:, 0], 144, 256)
    for row in found:
        truth = asked[row.qa_id]
        for name in ("question", "answer_index", "clip_id", "category"):
            assert getattr(row, name) == truth[name]
        assert list(row.options) == truth["options"]
        assert [fact["fact_id"] for fact in row.facts] == truth["fact_ids"]
        assert np.array_equal(row.masks_khw, masks)
    held_out = next(read_export(exported.path, "test"))
    assert held_out.answer_index is None and held_out.facts is None


def test_our_own_reader_of_external_sets_reads_every_form(exported):
    rows = list(read_export(exported.path, "train"))
    media = {
        "llava": ("images", "videos"), "sharegpt": ("images", "videos"), "llava_next": ("videos",),
    }  # fmt: skip
    for form, kinds in media.items():
        found = json.loads((exported.path / form / "train.json").read_text())
        for row, record in zip(rows, found, strict=True):
            foreign = read_record(record)
            (turn,) = foreign.turns
            assert turn.answer == "ABCD"[row.answer_index] and row.question in turn.asked
            assert [m.marker for m in foreign.media] == [
                {"images": "<image>", "videos": "<video>"}[kind] for kind in kinds
            ]
            assert all((exported.path / m.name).is_file() for m in foreign.media)
    lines = (exported.path / "train.jsonl").read_text().splitlines()
    assert [read_record(json.loads(line)).source_id for line in lines] == [r.qa_id for r in rows]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row["videos"].append("videos/more.mp4"), "1 times <video> for 2 files"),
        (lambda row: row["options"].reverse(), "not that of the question"),
        (lambda row: row.update(solution="A" if row["solution"] != "A" else "B"), "the answer"),
        (lambda row: row.update(videos=["../secret.mp4"]), "secret"),
        (lambda row: row.update(videos=["videos/none.mp4"]), "none.mp4 is not in the folder"),
        (lambda row: row.pop("regions"), "regions"),
    ],
)
def test_a_row_that_does_not_hold_together_is_named(exported, tmp_path, change, message):
    shutil.copytree(exported.path, tmp_path / "out")
    path = tmp_path / "out" / "train.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[1])
    change(row)
    path.write_text("\n".join([lines[0], json.dumps(row), *lines[2:]]))
    with pytest.raises(ContractError, match=f"train.jsonl, line 2: .*{message}"):
        list(read_export(tmp_path / "out", "train"))
