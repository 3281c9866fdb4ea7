"""`croissant.json` is valid by mlcroissant, and rows, masks and media are read by it."""

import json

import pytest

from p4d.exports.training.reading import read_export


def test_mlcroissant_reads_rows_regions_and_media(small, exported):
    croissant = pytest.importorskip("mlcroissant")
    path = exported.path / "croissant.json"
    dataset = croissant.Dataset(jsonld=str(path))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    assert dataset.metadata.ctx.is_v1_1()
    found = {row["train/id"].decode(): row for row in dataset.records("train")}
    truth = {row.qa_id: row for row in read_export(exported.path, "train")}
    assert found.keys() == truth.keys()
    for qa_id, row in truth.items():
        assert found[qa_id]["train/question"].decode() == row.question
        assert [o.decode() for o in found[qa_id]["train/options"]] == list(row.options)
        assert list(found[qa_id]["train/frames_pts_s"]) == pytest.approx(row.times_s)
    assert len(list(dataset.records("regions"))) == 2 * 8 + 2 * 8 + 2
    pictures = {
        row["marks_files/file"].decode(): row["marks_files/content"]
        for row in dataset.records("marks_files")
    }
    assert set(pictures) == {f"{clip}.png" for clip in small.clip_of.values()}
    assert pictures[f"{small.clip_of['landscape']}.png"].size == (256, 144)


def test_provenance_names_every_version_and_source(small, exported):
    described = json.loads((exported.path / "croissant.json").read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    entities = {entity["@id"] for entity in described["prov:wasDerivedFrom"]}
    upstream = json.loads((exported.path / "p4d_export.json").read_text())["upstream"]
    assert {f"urn:p4d:{key}:{version}" for key, version in upstream.items()} <= entities
    assert len(entities) == len(upstream) + len(small.video_of)
    assert exported.export_id in described["prov:wasGeneratedBy"]["prov:label"]
