"""Challengers of one champion on one held-out set, and the promotions of the gate.

A held-out set has groups of videos of unequal size. Every group has its difficulty, which the
students share; every challenger is better in some groups and worse in others. Answers are
independent given these. The champion's answers are drawn once per set, so that all its challengers
meet the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p4d.evaluation.arms.error_spending import ErrorSpending
from p4d.evaluation.scoring.cluster_t import cluster_t_bounds


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A population of held-out sets.

    Attributes:
        groups: groups of videos.
        questions: mean number of questions of a group; a group has half of them to twice as many.
        accuracy: of the champion, in the population.
        difficulty_sd: how the accuracy differs between groups.
        challenger_sd: how the gain of a challenger differs between groups.
    """

    groups: int
    questions: int
    accuracy: float = 0.5
    difficulty_sd: float = 0.15
    challenger_sd: float = 0.08


def lower_bounds(
    held_out: HeldOut, gains: np.ndarray, tails: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The lower bounds of the gains of challengers over one champion on one drawn set.

    Args:
        held_out: what is drawn.
        gains: `[K]` true gain of each challenger.
        tails: `[K]` one-sided error rate of each.
        rng: draws the set and all answers.

    Returns:
        `[K]` bounds.
    """
    counts = rng.integers(
        max(held_out.questions // 2, 1), 2 * held_out.questions + 1, held_out.groups
    )
    common = rng.normal(0.0, held_out.difficulty_sd, held_out.groups)
    of_champion = np.clip(held_out.accuracy + common, 0, 1)
    of_group = rng.normal(0.0, held_out.challenger_sd, (len(gains), held_out.groups))
    of_challengers = np.clip(held_out.accuracy + common + gains[:, None] + of_group, 0, 1)
    champion = rng.binomial(counts, of_champion)
    differences = rng.binomial(counts, of_challengers) - champion
    low, _ = cluster_t_bounds(differences.astype(float), counts, tails)
    return low


def spent(alpha: float, tries: int) -> np.ndarray:
    """`[tries]` the error rate of each try."""
    return np.array([ErrorSpending(alpha, number).of_try for number in range(1, tries + 1)])


def false_promotions(
    held_out: HeldOut, *, alpha: float, tries: int, sets: int, spending: bool, seed: int = 0
) -> float:
    """Share of held-out sets on which any of `tries` challengers that are no better is promoted.

    Args:
        held_out: the population of sets.
        alpha: the stated rate.
        tries: challengers per set.
        sets: sets that are drawn.
        spending: whether tries spend parts of `alpha`; else each is tested at `alpha / 2`, as the
            lower end of a two-sided interval is.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    tails = spent(alpha, tries) if spending else np.full(tries, alpha / 2)
    gains = np.zeros(tries)
    hits = [bool((lower_bounds(held_out, gains, tails, rng) > 0).any()) for _ in range(sets)]
    return float(np.mean(hits))


def power(
    held_out: HeldOut, *, gain: float, alpha: float, number: int, sets: int, seed: int = 0
) -> float:
    """Probability that a challenger with a true gain is promoted as the try of that number."""
    rng = np.random.default_rng(seed)
    tails = np.array([ErrorSpending(alpha, number).of_try])
    gains = np.array([gain])
    return float(np.mean([lower_bounds(held_out, gains, tails, rng)[0] > 0 for _ in range(sets)]))
