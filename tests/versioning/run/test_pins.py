"""A stage that is pinned reads what another stage froze, whatever happened since."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from p4d.errors import PublishError
from p4d.pipeline import Stage
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import status
from tests.versioning.fake import SHARDS

STEPS = """\
import json
import os
from p4d.pipeline import StageReport


def freeze(inputs, out):
    shards = [
        {"shard": shard, "versions": {"label": inputs.versions[f"label@{shard}"]}}
        for shard in inputs.shard_folders("label")
    ]
    pins = {"shards": shards, "stages": {"teach": inputs.versions["teach"]}}
    (out / "pins.json").write_text(json.dumps(pins))
    return StageReport()


def study(inputs, out):
    hook = os.environ.get("STUDY_HOOK", "")
    if hook:
        exec(hook)
    labels = inputs.shard_folders("label")
    text = {shard: (folder / "label.txt").read_text() for shard, folder in labels.items()}
    text["teach"] = (inputs.folder("teach") / "weights.safetensors").read_text()
    (out / "read.json").write_text(json.dumps(text))
    return StageReport()
"""


@pytest.fixture
def pinned(fake):
    (fake.root / fake.package / "pinned.py").write_text(STEPS)

    def stage(name: str, **rest) -> Stage:
        entry = f"{fake.package}.pinned:{name}"
        return Stage(name=name, group="fake", entry=entry, description=name, **rest)

    stages = [s for s in fake.project.stages if s.name in ("take", "teach", "label")]
    stages += [
        stage("freeze", inputs=("label", "teach"), pins="pins.json"),
        stage("study", inputs=("freeze",), pinned=("label", "teach")),
    ]
    fake.project = replace(fake.project, stages=tuple(stages))
    fake.make_all(gates={})
    return fake


def states(fake) -> dict[str, str]:
    return {str(item.key): item.state for item in status(fake.project)}


def read(fake) -> dict[str, str]:
    return json.loads((fake.out("study") / "read.json").read_text())


def relabel(fake, shard: str, text: str) -> None:
    (fake.root / "shards" / f"{shard}.json").write_text(json.dumps({"text": text}))
    fake.make(f"take@{shard}", gates={})
    fake.make(f"label@{shard}", gates={})


def test_a_new_shard_changes_nothing_for_a_pinned_stage(pinned):
    (pinned.root / "shards" / "0003-cccccccc.json").write_text('{"text": "new"}')
    with (pinned.root / "shards" / "index.yaml").open("a") as index:
        index.write("- 0003-cccccccc\n")
    pinned.make("take@0003-cccccccc", gates={})
    pinned.make("label@0003-cccccccc", gates={})
    now = states(pinned)
    assert now["freeze"] == "stale"
    assert now["study"] == "fresh"


def test_dvc_agrees_that_a_pinned_stage_is_fresh(pinned):
    relabel(pinned, SHARDS[0], "other")
    assert "freeze" in pinned.dvc_status()
    assert "study" not in pinned.dvc_status()


def test_a_pinned_stage_reads_the_frozen_version_after_it_was_replaced(pinned):
    before = read(pinned)
    relabel(pinned, SHARDS[0], "other")
    assert states(pinned)["study"] == "fresh"
    pinned.make("study", gates={}, force=True)
    assert read(pinned) == before


def test_a_version_that_is_replaced_while_the_stage_runs_is_read_as_it_was(pinned, monkeypatch):
    before = read(pinned)
    label = pinned.out(f"label@{SHARDS[0]}")
    monkeypatch.setenv(
        "STUDY_HOOK",
        f"import pathlib, shutil; folder = pathlib.Path({str(label)!r}); shutil.rmtree(folder); "
        "folder.mkdir(); (folder / 'label.txt').write_text('replaced')",
    )
    made = pinned.make("study", gates={}, force=True)
    assert not made.skipped
    assert read(pinned) == before


def test_a_file_that_is_edited_in_place_while_the_stage_runs_is_refused(pinned, monkeypatch):
    label = pinned.out(f"label@{SHARDS[0]}") / "label.txt"
    label.chmod(0o644)
    monkeypatch.setenv("STUDY_HOOK", f"open({str(label)!r}, 'a').write('more')")
    with pytest.raises(PublishError, match=r"label\.txt was edited in place"):
        pinned.make("study", gates={}, force=True)


def test_the_ledger_names_the_pinned_versions(pinned):
    record = Ledger(pinned.project).index().latest(ArtifactKey("study"))
    assert set(record["upstream"]) == {"freeze", "teach", *(f"label@{s}" for s in SHARDS)}


def test_a_pinned_version_that_is_lost_is_named(pinned):
    version = json.loads((pinned.out("freeze") / "pins.json").read_text())["shards"][0]
    relabel(pinned, SHARDS[0], "other")
    md5 = version["versions"]["label"].removeprefix("md5:")
    dvc_store.object_path(pinned.root, md5).unlink()
    with pytest.raises(PublishError, match=rf"version {md5[:8]} of label@{SHARDS[0]} is neither"):
        pinned.make("study", gates={}, force=True)


def test_shards_of_another_teacher_than_the_one_that_is_frozen_are_refused(pinned):
    pinned.edit("params.yaml", "seed: 17", "seed: 18")
    pinned.make("teach", gates={})
    with pytest.raises(PublishError, match="make label again"):
        pinned.make("freeze", gates={})


def test_a_view_is_dropped_with_its_run(pinned):
    staging = pinned.root / ".staging"
    assert not [path for path in staging.iterdir() if path.is_dir()]
    shutil.rmtree(pinned.out(f"label@{SHARDS[0]}"))
    pinned.make("study", gates={}, force=True)
    assert not [path for path in staging.iterdir() if path.is_dir()]
