"""Pictures of the audit page come from the recorded bytes of the versions that it is about."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.synthetic.questions_project import QuestionsProject
from p4d.artifacts import write_arrays
from p4d.audit.evidence import FileHash, collect
from p4d.audit.page.report import write_report
from p4d.display.charts import accuracy_by_category
from p4d.display.evidence_pictures import evidence_pictures


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    made = QuestionsProject(tmp_path_factory.mktemp("synthetic"), 40).write()
    return collect(made.project, "champion"), made


def test_a_champion_shows_the_accuracies_that_it_was_decided_on(evidence, tmp_path):
    found, made = evidence
    (picture,) = evidence_pictures(found)
    entry = next(one for one in found.entries if one.stage == "evaluation")
    assert picture.caption == f"Accuracy of the arms, evaluation md5:{entry.md5[:12]}"
    for file in entry.files:
        (tmp_path / "evaluation").mkdir(exist_ok=True)
        (tmp_path / "evaluation" / file.path).write_bytes(file.object.read_bytes())
    assert picture.png == accuracy_by_category({"evaluation": tmp_path / "evaluation"})
    page = tmp_path / "page.html"
    write_report(made.project, "champion", page, draw=evidence_pictures)
    text = page.read_text()
    assert 'src="data:image/png;base64,' in text
    assert picture.caption in text
    again = tmp_path / "again.html"
    write_report(made.project, "champion", again, draw=evidence_pictures)
    assert again.read_bytes() == page.read_bytes()


def test_bytes_that_are_gone_have_no_picture(evidence):
    found, _ = evidence
    gone = tuple(
        replace(entry, files=tuple(replace(file, object=None) for file in entry.files))
        for entry in found.entries
    )
    assert evidence_pictures(replace(found, entries=gone)) == []


def test_a_row_about_a_clip_shows_its_marked_frame(evidence, tmp_path):
    found, _ = evidence
    frame = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    marks = tmp_path / "marks.safetensors"
    write_arrays(marks, {"clip_a.marks_hw3": frame, "clip_b.marks_hw3": frame[::-1].copy()})
    file = FileHash(path=marks.name, md5="0" * 32, sha256=None, nbytes=None, object=marks)
    regions = replace(found.own, key="regions@s", stage="regions", shard="s", files=(file,))
    row = replace(found.tree, detail={"clip_id": "clip_a"})
    (picture,) = evidence_pictures(replace(found, entries=(regions,), tree=row))
    shown = np.asarray(Image.open(io.BytesIO(picture.png)))
    assert shown.shape == (320, 320, 3)
    assert (shown[::20, ::20] == frame).all()
    assert "clip_a with its marks" in picture.caption
