"""Axes of a report's figures: which kind an axis is of, where it begins and ends, and which ticks it has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlp_cli.config.resolved import show
from mlp_cli.plots.style import number, numbers
from mlp_cli.report.wording import ceiling, is_loss, possible
from mlp_cli.text import is_percent

if TYPE_CHECKING:
    from matplotlib.axis import Axis

LEAST_R2 = -1.0
"""Where an axis of R² is cut: a poor start may be far below, and would leave no room for the rest."""
_DEMANDS_LOG = 20.0  # ratio of the largest to the smallest setting from which an axis is logarithmic
_LOSS_DEMANDS_LOG = 50.0  # the same of losses
_POWERS = 5  # zeros of a logarithmic axis's ticks, from which all of them are powers of ten


@dataclass(frozen=True)
class Scale:
    """An axis. kind: `linear`, `log`, `symlog` (a logarithmic one with a 0) or `category`.

    low, high: its ends. ticks: their places, in the unit of the values, and their texts. remark: what its label says besides.
    least: the smallest positive value, where a `symlog` axis turns from linear to logarithmic.
    """

    kind: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    remark: str = ""
    least: float = 1.0

    def at(self, value: Any) -> float:
        """Where a setting lies: a number where it is, any other value at the number of its category."""
        if self.kind == "category":
            return float([text for _, text in self.ticks].index(show(value)))
        return float(value)

    def share(self, place: float) -> float:
        """A place (see `at`) as a share of the axis's length, from 0 to 1; what is beyond an end is there."""
        low, place, high = map(self._even, (self.low, place, self.high))
        return min(1.0, max(0.0, (place - low) / (high - low)))

    def _even(self, place: float) -> float:
        if self.kind == "log":
            return math.log10(place) if place > 0 else -math.inf
        if self.kind == "symlog":
            return math.copysign(math.log10(max(1.0, abs(place) / self.least)) + min(1.0, abs(place) / self.least), place)
        return place

    def apply(self, axis: Axis, names: Sequence[str] | None = None) -> None:
        """Gives an axis of matplotlib this kind, these ends and these ticks. names: other texts of the ticks."""
        from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

        if self.kind in ("log", "symlog"):
            options = {"linthresh": self.least, "linscale": 1.0} if self.kind == "symlog" else {}
            set_scale = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
            set_scale(self.kind, **options)
        axis.set_view_interval(self.low, self.high, ignore=True)
        axis.set_major_locator(FixedLocator([place for place, _ in self.ticks]))
        axis.set_major_formatter(FixedFormatter(names or [text for _, text in self.ticks]))
        axis.set_minor_locator(NullLocator())


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number (a flag is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # NaN is not below either


def ordered(values: Iterable[Any]) -> list[Any]:
    """The distinct settings in the order of `order`."""
    return sorted({show(value): value for value in values}.values(), key=order)


def order(value: Any) -> tuple[int, Sequence[float], str]:
    """What sorts settings: numbers by size, lists of numbers element by element, then all others by their text."""
    if is_number(value):
        return 0, (value,), ""
    if isinstance(value, list | tuple) and all(map(is_number, value)):
        return 1, tuple(value), ""
    return 2, (), show(value)


def setting_scale(values: Iterable[Any], ticks: int = 7) -> Scale:
    """The axis of a swept key: by category where any value is no number, logarithmic where those that are not 0 are positive and
    span a factor of 20, or where three and more lie more evenly so; the values themselves are its ticks where there is room."""
    distinct = ordered(values)
    if len(distinct) == 1 or not all(map(is_number, distinct)):
        named = tuple((float(place), show(value)) for place, value in enumerate(distinct))
        return Scale("category", -0.5, len(distinct) - 0.5, named)
    low, high = distinct[0], distinct[-1]
    least = min((value for value in distinct if value > 0), default=math.inf)
    kind = "linear" if low < 0 or high / least < _DEMANDS_LOG else "log" if low > 0 else "symlog"
    if low > 0 and len(distinct) > 2:
        ways = (map(Scale(each, low, high, ()).share, distinct) for each in ("linear", "log"))
        nearest = [min(right - left for left, right in pairwise(places)) for places in ways]
        kind = "log" if nearest[1] > nearest[0] else kind
    plain = Scale(
        kind, low, high, (), "" if kind == "linear" else ", log scale" if kind == "log" else ", log scale with a 0", least
    )
    shares = [plain.share(value) for value in distinct]
    if len(distinct) <= ticks and min(right - left for left, right in pairwise(shares)) >= 0.1:
        marks = _named(distinct)
    else:
        marks = _ticks(kind, low if kind == "linear" else least, high, ticks)
        marks += [(0.0, "0")] if kind == "symlog" else []
    return _with_air(plain, marks, 0.06)


def metric_scale(metric: str, values: Iterable[float], *, least: float = 0.2, ticks: int = 5) -> Scale:
    """The axis of a metric's values on the scale they are shown on: finite ones only, logarithmic for losses that span a factor
    of 50, cut where R² goes far below.

    Values that the metric cannot have, such as the end of a band below a loss of 0, do not stretch it. least: percentage points
    that it spans at least.
    """
    known = [value for value in values if math.isfinite(value)]
    known = [value for value in known if possible(metric, value)] or known or [0.0, 1.0]
    is_cut = metric.endswith("_r2") and min(known) < LEAST_R2
    if is_cut:
        known = [max(value, LEAST_R2) for value in known]
    return number_scale(
        known,
        least=least if is_percent(metric) else 1e-9,
        ceiling=ceiling(metric),
        log=is_loss(metric),
        ticks=ticks,
        remark=f", cut at {number(LEAST_R2)}" if is_cut else "",
    )


def number_scale(
    values: Sequence[float],
    *,
    least: float = 0.0,
    ceiling: float = math.inf,
    log: bool = False,
    ticks: int = 5,
    remark: str = "",
) -> Scale:
    """The axis of measured values, with a little air at both ends.

    least: it spans at least so much. ceiling: it ends a little above this at the most, where no value is beyond.
    log: logarithmic where all values are positive and span a factor of 50.
    """
    low, high = min(values), max(values)
    if log and low > 0 and high / low >= _LOSS_DEMANDS_LOG:
        return _with_air(Scale("log", low, high, (), ", log scale"), None, 0.05, ticks)
    span = high - low
    beside = max(0.06 * span, (least - span) / 2, 1e-3 * max(abs(low), abs(high)), 1e-12)
    last = min(high + beside, ceiling + 0.3 * beside) if high <= ceiling else high + beside
    return Scale("linear", low - beside, last, tuple(_ticks("linear", low - beside, last, ticks)), remark)


def epoch_scale(first: float, last: float) -> Scale:
    """The axis of epochs, with whole numbers only."""
    beside = 0.5 if last <= first else 0.03 * (last - first)
    low, high = first - beside, last + beside
    return Scale("linear", low, high, tuple(_ticks("linear", low, high, 6, whole=True)))


def _with_air(scale: Scale, marks: Sequence[tuple[float, str]] | None, air: float, ticks: int = 7) -> Scale:
    """The axis a little longer at both ends. marks: its ticks, None for such as fit."""
    low, high = scale.low, scale.high
    if scale.kind == "log":
        factor = (high / low) ** air
        low, high = low / factor, high * factor
    elif scale.kind == "symlog":
        low, high = low - 0.3 * scale.least, high * (high / scale.least) ** air
    else:
        low, high = low - air * (high - low), high + air * (high - low)
    marks = _ticks(scale.kind, low, high, ticks) if marks is None else marks
    return Scale(scale.kind, low, high, tuple(marks), scale.remark, scale.least)


def _ticks(kind: str, low: float, high: float, most: int, *, whole: bool = False) -> list[tuple[float, str]]:
    """Round numbers between two ends, at most about so many, all in one notation."""
    from matplotlib.ticker import MaxNLocator

    if kind == "linear":
        places = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=1).tick_values(low, high)
        places = [float(f"{place:.10g}") + 0.0 for place in places if low <= place <= high]
        return list(zip(places, numbers(places), strict=True))
    first, last = (math.log10(end) for end in (low, high))
    inside = range(math.floor(first), math.ceil(last) + 1)
    exponents: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        exponents = [place for each in inside for m in steps if first - 1e-9 <= (place := each + math.log10(m)) <= last + 1e-9]
        if len(exponents) <= most + 1:
            break
    exponents = exponents[:: max(1, -(-len(exponents) // most))] if len(exponents) > most + 1 else exponents
    return _named([float(f"{10.0**each:.6g}") for each in exponents])


def _named(values: Sequence[float]) -> list[tuple[float, str]]:
    """Values as ticks, in one notation: powers of ten for all where any has so many zeros."""
    powers = any(value and not 10.0**-_POWERS < abs(value) < 10.0**_POWERS for value in values)
    return [(float(value), number(value, power=powers and value != 0)) for value in values]
