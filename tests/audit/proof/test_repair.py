"""An altered cache object is repaired: when its version is made again, or by one command."""

import shutil

import pytest

from p4d.audit.proof.repair import repair
from p4d.audit.proof.verify import verify
from p4d.errors import PublishError
from p4d.versioning.dvc.cache import is_intact, object_path, objects_of
from p4d.versioning.storage.push import push
from tests.audit.flip import flip
from tests.versioning.fake import SHARDS

TAKE = f"take@{SHARDS[0]}"


def objects(fake, md5):
    return dict(objects_of(fake.root, md5))


def damage(fake, oid):
    flip(object_path(fake.root, oid))
    assert not is_intact(fake.root, oid)


@pytest.mark.attack("M7")
def test_making_a_version_again_repairs_its_objects(fake):
    """As after a pull of altered bytes of the right size."""
    made = fake.make(TAKE)
    for oid in objects(fake, made.md5).values():
        damage(fake, oid)
        assert not verify(fake.project).ok
        assert fake.make(TAKE, force=True).md5 == made.md5
        assert is_intact(fake.root, oid)
        assert object_path(fake.root, oid).stat().st_mode & 0o777 == 0o444
    assert verify(fake.project).ok


def test_working_files_repair_files_and_lists(fake):
    made = fake.make_all()
    names = objects(fake, made[TAKE].md5)
    damage(fake, names["name.txt"])
    object_path(fake.root, names["sub/size.txt"]).unlink()
    damage(fake, objects(fake, made["choose"].md5)[""])
    report = repair(fake.project)
    assert report.ok
    assert set(report.repaired) == {
        f"data/take/{SHARDS[0]}/name.txt", f"data/take/{SHARDS[0]}/sub/size.txt", "data/choose",
    }  # fmt: skip
    assert set(report.repaired.values()) == {"the working files"}
    assert verify(fake.project).ok
    again = repair(fake.project)
    assert (again.ok, again.repaired, again.objects) == (True, {}, report.objects)


@pytest.mark.attack("M7")
def test_a_remote_repairs_superseded_versions_and_an_altered_one_harms_nothing(fake, tmp_path):
    old = fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make("teach")
    store = tmp_path / "store"
    fake.dvc("remote", "add", "-q", "-d", "store", str(store))
    assert push(fake.project).ok
    names = objects(fake, old.md5)
    damage(fake, names[""])
    damage(fake, names["weights.safetensors"])
    bad = store / "files/md5" / names[""][:2] / names[""][2:]
    good = bad.read_bytes()
    flip(bad)
    report = repair(fake.project)
    assert report.repaired == {}
    (problem,) = report.problems
    assert (problem.kind, problem.path) == (
        "altered", str(object_path(fake.root, names[""]).relative_to(fake.root)),
    )  # fmt: skip
    assert "neither the working files nor a remote has it" in problem.detail
    bad.write_bytes(good)
    report = repair(fake.project)
    assert report.ok
    assert set(report.repaired.values()) == {"remote store"}
    assert len(report.repaired) == 2
    assert verify(fake.project).ok


def test_what_nobody_has_is_named_and_an_unknown_remote_is_an_error(fake):
    old = fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make("teach")
    name = objects(fake, old.md5)["weights.safetensors"]
    object_path(fake.root, name).unlink()
    report = repair(fake.project)
    assert not report.ok
    assert report.render_text().endswith("0 of 4 cache objects repaired, 1 could not be")
    assert [p.kind for p in report.problems] == ["missing"]
    with pytest.raises(PublishError, match="remote nowhere cannot be used"):
        repair(fake.project, "nowhere")
    shutil.rmtree(fake.root / ".dvc" / "cache")
    assert len(repair(fake.project).repaired) == 2  # the current version, from its working files


@pytest.mark.attack("M7")
def test_what_nobody_has_is_made_again(fake):
    """The working files and the cache are lost, of a stage and of one that reads it."""
    made = fake.make_all()
    for key in (TAKE, f"label@{SHARDS[0]}", "teach", "choose"):
        for oid in objects(fake, made[key].md5).values():
            object_path(fake.root, oid).unlink(missing_ok=True)
        shutil.rmtree(fake.out(key))
    assert not repair(fake.project).ok
    dvc_before = (fake.root / "dvc.lock").read_bytes()
    report = repair(fake.project, recompute=True)
    assert report.problems == (), report.render_text()
    assert set(report.repaired.values()) == {"making it again"}
    assert "data/teach" in report.repaired
    assert (fake.root / "dvc.lock").read_bytes() == dvc_before
    fake.dvc("checkout", "-f")
    assert verify(fake.project).ok


def test_what_comes_out_otherwise_or_has_lost_its_inputs_is_named(fake):
    made = fake.make_all()
    (oid,) = {o for n, o in objects(fake, made["teach"].md5).items() if n == "weights.safetensors"}
    object_path(fake.root, oid).unlink()
    shutil.rmtree(fake.out("teach"))
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    report = repair(fake.project, recompute=True)
    assert not report.ok
    assert any("other code or parameters" in problem.detail for problem in report.problems)
