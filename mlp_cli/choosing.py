"""Which configuration is the best: the one rule, shared by sweeps and reports, so that they name the same one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_SEEDS = 3
"""Seeds below which a configuration is told apart from no other."""

ROWS_KEYS = ("dataset.split", "dataset.split_seed", "dataset.validation", "dataset.test", "dataset.classes")
"""Keys of the config that decide which rows validate: runs that differ in one of them are not compared."""

_HIGHER_IS_BETTER = ("accuracy", "r2", "f1", "precision", "recall", "auc")
"""Endings of metrics of which more is better; of all others, such as a loss, less is."""


@dataclass(frozen=True)
class Standing:
    """How a configuration stands: the mean of the metric that chooses, over n completed seeds (None where there is none).

    wrong: its seeds that failed or diverged; pruned: those that halving has paused. loss: its mean validation loss, which decides
    between equal means.
    """

    label: str
    mean: float | None
    n: int
    wrong: int = 0
    pruned: int = 0
    loss: float | None = None


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric (`val_accuracy`) is better."""
    return metric.endswith(_HIGHER_IS_BETTER)


def ranking(standings: Sequence[Standing], higher: bool) -> list[int]:
    """The indices of all standings, best mean first; those with failed seeds after all others, those without a mean last."""

    def key(index: int) -> tuple[bool, bool, float, float, str]:
        each = standings[index]
        mean = each.mean or 0.0
        return (
            each.mean is None,
            each.wrong > 0,
            -mean if higher else mean,
            math.inf if each.loss is None else each.loss,
            each.label,
        )

    return sorted(range(len(standings)), key=key)


def best_of(standings: Sequence[Standing], higher: bool) -> int | None:
    """The index of the best: of the sound ones that with the best mean. None where each has failed seeds or has no mean.

    As long as others are there, one that halving has stopped is not the best, nor one with fewer than `LEAST_SEEDS` seeds: a
    single lucky seed wins over no well-measured configuration.
    """
    left = [index for index in ranking(standings, higher) if standings[index].mean is not None and not standings[index].wrong]
    tests: tuple[Callable[[Standing], bool], ...] = (lambda each: not each.pruned, lambda each: each.n >= LEAST_SEEDS)
    for holds in tests:
        left = [index for index in left if holds(standings[index])] or left
    return left[0] if left else None


def mean(values: Sequence[float]) -> float:
    """The mean; exactly the value itself where all are equal."""
    return values[0] if min(values) == max(values) else statistics.fmean(values)


def mean_of_all(values: Sequence[float | None], count: int) -> float | None:
    """The mean of `count` values; None where one of them is missing or not finite."""
    sound = [value for value in values if value is not None and math.isfinite(value)]
    return mean(sound) if sound and len(sound) == count else None


def sd(values: Sequence[float]) -> float:
    """The standard deviation with n − 1; exactly zero where all values are equal."""
    if min(values) == max(values):
        return 0.0
    middle = statistics.fmean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))
