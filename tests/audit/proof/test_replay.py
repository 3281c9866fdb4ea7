"""A version made again has its bytes, or the difference is named."""

import pytest

from p4d.audit.proof.replay import replay
from p4d.errors import PublishError
from p4d.versioning.files.artifact_key import ArtifactKey


def test_making_a_version_again_gives_its_bytes_or_names_what_differs(fake):
    fake.make_all()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make_all()
    for key in ("teach", "choose"):  # choose continues its former version
        assert replay(fake.project, ArtifactKey(key)).ok
    with pytest.raises(PublishError, match=r"params changed: expert\.seed"):
        fake.edit("params.yaml", "seed: 18", "seed: 19")
        replay(fake.project, ArtifactKey("teach"))
    fake.edit(f"{fake.package}/steps.py", "(out / \"log.txt\")", "(out / \"time.txt\").write_text("
              "str(__import__('time').time_ns()))\n    (out / \"log.txt\")")  # fmt: skip
    fake.make_all()
    found = replay(fake.project, ArtifactKey("choose"))
    assert found.differing == ("time.txt",)
    assert "differs: time.txt\n    @@ -1 +1 @@\n    -" in found.render_text()
    assert (fake.out("choose") / "time.txt").exists()
