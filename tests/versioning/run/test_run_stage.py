"""Making one artifact: what is recorded, what is skipped, what stops it."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from p4d.errors import ContractError, PublishError
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from tests.versioning.fake import SHARDS

FIRST, SECOND = SHARDS


def test_a_second_run_finds_nothing_to_do_and_knows_the_numbers(fake):
    made = fake.make(f"take@{FIRST}")
    again = fake.make(f"take@{FIRST}")
    assert again.skipped
    assert not made.skipped
    assert (again.data_version, again.code_version) == (made.data_version, made.code_version)
    assert again.rows == {"ok": 1}
    assert again.metrics == {"length": len(f"text of {FIRST}")}
    assert again.cost["wall_s"] >= 0
    assert made.data_version.startswith("md5:")
    assert made.data_version.endswith(".dir")


def test_shards_share_a_code_version_and_inputs_are_named_by_version(fake):
    made = fake.make_all()
    assert made[f"label@{FIRST}"].code_version == made[f"label@{SECOND}"].code_version
    assert made[f"label@{FIRST}"].upstream == {
        f"take@{FIRST}": made[f"take@{FIRST}"].data_version,
        "teach": made["teach"].data_version,
    }
    assert set(made["gather"].upstream) == {f"label@{FIRST}", f"label@{SECOND}"}


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("params.yaml", "teachers: [expert4d, exact]", "teachers: [expert4d]",
         "params changed: labels.teachers"),
        ("{package}/text.py", "'!", "'?", "code changed: {package}/text.py"),
        (f"data/take/{FIRST}/name.txt", "TEXT", "T3XT", f"input changed: data/take/{FIRST}"),
    ],
)  # fmt: skip
def test_what_changes_while_a_stage_runs_is_not_laundered(
    fake, monkeypatch, path, old, new, reason
):
    for key in (f"take@{FIRST}", "teach", f"label@{FIRST}"):
        before = fake.make(key)
    file = fake.root / path.format(package=fake.package)
    monkeypatch.setenv(
        "FAKE_HOOK",
        f"p = Path({str(file)!r}); p.write_text(p.read_text().replace({old!r}, {new!r}))",
    )
    lock = (fake.root / "dvc.lock").read_bytes()
    expected = reason.format(package=fake.package)
    with pytest.raises(PublishError, match=f"changed while it was made: {expected}"):
        fake.make(f"label@{FIRST}", force=True)
    assert (fake.root / "dvc.lock").read_bytes() == lock
    assert Ledger(fake.project).index().latest(ArtifactKey("label", FIRST))["md5"] == before.md5


def test_an_import_inside_a_function_counts_and_its_link_follows(fake):
    fake.make("teach")
    (fake.root / fake.package / "late.py").write_text("X = 1\n")
    fake.edit(f"{fake.package}/steps.py", "def teach(inputs, out):",
              f"def teach(inputs, out):\n    from {fake.package}.late import X")  # fmt: skip
    assert not fake.make("teach").skipped
    assert (fake.root / ".code" / "teach" / fake.package / "late.py").read_text() == "X = 1\n"
    fake.edit(f"{fake.package}/late.py", "1", "2")
    assert not fake.make("teach").skipped


def test_unknown_shards_and_stages_are_named(fake):
    with pytest.raises(ContractError, match=f"no shard '9'; closed shards: {FIRST}, {SECOND}"):
        fake.make("take@9")
    with pytest.raises(ContractError, match="needs a shard"):
        fake.make("take")
    with pytest.raises(ContractError, match="has no shards"):
        fake.make(f"teach@{FIRST}")


def test_an_append_only_stage_continues_its_last_version(fake):
    fake.make_all()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make_all()
    log = (fake.out("choose") / "log.txt").read_text().splitlines()
    assert ["17" in log[0], "18" in log[1], len(log)] == [True, True, 2]


def test_a_lost_append_only_version_is_taken_from_the_cache_or_not_started_over(fake):
    fake.make_all()
    shutil.rmtree(fake.out("choose"))
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make_all()
    log = (fake.out("choose") / "log.txt").read_text().splitlines()
    assert ["17" in log[0], "18" in log[1], len(log)] == [True, True, 2]
    shutil.rmtree(fake.out("choose"))
    shutil.rmtree(fake.project.root / ".dvc" / "cache")
    shutil.rmtree(fake.project.state / "previous")
    with pytest.raises(PublishError, match="`dvc pull choose` restores it"):
        fake.make("choose")


def test_the_ledger_says_what_made_a_version(fake):
    fake.make_all()
    record = Ledger(fake.project).index().latest(ArtifactKey("teach"))
    assert record["path"] == "data/teach"
    assert record["fingerprint"]["params"]["expert"]["seed"] == 17
    assert list(record["weights"]) == ["weights.safetensors"]
    assert record["git"] == {"commit": fake.git("rev-parse", "HEAD").strip(), "dirty": False}
    assert {"wall_s", "cpu_s", "max_rss_bytes", "step_rss_bytes"} == set(record["cost"])
    fake.edit(f"{fake.package}/text.py", "'!", "'?")
    fake.make("teach")
    again = Ledger(fake.project).index().latest(ArtifactKey("teach"))
    assert again["git"]["dirty"] is True
    assert again["previous"] == record["md5"]


def test_nan_in_a_report_does_not_break_publishing(fake, monkeypatch):
    monkeypatch.setenv("FAKE_HOOK", "inputs.versions")
    fake.edit(f"{fake.package}/steps.py", 'metrics={"length": len(inputs.manifest["text"])}',
              'metrics={"loss": float("nan")}')  # fmt: skip
    fake.make(f"take@{FIRST}")
    record = Ledger(fake.project).index().latest(ArtifactKey("take", FIRST))
    assert record["metrics"] == {"loss": "nan"}


def test_looking_at_the_status_needs_no_dvc_and_no_torch(fake):
    code = (
        "import sys, p4d.versioning.state.workspace, p4d.versioning.run.run_stage, p4d.audit\n"
        "print([m for m in ('dvc', 'torch', 'polars', 'dagster') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=fake.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_a_killed_run_does_not_keep_the_lock(fake):
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        fake.make("teach", checkpoint=lambda name: name == "swapped" and os._exit(9))
    os.waitpid(pid, 0)
    assert fake.make("teach").skipped
    assert time.monotonic() - started < 10
