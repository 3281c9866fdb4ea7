"""Pictures and exact truth of a world, with MuJoCo's classic renderer.

Pictures come from OpenGL. Depth and instances come from a ray through every pixel centre against
the exact shapes, because a rasterizer's tessellated balls and 24-bit depth are not exact.
Pictures up to 96 px are rendered at three times the size and averaged, which is cheaper in software
OpenGL than multisampling and matches the reduction of a 192 px video to 64 px.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import camera_directions, pinhole, rigid
from p4d.ids import seed_for
from p4d.worlds import gl
from p4d.worlds.meshes import unit_vertices
from p4d.worlds.spec import FOV_Y_RAD, GRAVITY_M_S2, PALETTES, ObjectSpec, WorldSpec
from p4d.worlds.textures import object_faces, patterned_faces, surface, tiles
from p4d.worlds.truth import FrameMaps, TruthObject, WorldTruth

gl.choose_backend()  # mujoco reads MUJOCO_GL when imported
import mujoco  # noqa: E402

_STEP_S = 0.004
_SHADOW_MAP_PX = 512
# A tight range: the lamp's shadow map has the same one, and loses precision with it.
_NEAR_M, _FAR_M = 0.4, 14.0
_ROOM_HEIGHT_M = 6.0


@dataclass(frozen=True, kw_only=True)
class WorldVideo:
    """Rendered frames [T, S, S, 3] u8 and their truth."""

    spec: WorldSpec
    rgb_thw3: NDArray[np.uint8]
    truth: WorldTruth


def render(spec: WorldSpec, times_ns: Sequence[int], size_px: int) -> WorldVideo:
    """Render a world at the given instants (increasing, from 0 on; they need not be regular).

    Equal arguments give equal bytes on one machine and driver.

    Raises:
        ConfigError: no OpenGL backend is installed (see p4d/worlds/gl.py).
        ValueError: times do not increase or are negative.
    """
    pts_ns = np.asarray(times_ns, np.int64)
    if pts_ns.ndim != 1 or pts_ns.size == 0 or pts_ns[0] < 0 or (np.diff(pts_ns) <= 0).any():
        raise ValueError("times_ns must increase and start at 0 or later")
    times_s: NDArray[np.float64] = pts_ns.astype(np.float64) * 1e-9
    finer = 3 if size_px <= 96 else 1
    model = _compile(spec, size_px * finer)
    world_T_obj = _object_poses(spec, model, times_s)
    world_T_cam = spec.camera.world_T_cam(times_s)
    K = pinhole(FOV_Y_RAD, size_px, size_px)
    directions = camera_directions(K, size_px, size_px)
    data = mujoco.MjData(model)
    pictures, maps = [], []
    with _painter(model, size_px * finer) as paint:
        for t in range(len(pts_ns)):
            _pose(model, data, world_T_obj[:, t], world_T_cam[t])
            pictures.append(_box_average(paint(data), finer))
            maps.append(_cast(model, data, directions, world_T_cam[t]))
    truth = WorldTruth(
        pts_ns=pts_ns,
        width_px=size_px,
        height_px=size_px,
        K_t33=np.repeat(K[None], len(pts_ns), axis=0),
        world_T_cam_t44=world_T_cam,
        world_T_obj_kt44=world_T_obj,
        objects=tuple(
            TruthObject(
                instance=obj.instance,
                k=k,
                name=obj.name,
                shape=obj.shape,
                colour=obj.colour,
                size_m=obj.size_m,
                motion=obj.motion,
            )
            for k, obj in enumerate(spec.objects)
        ),
        frames=maps,
    )
    return WorldVideo(spec=spec, rgb_thw3=np.stack(pictures), truth=truth)


def _compile(spec: WorldSpec, buffer_px: int) -> Any:  # noqa: ANN401 - mujoco has no stubs
    """The MuJoCo model. Geom 0 is the floor, then four walls, then objects by instance."""
    scene = mujoco.MjSpec()
    scene.option.timestep = _STEP_S
    scene.option.gravity = [0.0, 0.0, -GRAVITY_M_S2]
    screen = getattr(scene.visual, "global")
    screen.offwidth = screen.offheight = buffer_px
    quality = scene.visual.quality
    quality.offsamples, quality.shadowsize = 0, _SHADOW_MAP_PX
    quality.numslices, quality.numstacks = 32, 20
    scene.stat.extent, scene.stat.center = 1.0, [0.0, 0.0, 0.4]
    scene.visual.map.znear, scene.visual.map.zfar = _NEAR_M, _FAR_M
    lamp = scene.visual.headlight
    lamp.ambient, lamp.diffuse, lamp.specular = [0.48] * 3, [0.2] * 3, [0.0] * 3
    world = scene.worldbody
    position = np.asarray(spec.lamp_m)
    world.add_light(
        type=mujoco.mjtLightType.mjLIGHT_SPOT,
        pos=position,
        dir=-position / np.linalg.norm(position),
        diffuse=[0.68, 0.67, 0.64],
        specular=[0.18] * 3,
        attenuation=[1.0, 0.0, 0.0],
        cutoff=50.0,
        exponent=1.0,
        castshadow=True,
    )
    _add_room(scene, spec)
    for obj in spec.objects:
        _add_object(scene, spec, obj)
    eye = world.add_body(name="eye", mocap=True)
    eye.add_camera(name="eye", fovy=float(np.rad2deg(FOV_Y_RAD)))
    return scene.compile()


def _add_room(scene: Any, spec: WorldSpec) -> None:  # noqa: ANN401
    rng = np.random.default_rng(seed_for(spec.seed, "room"))
    paint = surface if spec.appearance == "default" else tiles
    for name, tones in (("floor", spec.floor_rgb), ("wall", spec.wall_rgb)):
        texture = paint(rng, *tones, 256)
        _add_material(scene, name, mujoco.mjtTexture.mjTEXTURE_2D, 256, texture, repeat=0.45)
    half = spec.room_half_m
    kind = mujoco.mjtGeom
    scene.worldbody.add_geom(type=kind.mjGEOM_PLANE, size=[half, half, 0.1], material="floor")
    for side in range(4):
        angle = side * np.pi / 2
        # A thin box on edge: its large face shows the texture's plane.
        scene.worldbody.add_geom(
            type=kind.mjGEOM_BOX,
            size=[half, _ROOM_HEIGHT_M / 2, 0.02],
            pos=[half * np.cos(angle), half * np.sin(angle), _ROOM_HEIGHT_M / 2],
            quat=_quaternion(_wall_rotation(angle)),
            material="wall",
        )


def _wall_rotation(angle: float) -> NDArray[np.float64]:
    inward = np.array([-np.cos(angle), -np.sin(angle), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    return np.stack([np.cross(up, inward), up, inward], axis=-1)


def _add_object(scene: Any, spec: WorldSpec, obj: ObjectSpec) -> None:  # noqa: ANN401
    name = f"object{obj.instance}"
    solid = _solid(scene, name, obj)
    cover = object_faces if spec.appearance == "default" else patterned_faces
    colours, _ = PALETTES[spec.appearance]
    faces = cover(np.random.default_rng(seed_for(spec.seed, name)), colours[obj.colour], 64)
    _add_material(scene, name, mujoco.mjtTexture.mjTEXTURE_CUBE, 64, faces)
    thrown = obj.launch is not None
    body = scene.worldbody.add_body(name=name, mocap=not thrown)
    if thrown:
        body.add_freejoint()
    # Negative solref is (stiffness, damping): little damping lets a thrown object bounce.
    body.add_geom(
        **solid,
        material=name,
        density=250.0,
        condim=6,  # with rolling friction, or a ball would roll out of the picture
        friction=[0.6, 0.02, 0.02],
        solref=[-6000.0, -12.0],
    )


def _solid(scene: Any, name: str, obj: ObjectSpec) -> dict[str, Any]:  # noqa: ANN401
    """Arguments of the geom that has the object's shape and size."""
    kind = mujoco.mjtGeom
    x, y, z = (extent / 2 for extent in obj.size_m)
    primitives = {
        "box": (kind.mjGEOM_BOX, [x, y, z]),
        "ball": (kind.mjGEOM_SPHERE, [x, 0, 0]),
        "cylinder": (kind.mjGEOM_CYLINDER, [x, z, 0]),
        "capsule": (kind.mjGEOM_CAPSULE, [x, z - x, 0]),
        "egg": (kind.mjGEOM_ELLIPSOID, [x, y, z]),
    }
    if obj.shape in primitives:
        shape, size = primitives[obj.shape]
        return {"type": shape, "size": size}
    vertices, faces = unit_vertices(obj.shape)
    scene.add_mesh(
        name=name,
        uservert=(vertices * np.asarray(obj.size_m)).ravel(),
        userface=faces.ravel(),
        smoothnormal=False,
    )
    return {"type": kind.mjGEOM_MESH, "meshname": name}


