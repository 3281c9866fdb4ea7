"""The text files of a ScanNet scene: matrices, `SCENE.txt`, and the names of its objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.number_table import read_lines
from p4d.datasets.rotations import checked_rotation
from p4d.datasets.shown import shown
from p4d.errors import ContractError, DatasetError
from p4d.foreign_json import read_foreign_json

MAX_TEXT_BYTES = 64 * 1024
MAX_JSON_BYTES = 64 * 1024 * 1024


def read_matrix(path: Path) -> NDArray[np.float64]:
    """A 4x4 matrix of numbers, which may be infinite.

    Raises:
        DatasetError: the file is missing or holds no such matrix.
    """
    lines = read_lines(path, max_bytes=MAX_TEXT_BYTES)
    rows = [line.split() for line in lines if line.strip()]
    if len(rows) != 4 or any(len(row) != 4 for row in rows):
        raise DatasetError(f"{shown(path)}: expected four lines of four numbers")
    try:
        return np.array([[float(word) for word in row] for row in rows])
    except ValueError as error:
        raise DatasetError(f"{shown(path)}: holds something that is no number: {error}") from error


def read_pose(path: Path) -> NDArray[np.float64] | None:
    """`world_T_cam` of a frame; None if tracking was lost (all -inf).

    Raises:
        DatasetError: the file is missing, or the matrix is no pose.
    """
    matrix = read_matrix(path)
    if not np.isfinite(matrix).all():
        return None
    return rigid_matrix(matrix, shown(path))


def rigid_matrix(matrix: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """A matrix with six decimals, or of float32, as an exact pose.

    Raises:
        DatasetError: it is none.
    """
    pose = np.eye(4)
    pose[:3, :3] = checked_rotation(matrix[:3, :3], where)
    pose[:3, 3] = matrix[:3, 3]
    return pose


def pinhole_of(matrix: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """K with pixel centres at i + 0.5, of ScanNet's 4x4 matrix with them at i.

    Raises:
        DatasetError: it holds no camera.
    """
    K = np.eye(3)
    K[0, 0], K[1, 1], K[0, 2], K[1, 2] = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise DatasetError(f"{where}: holds no camera: its focal lengths are not positive")
    K[:2, 2] += 0.5
    return K


def read_scene(path: Path, problems: list[str]) -> Mapping[str, NDArray[np.float64]]:
    """The matrices of `SCENE.txt` (`key = 16 numbers`); a line that cannot be read is named."""
    found: dict[str, NDArray[np.float64]] = {}
    if not path.is_file():
        return found
    try:
        lines = read_lines(path, max_bytes=MAX_TEXT_BYTES)
    except DatasetError as error:
        problems.append(str(error))
        return found
    for at, line in enumerate(lines, 1):
        key, equals, value = line.partition("=")
        if key.strip() not in ("axisAlignment", "colorToDepthExtrinsics") or not equals:
            continue
        try:
            numbers = np.array([float(word) for word in value.split()]).reshape(4, 4)
            found[key.strip()] = rigid_matrix(numbers, f"{shown(path)}:{at}")
        except (ValueError, DatasetError) as error:
            problems.append(f"{shown(path)}:{at}: {key.strip()} is no pose: {error}")
    return found


def read_names(path: Path, problems: list[str]) -> Mapping[int, str]:
    """Names by instance of `SCENE.aggregation.json`: instance 1 is object 0."""
    if not path.is_file():
        return {}
    try:
        stored: Any = read_foreign_json(path, max_bytes=MAX_JSON_BYTES)
        groups = stored["segGroups"]
        return {int(group["objectId"]) + 1: str(group["label"])[:80] for group in groups}
    except (ContractError, KeyError, TypeError, ValueError) as error:
        problems.append(f"{shown(path)}: names no objects: {error}")
        return {}
