"""t-intervals of means over clusters, for decisions at small error rates.

A percentile bootstrap of 2,000 resamples has no quantile at 0.00001, and with few clusters it is
too narrow. The t-interval of a ratio has both: mean = sum of values / sum of counts, its variance
by the jackknife over clusters (Cochran 1977, Sampling Techniques, section 6.17), and Student's t
with one degree of freedom less than there are effective clusters, (sum of counts)^2 / sum of
squared counts (Carter, Schnepel and Steigerwald 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from p4d.evaluation.scoring.statistics import Interval, cluster_interval


@dataclass(frozen=True)
class ClusterT:
    """Intervals with the probability `tail` beyond each end."""

    tail: float

    def interval(
        self,
        values: Sequence[float] | np.ndarray,
        clusters: Sequence[str],
        *,
        seed: int,
        bounds: tuple[float, float],
    ) -> Interval:
        """The mean of `values` with its interval; see `cluster_bootstrap` for the arguments.

        A single cluster has the interval `bounds`; nothing is resampled, so `seed` is not used.

        Raises:
            ContractError: no values, or not one cluster per value.
        """
        del seed

        def ends(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
            low, high = cluster_t_bounds(sums, counts, self.tail)
            return float(np.clip(low, *bounds)), float(np.clip(high, *bounds))

        return cluster_interval(values, clusters, ends, bounds)


def cluster_t_bounds(
    sums: np.ndarray, counts: np.ndarray, tail: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the interval of `sums.sum() / counts.sum()`, over the last axis.

    Args:
        sums: `[..., G]` sum of the values of each cluster, G at least 2.
        counts: `[..., G]` number of values of each cluster.
        tail: probability beyond each end, for example 0.025; broadcast over the leading axes.
    """
    mean, error, freedom = _mean_and_error(sums, counts)
    half = -stdtrit(freedom, tail) * error
    return mean - half, mean + half


def cluster_t_p(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The two-sided p of the hypothesis that the mean is zero; arguments as of the bounds."""
    mean, error, freedom = _mean_and_error(sums, counts)
    distance = np.divide(np.abs(mean), error, out=np.zeros_like(mean), where=error > 0)
    exact = np.where((error == 0) & (mean != 0), 0.0, 2 * stdtr(freedom, -distance))
    return np.asarray(exact)


def _mean_and_error(
    sums: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean, its standard error, and the degrees of freedom of that."""
    total = counts.sum(axis=-1)
    mean = np.asarray(sums.sum(axis=-1) / total, np.float64)
    number = sums.shape[-1]
    # What the mean would change by without a cluster; large clusters pull it towards themselves.
    changes = (sums - mean[..., None] * counts) / (total[..., None] - counts)
    variance = (number - 1) / number * (changes**2).sum(axis=-1)
    effective = total**2 / (counts.astype(float) ** 2).sum(axis=-1)
    return mean, np.sqrt(variance), np.maximum(effective - 1, 1)
