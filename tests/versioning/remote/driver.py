"""A driver in a process of its own: makes one artifact far away, and dies where it is told to.

`python -m tests.versioning.remote.driver ROOT PACKAGE FAR URL ENDPOINT KEY [POINT]`
"""

import os
import signal
import sys
from pathlib import Path

from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.crash_points import observed_by
from p4d.versioning.remote.object_store import StoreAddress
from p4d.versioning.run.run_stage import run_stage
from tests.versioning.fake import Fake, stages_of
from tests.versioning.remote.far import Far

root, package, far, url, endpoint, key, *point = sys.argv[1:]
project = Project(Path(root), stages_of(package))
address = StoreAddress(url, {"endpointurl": endpoint})


def die(name):
    if [name] == point:
        os.kill(os.getpid(), signal.SIGKILL)


with observed_by(die):
    made = run_stage(
        project, ArtifactKey.parse(key), run_id="driver",
        compute=Far(Fake(project, package), Path(far), address).compute(),
    )  # fmt: skip
print(made.md5)
