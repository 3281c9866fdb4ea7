import pytest

from p4d.errors import PublishError


def scratch(fake):
    home = fake.root / ".p4d" / "work" / "teach"
    return [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []


KEEP = (
    "import pathlib\n"
    "note = inputs.work / 'note.txt'\n"
    "seen = note.read_text() if note.exists() else ''\n"
    "note.write_text(seen + 'x')\n"
    "if len(seen) < 2: raise RuntimeError('died')\n"
)


def test_scratch_outlives_runs_that_die_and_goes_with_the_one_that_is_published(fake, monkeypatch):
    monkeypatch.setenv("FAKE_HOOK", KEEP)
    for count in (1, 2):
        with pytest.raises(RuntimeError, match="died"):
            fake.make("teach")
        (folder,) = scratch(fake)
        assert (folder / "note.txt").read_text() == "x" * count
    made = fake.make("teach")
    assert not made.skipped
    assert scratch(fake) == []
    assert [path.name for path in made.path.iterdir()] == ["weights.safetensors"]


def test_a_run_of_other_code_finds_no_scratch_of_the_old(fake, monkeypatch):
    monkeypatch.setenv("FAKE_HOOK", KEEP)
    with pytest.raises(RuntimeError):
        fake.make("teach")
    (old,) = scratch(fake)
    fake.edit(f"{fake.package}/steps.py", "def teach(", "# changed\ndef teach(")
    with pytest.raises((RuntimeError, PublishError)):
        fake.make("teach")
    (new,) = set(scratch(fake)) - {old}
    assert (new / "note.txt").read_text() == "x"
