"""Films scenes: rates, blur, noise, codecs. The truth stays aside, in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.container import OutputContainer
from scipy import ndimage

from benchmarks.reality.looks import collage, forest, scenes
from benchmarks.reality.looks.atelier import stage
from benchmarks.reality.looks.nursery import room
from benchmarks.reality.looks.rendering import Picture, pictures_of, renderer_of
from benchmarks.reality.looks.scenes import Scene
from benchmarks.reality.looks.yard import place as yard
from p4d.ids import seed_for
from p4d.worlds import sidecar
from p4d.worlds.truth import TruthObject, WorldTruth

LENGTH_S = 4.2
CODECS = ("libx264", "libx264", "mpeg4", "libx265", "libvpx-vp9")


@dataclass(frozen=True, kw_only=True)
class Film:
    """How a scene is filmed.

    Attributes:
        at_ms: times of the frames.
        blur_px: deviation of the blur of the lens.
        exposed_ms: a second picture so much later is mixed in; 0: none.
        noise_levels: deviation of the noise of the sensor.
        codec, quality: of the file.
    """

    at_ms: tuple[int, ...]
    blur_px: float
    exposed_ms: int
    noise_levels: float
    codec: str
    quality: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the videos of a look go.

    Attributes:
        plain: inbox of videos alone.
        with_truth: inbox of the same videos with truth sidecars, of looks that have depth.
        truth: the truth of both, which nothing but the judge reads.
    """

    plain: Path
    with_truth: Path
    truth: Path


def scene_of(look: str, number: int) -> Scene:
    """Draw a scene of a look."""
    own = {"collage": collage.scene_of, "panda": forest.scene_of, "atelier": stage.scene_of,
           "nursery": room.scene_of, "yard": yard.scene_of}  # fmt: skip
    return own[look](number) if look in own else scenes.scene_of(look, number)


def film_of(look: str, number: int) -> Film:
    """Draw how a scene is filmed."""
    rng = np.random.default_rng(seed_for("looks film", look, number))
    rates = (8, 10) if look == "mitsuba" else (8, 10, 12, 15)
    rate = float(rng.choice(rates))
    at_ms = np.arange(0, LENGTH_S * 1000, 1000 / rate)
    kind = rng.random()
    if kind < 0.35:  # of a variable rate
        at_ms[1:] += rng.uniform(-0.3, 0.3, len(at_ms) - 1) * 1000 / rate
    elif kind < 0.5:  # frames are lost now and then
        kept = rng.random(len(at_ms)) > 0.15
        kept[[0, -1]] = True
        at_ms = at_ms[kept]
    return Film(
        at_ms=tuple(np.rint(at_ms).astype(int).tolist()),
        blur_px=float(rng.uniform(0, 0.9)),
        exposed_ms=int(rng.choice([0, 0, 20])) if look != "mitsuba" else 0,
        noise_levels=float(rng.uniform(0, 5)) if look != "mitsuba" else 0.0,
        codec=str(rng.choice(CODECS)),
        quality=int(rng.integers(17, 31)),
    )


def make(look: str, number: int, place: Place) -> None:
    """Film one scene; a scene that is there already is kept."""
    name = f"{look}_{number:03d}"
    truth = place.truth / f"{name}.npz"
    if truth.is_file():
        return
    scene, film = scene_of(look, number), film_of(look, number)
    rng = np.random.default_rng(seed_for("looks noise", look, number))
    with TemporaryDirectory() as folder, renderer_of(look)(scene, Path(folder)) as renderer:
        pictures = pictures_of(renderer, [at / 1000 for at in film.at_ms])
        frames = [picture.rgb_hw3.astype(np.float64) for picture in pictures]
        if film.exposed_ms:
            late_s = [(at + film.exposed_ms) / 1000 for at in film.at_ms]
            late = [picture.rgb_hw3 for picture in pictures_of(renderer, late_s)]
            frames = [(one + other) / 2 for one, other in zip(frames, late, strict=True)]
    rgb = np.stack(
        [ndimage.gaussian_filter(frame, (film.blur_px, film.blur_px, 0)) for frame in frames]
    )
    rgb += rng.normal(size=rgb.shape) * film.noise_levels
    video = place.plain / f"{name}.{'webm' if 'vp9' in film.codec else 'mp4'}"
    _encode(video, np.clip(rgb, 0, 255).round().astype(np.uint8), film)
    maps = [
        (each.z_depth_m_hw, each.instance_hw) for each in pictures if each.z_depth_m_hw is not None
    ]
    if maps:
        beside = place.with_truth / video.name
        os.link(video, beside)
        sidecar.write(sidecar.path_for(beside), _world_truth(scene, film, maps))
    _write_truth(truth, scene, film, pictures)


def _encode(path: Path, rgb_thw3: np.ndarray, film: Film) -> None:
    options = {"crf": str(film.quality), "qscale": str(film.quality // 3)}
    if film.codec == "libvpx-vp9":
        options |= {"b": "0", "cpu-used": "8", "deadline": "realtime"}
    if film.codec == "libx265":
        options |= {"x265-params": "log-level=none:pools=1:frame-threads=1", "preset": "fast"}
    with av.open(str(path), "w") as container:
        assert isinstance(container, OutputContainer)
        stream = container.add_stream(film.codec, rate=Fraction(1000), options=options)
        stream.height, stream.width, stream.pix_fmt = *rgb_thw3.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        for at_ms, picture in zip(film.at_ms, rgb_thw3, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _poses(scene: Scene, film: Film) -> tuple[np.ndarray, np.ndarray]:
    """`world_T_cam` [T, 4, 4] and `world_T_obj` [K, T, 4, 4]."""
    at_s = [at / 1000 for at in film.at_ms]
    return (
        np.stack([scene.camera.pose(at) for at in at_s]),
        np.stack([[thing.motion.pose(at) for at in at_s] for thing in scene.things]),
    )


def _world_truth(
    scene: Scene, film: Film, maps: Sequence[tuple[np.ndarray, np.ndarray]]
) -> WorldTruth:
    camera_t44, things_kt44 = _poses(scene, film)
    width, height = scene.size_px
    return WorldTruth(
        pts_ns=np.array(film.at_ms, np.int64) * 1_000_000,
        width_px=width,
        height_px=height,
        K_t33=np.repeat(scene.K_33[None], len(film.at_ms), axis=0),
        world_T_cam_t44=camera_t44,
        world_T_obj_kt44=things_kt44,
        objects=tuple(
            TruthObject(
                instance=k + 1, k=k, name=f"{thing.texture} {thing.shape} {k + 1}",
                shape=thing.shape, colour=thing.texture, size_m=thing.size_m_3,
                motion="static" if thing.motion.kind == "rest" else "translating_rotating",
            )
            for k, thing in enumerate(scene.things)
        ),
        frames=list(maps),
    )  # fmt: skip


def _write_truth(path: Path, scene: Scene, film: Film, pictures: list[Picture]) -> None:
    camera_t44, things_kt44 = _poses(scene, film)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        pts_ns=np.array(film.at_ms, np.int64) * 1_000_000,
        instance_thw=np.stack([picture.instance_hw for picture in pictures]),
        clean_thw3=np.stack([picture.rgb_hw3 for picture in pictures]),
        world_T_cam_t44=camera_t44,
        world_T_obj_kt44=things_kt44,
        K_33=scene.K_33,
        size_m_k3=np.array([thing.size_m_3 for thing in scene.things]),
    )
    part.rename(path)
