import pytest

from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for

QUARTERS_NS = [round(t * 0.25e9) for t in range(8)]


def first_seed(wanted, start=0):
    """The first seed whose specification satisfies `wanted`."""
    return next(seed for seed in range(start, start + 500) if wanted(spec_for(seed)))


@pytest.fixture(scope="session")
def busy_video():
    """A world with a thrown, a turning and a travelling object before a moving camera, 192 px."""

    def wanted(spec):
        motions = {obj.motion for obj in spec.objects}
        return {"ballistic", "rotating", "translating"} <= motions and spec.camera.kind != "static"

    return render(spec_for(first_seed(wanted)), QUARTERS_NS, 192)
