"""The axes of a report's figures: room for headings and legends, limits, ticks and labels, as the page's charts have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlp_cli.plots import style
from mlp_cli.plots.text import clean, fit, width
from mlp_cli.report.model import Group
from mlp_cli.report.scales import Scale, value_scale
from mlp_cli.report.wording import first_upper, is_percent, metric_label, plain, setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 720
"""Pixels of every figure's width."""
_ENTRY = 24  # pixels of a legend's line
_LEFT, _TALL = 116, 330  # pixels left of the axes, and of their height


def frame(group: Group, title: str, detail: str, entries: int) -> tuple[Figure, Axes]:
    """A figure with a heading and empty axes, and room for so many legend entries under them."""
    top = style.heading_height(detail) + 14
    figure = style.new_figure(WIDE, top + _TALL + 64 + _ENTRY * entries + (8 if entries else 0))
    axes = style.place(figure, _LEFT, top, WIDE - _LEFT - style.MARGIN, _TALL)
    style.heading(figure, first_upper(f"{title}, {group.data.get('name')}"), detail)
    axes.grid(True)
    return figure, axes


def wrapped(text: str, inches: float) -> str:
    """Text on two lines of at most so many inches, cut where it is longer still; on one where it fits."""
    whole = clean(text)
    if width(whole, style.LABEL) <= inches:
        return whole
    words = whole.split()
    count = max((k for k in range(1, len(words)) if width(" ".join(words[:k]), style.LABEL) <= inches), default=0)
    if not count:
        return fit(whole, inches, style.LABEL)
    return f"{' '.join(words[:count])}\n{fit(' '.join(words[count:]), inches, style.LABEL)}"


def value_axis(axes: Axes, group: Group, metric: str, values: Sequence[float]) -> None:
    """The vertical axis, with the limits and the kind of scale that the page's charts have."""
    percent = is_percent(metric)
    loss = metric.endswith("_loss")
    scale = value_scale(values, least=0.2 if percent else 1e-9, ceiling=100.0 if percent else math.inf, log=loss)
    label = metric_label(metric, group)
    if scale.kind == "log":
        axes.set_yscale("log")
        axes.set_ylim(10**scale.low, 10**scale.high)
        _ticks(
            axes,
            "y",
            [10 ** (scale.low + tick.at * (scale.high - scale.low)) for tick in scale.ticks],
            [tick.text for tick in scale.ticks],
        )
        label += ", log scale"
    else:
        axes.set_ylim(scale.low, scale.high)
        axes.yaxis.set_major_formatter(style.tick_numbers())
    axes.set_ylabel(wrapped(label, _TALL / style.DPI))


def setting_axis(axes: Axes, key: str, scale: Scale, values: Sequence[Any]) -> None:
    """The horizontal axis of a key: numbers on a linear or logarithmic one, everything else evenly placed."""
    if scale.kind == "category":
        room = (WIDE - _LEFT - style.MARGIN) / len(values) / style.DPI - 0.06
        _ticks(
            axes, "x", [float(place) for place in range(len(values))], [fit(setting(value), room, style.TICK) for value in values]
        )
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xlabel(plain(key))
        return
    logarithmic = scale.kind == "log"
    places = [scale.low + tick.at * (scale.high - scale.low) for tick in scale.ticks]
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(10**scale.low, 10**scale.high)
    else:
        axes.set_xlim(scale.low, scale.high)
    _ticks(axes, "x", [10**place if logarithmic else place for place in places], [tick.text for tick in scale.ticks])
    axes.set_xlabel(plain(key) + (", log scale" if logarithmic else ""))


def _ticks(axes: Axes, side: str, places: Sequence[float], names: Sequence[str]) -> None:
    """Just these ticks, major ones."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FixedFormatter(names))
    axis.set_minor_locator(NullLocator())


def whole_epochs(axes: Axes) -> None:
    """Ticks at whole epochs only."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def legend(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    """The names of the lines under the axes, one a line, so that long ones have room."""
    handles: Sequence[Any] = axes.containers or axes.get_lines()
    room = (WIDE - _LEFT - style.MARGIN) / style.DPI - 0.5
    whole = style.size(figure)[1]
    axes.legend(
        handles,
        [fit(name, room, style.TICK) for name in names],
        loc="lower left",
        bbox_to_anchor=(_LEFT / WIDE, 6 / whole),
        bbox_transform=figure.transFigure,
        borderaxespad=0.0,
        borderpad=0.0,
        labelspacing=0.25,
    )
