"""A rewritten ledger stops every run, and is reported wherever people look."""

import shutil

import pytest

from p4d.versioning.ledger.ledger import BRANCH, Ledger
from tests.durability.kills import Server
from tests.durability.toy import REPOSITORY


def forge(toy):
    ledger = Ledger(toy.project)
    records = [dict(record) for record in ledger.records()]
    ledger.path.unlink()
    for record in records:
        body = {k: v for k, v in record.items() if k not in ("kind", "prev", "digest")}
        ledger.append(record["kind"], {**body, "run_id": "forged"})


@pytest.mark.attack("H2")
def test_up_sensor_schedule_status_and_verify_refuse_a_forged_ledger(toy, tmp_path):
    genuine = Ledger(toy.project).path.read_bytes()
    tip = toy.git("rev-parse", BRANCH)
    forge(toy)
    forged = Ledger(toy.project).path.read_bytes()
    with Server(toy, tmp_path / "answers") as server:
        for _ in range(2):  # the alarm does not end with the next tick
            run = server.start("up")
            assert run.wait() != 0
            assert "was rewritten or cut short" in run.log()
            skipped = server.run("tick", name="reconcile_sensor")["skipped"]
            assert "The ledger is not anchored: " in skipped
            skipped = server.run("tick", name="attention_sensor")["skipped"]
            assert "ledger cannot be trusted" in skipped
        _, description = server.run("observations", asset="ledger")[0]
        assert "was rewritten or cut short" in description
        job = server.start("job", name="retrain")
        assert job.wait() != 0
        assert "does not continue" in job.log()
        audit = server.start("job", name="audit")
        assert audit.wait() != 0
        assert server.run("not_fresh")["p4d"] == ["ledger"]
        assert not server.run("facts")["verified"]
        assert toy.git("rev-parse", BRANCH) == tip
        assert Ledger(toy.project).path.read_bytes() == forged  # nothing was published upon it
        Ledger(toy.project).path.write_bytes(genuine)
        server.run("up")
        facts = server.run("facts")
        assert facts["verified"], facts["verify_text"]


@pytest.mark.attack("H2")
def test_a_deleted_branch_stops_the_next_run(toy):
    tip = toy.git("rev-parse", BRANCH).strip()
    toy.git("branch", "-D", BRANCH)
    ended = toy.run("python", "-m", "dagster_project", "up", check=False)
    assert ended.returncode == 1
    assert f"git branch {BRANCH} {tip}" in ended.stderr
    first = toy.run("python", "-m", "p4d", "status").stdout.splitlines()[0]
    assert first.startswith(f"ledger: rewritten: branch {BRANCH} was deleted")
    head = toy.run("python", "-m", "p4d", "audit", "head").stdout.strip()
    toy.git("branch", BRANCH, tip)
    verified = toy.run("python", "-m", "p4d", "audit", "verify", "--head", head)
    assert verified.stdout.startswith("OK")


def test_make_clean_begins_a_new_history_and_keeps_the_old(toy):
    tip = toy.git("rev-parse", BRANCH).strip()
    shutil.copy(REPOSITORY / "Makefile", toy.root / "Makefile")
    toy.run("make", "clean")
    assert tip in toy.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}-*")
    toy.up()
    assert toy.run("python", "-m", "p4d", "audit", "verify").stdout.startswith("OK")
    assert toy.git("rev-list", "--count", BRANCH) == "1\n"
