"""What runs is what is recorded: code in memory is the code on disk."""

import shutil
import sys

import pytest

from p4d.errors import PublishError


def test_code_edited_after_it_was_loaded_needs_a_new_process(fake):
    fake.make("teach")
    path = fake.root / fake.package / "text.py"
    path.write_text(path.read_text() + "# more\n")  # the old module stays in memory
    with pytest.raises(PublishError, match=r"text\.py changed after this process had loaded it"):
        fake.make("teach")
    fake.forget()
    assert not fake.make("teach").skipped


def test_code_loaded_from_elsewhere_is_not_passed_off_as_the_projects(fake, tmp_path):
    fake.make("teach")
    other = tmp_path / "other"
    shutil.copytree(fake.root / fake.package, other / fake.package)
    fake.forget()
    sys.path.insert(0, str(other))
    try:
        with pytest.raises(PublishError, match=f"loaded from {other}.*not from this project"):
            fake.make("teach", force=True)
    finally:
        sys.path.remove(str(other))
