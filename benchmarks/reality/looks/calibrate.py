"""Measures how often facts of plain videos are wrong, and widens kinds that claim too much.

    python -m benchmarks.reality.looks.calibrate --work DIR

Reads what `python -m benchmarks.reality.looks --work DIR` left of the looks for development, and
writes the factors of `p4d/questions/facts/calibration.json`. A kind gets the least factor with
which it is wrong no more often than it claims at 1, 2 and 3 sigma, as far as so many facts can
show. Held-out looks are not read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binom

from benchmarks.reality.looks.judge import Judge, Verdict
from benchmarks.reality.looks.measure import STAGES, judges_of
from benchmarks.reality.looks.scenes import HELD_OUT, LOOKS
from p4d.artifacts import read_json, write_json
from p4d.questions.facts.calibration import CALIBRATION, WIDEST
from p4d.questions.facts.path_facts import TEACHER
from p4d.questions.facts.picture_counts import COUNTED
from p4d.questions.facts.table import Fact, read_facts

WRONG_SHARES = {1: 0.3173, 2: 0.0455, 3: 0.0027}
"""By number of sigmas, of a normal error."""
LEAST_CHANCE = 0.05
"""Of as many wrong facts or more, if the kind were as good as it claims; less is no accident."""
FACTORS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, WIDEST)


@dataclass(frozen=True)
class Claim:
    """A fact of a look: the sigma that it was made with, and the truth to hold it against."""

    fact: Fact
    judge: Judge

    def wrong(self, sigmas: float, factor: float) -> bool | None:
        """Whether it is wrong at so many of its widened sigmas; None if it does not claim them."""
        if self.fact.unit in ("class", "count") and self.fact.sigma * factor * sigmas > 1:
            return None
        return self.judge.fact(self.fact, sigmas * factor) is not Verdict.RIGHT


def claims_of(root: Path, truth: Path, factors: dict[str, float]) -> Iterator[Claim]:
    """All facts of source `flow` in a project that the truth knows, with sigmas as of factor 1."""
    for shard in sorted(folder.name for folder in (root / "facts").iterdir()):
        folders = {stage: root / stage / shard for stage in STAGES}
        facts = read_facts(folders["facts"] / "facts.parquet")
        for clip_id, judge in judges_of(folders, truth):
            for fact in facts.get(clip_id, ()):
                if fact.teacher != TEACHER or fact.kind in COUNTED:
                    continue
                # A mark on nothing is no matter of sigma.
                if judge.fact(fact) not in (Verdict.UNJUDGED, Verdict.NOTHING):
                    plain = fact._replace(sigma=fact.sigma / factors.get(fact.kind, 1.0))
                    yield Claim(plain, judge)


def factor_of(claims: Sequence[Claim]) -> tuple[float, dict[str, str]]:
    """The least factor that the claims of a kind bear out, and how many are right with it.

    Returns:
        The largest factor if none does.
    """
    for factor in FACTORS:
        right, bears = {}, True
        for sigmas, share in WRONG_SHARES.items():
            found = [claim.wrong(sigmas, factor) for claim in claims]
            wrong, judged = found.count(True), len(found) - found.count(None)
            bears &= float(binom.sf(wrong - 1, judged, share)) >= LEAST_CHANCE
            right[str(sigmas)] = f"{judged - wrong} of {judged}"
        if bears:
            break
    return factor, right


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reality.looks.calibrate")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps the videos")
    work = parser.parse_args().work
    stored = read_json(CALIBRATION)
    factors = {kind: float(each["factor"]) for kind, each in stored["kinds"].items()}
    by_kind: dict[str, list[Claim]] = {}
    looks = [look for look in LOOKS if look not in HELD_OUT and (work / look).is_dir()]
    for look in looks:
        for claim in claims_of(work / look / "plain", work / look / "truth", factors):
            by_kind.setdefault(claim.fact.kind, []).append(claim)
    kinds = {}
    for kind, claims in sorted(by_kind.items()):
        factor, right = factor_of(claims)
        kinds[kind] = {"factor": factor, "right": right}
        print(kind, factor, right)
    stored |= {"kinds": kinds, "looks": looks, "version": stored["version"] + 1}
    write_json(CALIBRATION, stored)


if __name__ == "__main__":
    main()
