"""How sure facts of plain videos are: errors of what source `flow` measures, and a factor by kind.

`calibration.json` beside this module holds them. The errors were set while developing; the factors
are measured by `python -m benchmarks.reality.looks.calibrate`, which compares facts with the truth
of looks for development and widens a kind that is wrong more often than it claims. The file is part
of the code of stage `facts`: a new version makes facts stale. Facts name the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from p4d.artifacts import read_json
from p4d.errors import ContractError
from p4d.questions.facts.table import SIGMA_MAX, Fact

CALIBRATION = Path(__file__).with_name("calibration.json")
WIDEST = 10.0
"""A kind that needs a larger factor is not asked at all; it has no place here."""


@dataclass(frozen=True, kw_only=True)
class FlowSigmas:
    """Errors of what source `flow` measures; lengths are shares of the picture's longer side.

    Attributes:
        place: of the place of a thing: a person who looks takes its middle elsewhere than the
            centre of its silhouette is.
        moved: of how far it moves: both ends lie at the same part of it.
        heading_rad: of its heading: a silhouette changes its shape while it moves.
        log_area: of the logarithm of the area of a silhouette: its outline is off by a tenth.
        view_rests, view_moves: of the motion of a view that rests, and of one that moves.
        stirs: of the square root of the share of the picture that moves in a part of it.
        still: of the same of what may move at most.
    """

    place: float
    moved: float
    heading_rad: float
    log_area: float
    view_rests: float
    view_moves: float
    stirs: float
    still: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the file holds.

    Attributes:
        version: of the file, counted by those who change it.
        digest: first hexadecimal digits of the SHA-256 of its bytes.
        sigmas: errors of what is measured.
        factors: by which the sigma of a kind is multiplied; kinds that are absent have 1.
    """

    version: int
    digest: str
    sigmas: FlowSigmas
    factors: Mapping[str, float]

    @classmethod
    def read(cls, path: Path = CALIBRATION) -> Calibration:
        """Read the file.

        Raises:
            ContractError: a sigma is absent, unknown or not positive, or a factor is below 1.
        """
        stored = read_json(path)
        names = {field.name for field in fields(FlowSigmas)}
        if set(stored["sigmas"]) != names:
            raise ContractError(f"{path}: `sigmas` must have exactly {sorted(names)}")
        sigmas = {name: float(sigma) for name, sigma in stored["sigmas"].items()}
        if not all(0 < sigma < SIGMA_MAX for sigma in sigmas.values()):
            raise ContractError(f"{path}: each of `sigmas` must be positive")
        factors = {kind: float(each["factor"]) for kind, each in stored["kinds"].items()}
        if not all(1 <= factor <= WIDEST for factor in factors.values()):
            raise ContractError(f"{path}: each factor must be from 1 to {WIDEST:g}")
        return cls(
            version=int(stored["version"]),
            digest=hashlib.sha256(path.read_bytes()).hexdigest()[:8],
            sigmas=FlowSigmas(**sigmas),
            factors=factors,
        )

    def widened(self, fact: Fact) -> Fact:
        """The fact with the sigma of its kind."""
        factor = self.factors.get(fact.kind, 1.0)
        return (
            fact
            if factor == 1.0
            else fact._replace(sigma=min(SIGMA_MAX, round(fact.sigma * factor, 6)))
        )


@cache
def calibration() -> Calibration:
    """The calibration of this version of p4d."""
    return Calibration.read()
