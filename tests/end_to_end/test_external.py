"""External rows in a finished project: made, explained, taken down and purged by commands."""

import json

import pytest

from p4d.artifacts import read_table
from tests.external import sets


@pytest.fixture
def filled(own_checkout):
    sets.llava(own_checkout.root / "external" / "web")
    sets.sat(own_checkout.root / "external" / "sat" / "train.parquet")
    for stage in ("external", "mixture"):
        own_checkout.run("p4d", "stage", stage)
    return own_checkout


def rows_of(checkout):
    table = read_table(checkout.root / "data" / "external" / "rows.parquet")
    return {row["source_id"] or row["row_id"]: row for row in table.to_dicts()}


def test_an_external_row_is_explained_taken_down_and_purged(filled):
    rows = rows_of(filled)
    assert len(rows) == 8
    row = rows["picture"]
    explained = json.loads(filled.run("p4d", "why", row["row_id"], "--json").stdout)
    assert explained["kind"] == "external row"
    assert explained["detail"]["question"] == "<image>\nWhich colour?"
    assert explained["detail"]["answer"] == "red"
    assert explained["detail"]["split"] == "train"
    (medium,) = [child for child in explained["children"] if child["kind"] == "external medium"]
    assert medium["id"] == row["media_ids"][0]
    (file,) = [child for child in medium["children"] if child["kind"] == "file"]
    assert file["detail"]["present"]
    assert (filled.root / file["id"]).is_file()
    assert "external/web" not in filled.run("p4d", "status").stdout

    command = ("p4d", "takedown", medium["id"])
    listed = filled.run(*command).stdout
    assert "in use" in listed
    assert f"rows: 1 ({row['row_id']})" in listed
    request = ("--confirm", "--reason", "a person asked", "--by", "privacy desk")
    done = filled.run(*command, *request).stdout
    assert "removed external/web/still.png" in done
    assert not (filled.root / "external" / "web" / "still.png").exists()
    stale = filled.run("p4d", "status").stdout
    assert "external" in stale
    refused = filled.run(*command, "--purge", check=False)
    assert refused.returncode
    assert "still derive from" in refused.stderr
    for stage in ("external", "mixture"):
        filled.run("p4d", "stage", stage)
    assert "picture" not in rows_of(filled)
    assert len(rows_of(filled)) == 7
    purged = filled.run(*command, "--purge").stdout
    assert "objects removed from the cache" in purged
    cache = {
        path.parent.name + path.name
        for path in (filled.root / ".dvc" / "cache" / "files" / "md5").rglob("*")
        if path.is_file()
    }
    listing = filled.root / "shards" / "purged" / f"{medium['id']}.txt"
    gone = {line.replace("/", "") for line in listing.read_text().split()}
    assert gone and not gone & cache
    assert filled.run("p4d", "audit", "verify").returncode == 0


def test_an_empty_folder_leaves_the_demo_as_it_is(demo_checkout):
    for name in ("external", "mixture"):
        assert read_table(demo_checkout.root / "data" / name / "rows.parquet").is_empty()
    card = json.loads((demo_checkout.root / "data" / "student_p4d" / "card.json").read_text())
    assert "external_sets" not in card
