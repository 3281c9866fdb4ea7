"""The worker, killed at the point that `DIE_AT` names."""

import os
import signal
import sys

from p4d.versioning.files.crash_points import observed_by
from p4d.versioning.remote.worker import main


def die(name):
    if name == os.environ["DIE_AT"]:
        os.kill(os.getpid(), signal.SIGKILL)


with observed_by(die):
    sys.exit(main(sys.argv[1:]))
