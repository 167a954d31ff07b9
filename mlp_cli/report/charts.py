"""Charts of the page as plain values, which the template turns into SVG: everything that is text is escaped there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlp_cli.plots.text import clean, width
from mlp_cli.report.scales import Scale, Tick
from mlp_cli.report.wording import cut

WIDTH, HEIGHT = 400, 270
_TOP, _RIGHT, _BOTTOM = 28, 12, 44
_POINTS = 8.25  # of the 11-pixel font of ticks
_LETTER = 6.4  # pixels that a letter of an 11-pixel font takes, at most, on average


@dataclass(frozen=True)
class Shape:
    """One thing drawn. kind: `path`, `dot`, `cell` or `text`; look: its CSS classes; d: a path's steps; hint: shown on hovering.

    x, y: the middle of a dot, the upper left corner of a cell, the anchor of a text. shade: opacity of a cell, 0 to 1.
    """

    kind: str
    look: str
    d: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    shade: float = 1.0
    text: str = ""
    hint: str = ""


@dataclass
class Chart:
    """A chart: axes, shapes, and the words under it. Pixels count from the upper left corner.

    legend: pairs of a look and a text. wide: it keeps its size on a narrow screen, where one scrolls it sideways.
    """

    title: str
    x: Scale | None = None
    y: Scale | None = None
    x_label: str = ""
    y_label: str = ""
    width: float = WIDTH
    height: float = HEIGHT
    left: float = 48
    shapes: list[Shape] = field(default_factory=list)
    x_ticks: list[Tick] = field(default_factory=list)
    y_ticks: list[Tick] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    wide: bool = False
    grid: bool = True
    bottom_space: float = _BOTTOM

    def __post_init__(self) -> None:
        if self.y is not None:
            texts = [cut(tick.text, 14) for tick in self.y.ticks]
            self.left = max(34.0, 12 + max((96 * width(clean(text), _POINTS) for text in texts), default=0.0))
            self.y_ticks = [Tick(round(self.down(tick.at), 1), text) for tick, text in zip(self.y.ticks, texts, strict=True)]
        if self.x is not None:
            self.x_ticks = self._across_ticks(self.x)

    @property
    def top(self) -> float:
        """The upper edge of the plot."""
        return _TOP

    @property
    def right(self) -> float:
        """The right edge of the plot."""
        return self.width - _RIGHT

    @property
    def bottom(self) -> float:
        """The lower edge of the plot."""
        return self.height - self.bottom_space

    def across(self, share: float) -> float:
        """The pixel of a place from 0 to 1 on the horizontal axis."""
        return self.left + share * (self.right - self.left)

    def down(self, share: float) -> float:
        """The pixel of a place from 0 to 1 on the vertical axis."""
        return self.bottom - share * (self.bottom - self.top)

    def point(self, x: object, y: float) -> tuple[float, float]:
        """The pixel of a pair of values."""
        assert self.x is not None and self.y is not None
        return self.across(self.x.at(x)), self.down(self.y.at(y))

    def _across_ticks(self, scale: Scale) -> list[Tick]:
        """The ticks that have room, each text cut to its share of the width (the whole name is in the table)."""
        ticks = scale.ticks
        if not ticks:
            return []
        if scale.kind == "category":
            every = max(1, math.ceil(len(ticks) * 20 / (self.right - self.left)))
            ticks = ticks[::every]
            room = (self.right - self.left) / len(ticks)
            return [Tick(round(self.across(tick.at), 1), cut(tick.text, max(2, int(room / _LETTER)))) for tick in ticks]
        kept: list[Tick] = []
        end = -math.inf
        for tick in ticks:
            half = _LETTER * len(tick.text) / 2
            if (place := self.across(tick.at)) - half > end:
                kept.append(Tick(round(place, 1), tick.text))
                end = place + half + 3
        return kept


def path(points: Iterable[tuple[float, float]], *, close: bool = False) -> str:
    """The steps of a line through points (pixels); a point that is not finite leaves a gap."""
    steps, begin = [], True
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            steps.append(f"{'M' if begin else 'L'}{_short(x)} {_short(y)}")
            begin = False
        else:
            begin = True
    return "".join(steps) + ("Z" if close and steps else "")


def ribbon(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    """The outlines of a band between two lines of equal length, one for each stretch where both are finite."""
    outlines, high, low = [], [], []
    for above, below in [*zip(upper, lower, strict=True), ((math.nan, math.nan), (math.nan, math.nan))]:
        if all(map(math.isfinite, (*above, *below))):
            high.append(above)
            low.append(below)
        elif high:
            outlines.append(path([*high, *reversed(low)], close=True))
            high, low = [], []
    return "".join(outlines)


def whisker(x: float, low: float, high: float, half: float = 3.0) -> str:
    """An error bar with its ends."""
    left, right = _short(x - half), _short(x + half)
    return f"M{_short(x)} {_short(low)}V{_short(high)}M{left} {_short(low)}H{right}M{left} {_short(high)}H{right}"


def _short(value: float) -> str:
    text = f"{value:.1f}"
    return text.removesuffix(".0")
