"""Terms of the KITTI family."""

from __future__ import annotations

from p4d.datasets.capture import Terms

KITTI = Terms(
    terms_id="CC-BY-NC-SA-3.0",
    text="KITTI: CC BY-NC-SA 3.0: no commercial use; copies under the same licence, with the names "
    "of its authors (Geiger, Lenz, Stiller, Urtasun).",
    url="https://www.cvlibs.net/datasets/kitti/",
    redistributable=True,
)
