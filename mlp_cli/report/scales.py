"""Axes of the page's charts: linear, logarithmic or by category, each with its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlp_cli.config.resolved import show
from mlp_cli.plots.style import number, numbers
from mlp_cli.report.wording import ceiling, is_loss, possible
from mlp_cli.text import is_percent

LEAST_R2 = -1.0
"""Where an axis of R² is cut: a poor start may be far below, and would leave no room for the rest."""
_POWERS = 5  # zeros of a logarithmic axis's ticks, from which all of them are powers of ten
_DEMANDS_LOG = 20.0  # ratio of the largest to the smallest setting from which an axis is logarithmic


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place from 0 to 1, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """An axis: where a value lies on it, from 0 to 1. kind: `linear`, `log` or `category` (values are then looked up in `places`)."""

    kind: str
    low: float
    high: float
    ticks: tuple[Tick, ...]
    places: dict[str, float]

    def at(self, value: Any) -> float:
        """The place of a value, from 0 to 1; what is beyond an end is there, NaN stays NaN."""
        if self.kind == "category":
            return self.places[show(value)]
        where = float(value) if self.kind != "log" else math.log10(value) if value > 0 else self.low
        share = (where - self.low) / (self.high - self.low)
        return share if math.isnan(share) else min(1.0, max(0.0, share))


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number (a flag is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # NaN is not below either


def ordered(values: Iterable[Any]) -> list[Any]:
    """The distinct settings: numbers by size, then all others by their text."""
    distinct = {show(value): value for value in values}
    return sorted(distinct.values(), key=lambda value: (0, value, "") if is_number(value) else (1, 0, show(value)))


def setting_scale(values: Iterable[Any], ticks: int = 7) -> Scale:
    """The axis of a swept key: logarithmic for positive numbers that span a factor of 20, by category where any value is no number."""
    distinct = ordered(values)
    if not all(is_number(value) for value in distinct):
        return category(distinct)
    if len(distinct) == 1:
        return category(distinct)
    low, high = float(distinct[0]), float(distinct[-1])
    logarithmic = low > 0 and high / low >= _DEMANDS_LOG
    places = [math.log10(value) if logarithmic else float(value) for value in distinct]
    beside = 0.06 * (places[-1] - places[0])
    first, last = places[0] - beside, places[-1] + beside
    near = min(right - left for left, right in pairwise(places))
    if len(distinct) <= ticks and near >= 0.1 * (last - first):
        names = [number(value) for value in distinct]
        marks = [Tick((place - first) / (last - first), name) for place, name in zip(places, names, strict=True)]
    elif logarithmic:
        marks = _log_ticks(first, last, ticks)
    else:
        marks = _linear_ticks(first, last, ticks)
    return Scale("log" if logarithmic else "linear", first, last, tuple(marks), {})


def category(distinct: Sequence[Any]) -> Scale:
    """An axis with an even place for each value."""
    names = [show(value) for value in distinct]
    places = {name: (index + 0.5) / len(names) for index, name in enumerate(names)}
    return Scale("category", 0.0, 1.0, tuple(Tick(place, name) for name, place in places.items()), places)


def value_scale(
    values: Iterable[float], *, least: float = 0.0, ceiling: float = math.inf, log: bool = False, ticks: int = 5
) -> Scale:
    """The axis of measured values, finite ones only, with a little air at both ends.

    least: the axis spans at least so much. ceiling: it ends a little above this at the most, where no value is beyond.
    log: logarithmic where all values are positive and span a factor of 50.
    """
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if log and low > 0 and high / low >= 50:
        first, last = math.log10(low), math.log10(high)
        beside = 0.05 * (last - first)
        return Scale("log", first - beside, last + beside, tuple(_log_ticks(first - beside, last + beside, ticks)), {})
    span = high - low
    beside = max(0.06 * span, (least - span) / 2, 1e-3 * max(abs(low), abs(high)), 1e-12)
    first, last = low - beside, high + beside
    if high <= ceiling:
        last = min(last, ceiling + 0.3 * beside)
    return Scale("linear", first, last, tuple(_linear_ticks(first, last, ticks)), {})


def metric_scale(metric: str, values: Iterable[float], *, least: float = 0.2, ticks: int = 5) -> tuple[Scale, str]:
    """The axis of a metric's values on the scale they are shown on, and a remark for its label where it is logarithmic or cut.

    Values that the metric cannot have, such as the end of a band below a loss of 0, do not stretch it. least: percentage points
    that it spans at least.
    """
    known = [value for value in values if math.isfinite(value)]
    known = [value for value in known if possible(metric, value)] or known
    cut = metric.endswith("_r2") and min(known, default=0.0) < LEAST_R2
    if cut:
        known = [max(value, LEAST_R2) for value in known]
    least = least if is_percent(metric) else 1e-9
    scale = value_scale(known, least=least, ceiling=ceiling(metric), log=is_loss(metric), ticks=ticks)
    if scale.kind == "log":
        return scale, ", log scale"
    return scale, f", cut at {number(LEAST_R2)}" if cut else ""


def epoch_scale(first: float, last: float) -> Scale:
    """The axis of epochs, with whole numbers only."""
    if last <= first:
        first, last = first - 0.5, last + 0.5
    return Scale("linear", first, last, tuple(_linear_ticks(first, last, 6, whole=True)), {})


def _linear_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[Tick]:
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    while (high - low) / step > most:
        step *= 2.5 if f"{step:e}".startswith("2") else 2.0
    if whole:
        step = max(1.0, float(round(step)))
    start = math.ceil(low / step - 1e-9)
    places: list[float] = []
    while (place := start * step) <= high + 1e-9 * (high - low) and len(places) < 50:
        places.append(place)
        start += 1
    names = numbers([float(f"{place:.10g}") + 0.0 for place in places])
    return [Tick((place - low) / (high - low), name) for place, name in zip(places, names, strict=True)]


def _log_ticks(low: float, high: float, most: int) -> list[Tick]:
    decades = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    exponents = [float(each) for each in decades[:: max(1, -(-len(decades) // most))]]
    if len(decades) < 3:
        wide = range(math.floor(low), math.ceil(high) + 1)
        exponents = [place for each in wide for m in (1, 2, 5) if low <= (place := each + math.log10(m)) <= high]
    powers = any(abs(each) >= _POWERS for each in exponents)
    names = [number(float(f"{10.0**each:.6g}"), power=powers) for each in exponents]
    return [Tick((each - low) / (high - low), name) for each, name in zip(exponents, names, strict=True)]