def _add_material(
    scene: Any,  # noqa: ANN401
    name: str,
    kind: Any,  # noqa: ANN401
    size_px: int,
    rgb: bytes,
    repeat: float = 1.0,
) -> None:
    texture = scene.add_texture(
        name=name, type=kind, width=size_px, height=len(rgb) // (3 * size_px), nchannel=3
    )
    texture.data = rgb
    flat = kind == mujoco.mjtTexture.mjTEXTURE_2D
    material = scene.add_material(
        name=name,
        texrepeat=[repeat, repeat],
        texuniform=flat,
        specular=0.0 if flat else 0.35,
        shininess=0.4,
    )
    roles = [""] * int(mujoco.mjtTextureRole.mjNTEXROLE)
    roles[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = name
    material.textures = roles


def _object_poses(
    spec: WorldSpec,
    model: Any,  # noqa: ANN401
    times_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`world_T_obj` [K, T, 4, 4]; thrown objects are simulated among the moving others."""
    poses = np.stack([obj.rest_poses(times_s) for obj in spec.objects])
    if not any(obj.launch for obj in spec.objects):
        return poses
    steps = int(np.ceil(times_s[-1] / _STEP_S)) + 1
    grid_s = np.arange(steps + 1) * _STEP_S
    planned = np.stack([obj.rest_poses(grid_s) for obj in spec.objects])
    data = mujoco.MjData(model)
    positions = np.zeros((len(spec.objects), steps + 1, 3))
    quaternions = np.zeros((len(spec.objects), steps + 1, 4))
    launched: set[int] = set()
    for step in range(steps + 1):
        for k, obj in enumerate(spec.objects):
            if k in launched:
                continue
            _place(model, data, obj, planned[k, step])
            if obj.launch is not None and grid_s[step] >= obj.launch.begin_s:
                first = _dof(model, obj)
                data.qvel[first : first + 3] = obj.launch.velocity_m_s
                data.qvel[first + 3 : first + 6] = obj.launch.spin_rad_s
                launched.add(k)
        for k, obj in enumerate(spec.objects):
            if obj.launch is not None:
                joint = _qpos(model, obj)
                positions[k, step] = data.qpos[joint : joint + 3]
                quaternions[k, step] = data.qpos[joint + 3 : joint + 7]
        mujoco.mj_step(model, data)
    for k, obj in enumerate(spec.objects):
        if obj.launch is not None:
            poses[k] = _between_steps(positions[k], quaternions[k], times_s)
    return poses


def _between_steps(
    positions: NDArray[np.float64],
    quaternions: NDArray[np.float64],
    times_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Poses at times between simulation steps; pictures and truth use the same interpolation."""
    position = times_s / _STEP_S
    step = np.minimum(position.astype(np.int64), len(positions) - 2)
    f = (position - step)[:, None]
    a, b = quaternions[step], quaternions[step + 1]
    b = np.where((a * b).sum(axis=-1, keepdims=True) < 0, -b, b)
    q = a * (1 - f) + b * f
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    rotations = np.stack([_matrix(one) for one in q])
    return rigid(rotations, positions[step] * (1 - f) + positions[step + 1] * f)


def _pose(
    model: Any,  # noqa: ANN401
    data: Any,  # noqa: ANN401
    world_T_obj_k44: NDArray[np.float64],
    world_T_cam: NDArray[np.float64],
) -> None:
    """Set the poses of all objects and the camera, without simulation."""
    for k in range(len(world_T_obj_k44)):
        _place_body(model, data, model.body(f"object{k + 1}"), world_T_obj_k44[k])
    # The axes of MuJoCo's cameras: -z forward, y up.
    flipped = world_T_cam @ np.diag([1.0, -1.0, -1.0, 1.0])
    _place_body(model, data, model.body("eye"), flipped)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)


def _place(model: Any, data: Any, obj: ObjectSpec, pose: NDArray[np.float64]) -> None:  # noqa: ANN401
    body = model.body(f"object{obj.instance}")
    _place_body(model, data, body, pose)
    if obj.launch is not None:
        first = _dof(model, obj)
        data.qvel[first : first + 6] = 0.0


def _place_body(model: Any, data: Any, body: Any, pose: NDArray[np.float64]) -> None:  # noqa: ANN401
    mocap = int(body.mocapid[0])
    if mocap >= 0:
        data.mocap_pos[mocap] = pose[:3, 3]
        data.mocap_quat[mocap] = _quaternion(pose[:3, :3])
    else:
        joint = int(model.jnt_qposadr[body.jntadr[0]])
        data.qpos[joint : joint + 3] = pose[:3, 3]
        data.qpos[joint + 3 : joint + 7] = _quaternion(pose[:3, :3])


def _qpos(model: Any, obj: ObjectSpec) -> int:  # noqa: ANN401
    return int(model.jnt_qposadr[model.body(f"object{obj.instance}").jntadr[0]])


def _dof(model: Any, obj: ObjectSpec) -> int:  # noqa: ANN401
    return int(model.jnt_dofadr[model.body(f"object{obj.instance}").jntadr[0]])


def _quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.zeros(4)
    mujoco.mju_mat2Quat(result, np.ascontiguousarray(rotation).ravel())
    return result


def _matrix(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.zeros(9)
    mujoco.mju_quat2Mat(result, quaternion)
    return result.reshape(3, 3)


@functools.cache
def _process_context() -> Any:  # noqa: ANN401
    # One per process: opening a context costs as much as drawing ten frames.
    return gl.open_context()


@contextmanager
def _painter(model: Any, size_px: int) -> Iterator[Any]:  # noqa: ANN401
    """A function from MjData to an RGB picture [size, size, 3], while the model's buffers live."""
    _process_context().make_current()
    context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
    scene = mujoco.MjvScene(model, maxgeom=64)
    options, camera = mujoco.MjvOption(), mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
    everything = mujoco.mjtCatBit.mjCAT_ALL.value
    area = mujoco.MjrRect(0, 0, size_px, size_px)

    def paint(data: Any) -> NDArray[np.uint8]:  # noqa: ANN401
        mujoco.mjv_updateScene(model, data, options, None, camera, everything, scene)
        mujoco.mjr_render(area, scene, context)
        picture = np.empty((size_px, size_px, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, area, context)
        return picture[::-1]  # OpenGL counts rows from below

    try:
        yield paint
    finally:
        context.free()


def _cast(
    model: Any,  # noqa: ANN401
    data: Any,  # noqa: ANN401
    directions_hw3: NDArray[np.float64],
    world_T_cam: NDArray[np.float64],
) -> FrameMaps:
    """Exact planar depth and instances at every pixel centre."""
    directions = directions_hw3.reshape(-1, 3)
    lengths = np.linalg.norm(directions, axis=-1)
    unit = np.ascontiguousarray((directions / lengths[:, None]) @ world_T_cam[:3, :3].T)
    geoms = np.zeros(len(unit), np.int32)
    ranges_m = np.zeros(len(unit))
    mujoco.mj_multiRay(
        model, data, world_T_cam[:3, 3].copy(), unit.ravel(), None, 1, -1,
        geoms, ranges_m, None, len(unit), _FAR_M,
    )  # fmt: skip
    z_m = np.where(geoms >= 0, ranges_m / lengths, 0.0).astype(np.float32)
    instance = np.clip(geoms - 4, 0, 255).astype(np.uint8)  # floor and four walls come first
    shape = directions_hw3.shape[:2]
    return z_m.reshape(shape), instance.reshape(shape)


def _box_average(picture: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return np.ascontiguousarray(picture)
    total = np.full(
        (picture.shape[0] // factor, picture.shape[1] // factor, 3), factor * factor // 2, np.uint16
    )
    for row in range(factor):  # slice by slice: a sum over two axes at once takes ten times as long
        for column in range(factor):
            total += picture[row::factor, column::factor]
    return (total // (factor * factor)).astype(np.uint8)
