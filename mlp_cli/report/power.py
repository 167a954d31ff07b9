"""How sure a verdict is: simultaneous intervals of differences, and the true differences that so many seeds find.

Nothing here looks at a difference that was seen, but for the middle of its own interval: power from the difference seen says no
more than its p-value (Hoenig and Heisey 2001, The American Statistician 55, 19-24).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlp_cli.choosing import LEAST_SEEDS
from mlp_cli.report.statistics import LEVEL
from mlp_cli.report.studentized import survival

POWER = 0.8
MOST_SEEDS = 50
_NODES = 30  # of each variance's distribution
_LARGEST = 1000.0  # critical value that is looked for

Sample = tuple[float, int]
"""A standard deviation (n − 1) and the number n of values that it is of."""


def critical(groups: int, freedom: ArrayLike) -> NDArray[np.float64]:
    """The value that a studentized range of `groups` means exceeds with a chance of 5 %, for each of the degrees of freedom."""
    low = np.zeros(np.shape(np.atleast_1d(freedom)))
    high = np.full(low.shape, _LARGEST)
    for _ in range(36):
        middle = (low + high) / 2
        above = survival(middle, groups, np.atleast_1d(freedom)) > LEVEL
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


@lru_cache(maxsize=64)
def _table(groups: int, least: float, most: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Critical values over 1/freedom, between which one may interpolate."""
    inverse = np.linspace(1 / most, 1 / least, 24)
    return inverse, critical(groups, 1 / inverse)


def reaches(reference: Sample, others: Sequence[Sample], groups: int) -> list[float]:
    """Half the lengths of the simultaneous 95 % intervals of the others' means minus the reference's (Games and Howell 1976), as
    `games_howell` tests them: a difference is told apart where it is larger than this."""
    first = reference[0] ** 2 / reference[1]
    second = np.array([sd * sd / n for sd, n in others])
    spread = np.where(first + second > 0, first + second, 1.0)
    degrees = np.array([n - 1 for _, n in others])
    inverse = (first / spread) ** 2 / (reference[1] - 1) + (second / spread) ** 2 / degrees
    freedom = 1 / np.where(inverse > 0, inverse, 1.0)
    found: list[float] = (critical(groups, freedom) * np.sqrt((first + second) / 2)).tolist()
    return found


def power(difference: float, one: Sample, other: Sample, groups: int) -> float:
    """The chance that a true difference is found (p < 0.05) among `groups` configurations, where the standard deviations are the true
    ones: the mean over what the two sample variances may turn out to be, each at `_NODES` equally likely values."""
    from scipy.special import gammaincinv, ndtr

    error = math.sqrt(sum(sd * sd / n for sd, n in (one, other)))
    if error == 0:
        return float(difference != 0)
    shares = (np.arange(_NODES) + 0.5) / _NODES
    first, second = (sd * sd / n * 2 * gammaincinv((n - 1) / 2, shares) / (n - 1) for sd, n in (one, other))
    first, second = np.meshgrid(first, second)
    degrees = one[1] - 1, other[1] - 1
    spread = first + second
    inverse = ((first / spread) ** 2 / degrees[0]) + ((second / spread) ** 2 / degrees[1])
    wanted = np.interp(inverse, *_table(groups, min(degrees), sum(degrees))) * np.sqrt(spread / 2)
    return float(np.mean(ndtr((difference - wanted) / error) + ndtr((-difference - wanted) / error)))


def detectable(one: Sample, other: Sample, groups: int) -> float:
    """The smallest true difference that these seeds find with a chance of 80 %, to six digits."""
    low, high = 0.0, math.sqrt(sum(sd * sd / n for sd, n in (one, other)))
    while high and power(high, one, other, groups) < POWER:
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, one, other, groups) >= POWER else (middle, high)
    return high


def seeds_needed(margin: float, one: float, other: float, groups: int) -> int | None:
    """The fewest seeds of each configuration that find a true difference of `margin` with a chance of 80 %; None above 50."""
    low, high = LEAST_SEEDS - 1, MOST_SEEDS
    if power(margin, (one, high), (other, high), groups) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(margin, (one, middle), (other, middle), groups) >= POWER else (middle, high)
    return high


def sd_range(sample: Sample) -> tuple[float, float]:
    """The 95 % range of the true standard deviation, by the chi-squared distribution."""
    from scipy.special import gammaincinv

    sd, n = sample
    return tuple(sd * math.sqrt((n - 1) / (2 * gammaincinv((n - 1) / 2, share))) for share in (0.975, 0.025))  # type: ignore[return-value]
