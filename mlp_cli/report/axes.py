"""The axes of a report's figures: room for headings and legends, limits, ticks and names, as the page's charts have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_cli.config.resolved import show
from mlp_cli.files import write_atomic
from mlp_cli.plots import style
from mlp_cli.plots.text import clean, fit, width
from mlp_cli.report.model import Configuration, Group
from mlp_cli.report.scales import Scale, metric_scale
from mlp_cli.report.wording import cut, first_upper, metric_label, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 720
"""Pixels of every figure's width."""
_ENTRY = 24  # pixels of a legend's line
_LEFT, _TALL = 130, 330  # pixels left of the axes, and of their height
_SECOND = 20  # pixels of a second row of names under the axes
_SHORT = ((4, 2, 24), (6, 3, 40), (9, 5, 70))
"""Digits of a number in a name, entries at both ends of a list, characters of a text: the first of these with which no two read the
same."""


def frame(
    group: Group, title: str, detail: str, entries: Sequence[str] = (), *, names: Sequence[str] = ()
) -> tuple[Figure, Axes]:
    """A figure with a heading and empty axes, and room under them for a legend of these entries, and for two rows of tick names
    where `names` of categories need them."""
    top = heading_height(detail) + 14
    lines = sum(entry.count("\n") + 1 for entry in entries)
    below = 64 + _ENTRY * lines + (8 if entries else 0) + (_SECOND if _are_staggered(names) else 0)
    figure = new_figure(WIDE, top + _TALL + below)
    axes = place(figure, _LEFT, top, WIDE - _LEFT - style.MARGIN, _TALL)
    heading(figure, first_upper(f"{title}, {plain(group.data.get('name'))}"), detail)
    axes.grid(True)
    return figure, axes


def short_names(group: Group, shown: Sequence[Configuration], without: str = "") -> list[str]:
    """The labels of configurations, but for one key: numbers with few digits and long lists cut, as far as the values of a key
    stay different from each other; without differing keys the whole label."""
    short = {key: _short([each.differs[key] for each in group.configurations if key in each.differs]) for key in group.keys}
    named = (
        " ".join(f"{plain(key)}={short[key][show(value)]}" for key, value in each.differs.items() if key != without)
        for each in shown
    )
    return [name or ("" if without else plain(each.label)) for name, each in zip(named, shown, strict=True)]


def _short(values: Sequence[Any]) -> dict[str, str]:
    distinct = {show(value): value for value in values}
    for digits, ends, characters in _SHORT:
        found = {text: _shortened(value, digits, ends, characters) for text, value in distinct.items()}
        if len(set(found.values())) == len(found):
            return found
    return {text: plain(text) for text in distinct}


def _shortened(value: Any, digits: int, ends: int, characters: int) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        kept = [show(each) for each in value]
        kept = [*kept[:ends], "…", *kept[-ends:]] if len(kept) > 2 * ends + 1 else kept
        return plain(f"[{', '.join(kept)}]")
    return cut(show(value), characters)


def wrapped(text: str, inches: float, points: float = style.LABEL, lines: int = 2) -> str:
    """Text on so many lines of at most so many inches, the last one cut where it is longer still; on one where it fits."""
    words = clean(text).split()
    done: list[str] = []
    while len(done) < lines - 1 and width(" ".join(words), points) > inches:
        count = max((k for k in range(1, len(words)) if width(" ".join(words[:k]), points) <= inches), default=0)
        if not count:
            break
        done.append(" ".join(words[:count]))
        words = words[count:]
    return "\n".join([*done, fit(" ".join(words), inches, points)])


def value_axis(axes: Axes, group: Group, metric: str, values: Sequence[float]) -> None:
    """The vertical axis, with the limits and the kind of scale that the page's charts have."""
    scale, remark = metric_scale(metric, values)
    if scale.kind == "log":
        axes.set_yscale("log")
        axes.set_ylim(10**scale.low, 10**scale.high)
        _ticks(
            axes,
            "y",
            [10 ** (scale.low + tick.at * (scale.high - scale.low)) for tick in scale.ticks],
            [tick.text for tick in scale.ticks],
        )
    else:
        axes.set_ylim(scale.low, scale.high)
        axes.yaxis.set_major_formatter(style.tick_numbers())
    axes.set_ylabel(wrapped(metric_label(metric, group) + remark, _TALL / style.DPI))


def setting_axis(axes: Axes, key: str, scale: Scale, values: Sequence[Any]) -> None:
    """The horizontal axis of a key: numbers on a linear or logarithmic one, everything else evenly placed."""
    room = (WIDE - _LEFT - style.MARGIN) / style.DPI
    if scale.kind == "category":
        names = category_names(values)
        lines = _staggered(names) if _are_staggered(names) else [clean(name) for name in names]
        _ticks(axes, "x", [float(place) for place in range(len(values))], lines)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xlabel(fit(plain(key), room, style.LABEL))
        return
    logarithmic = scale.kind == "log"
    places = [scale.low + tick.at * (scale.high - scale.low) for tick in scale.ticks]
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(10**scale.low, 10**scale.high)
    else:
        axes.set_xlim(scale.low, scale.high)
    _ticks(axes, "x", [10**place if logarithmic else place for place in places], [tick.text for tick in scale.ticks])
    axes.set_xlabel(fit(plain(key), room - 0.7, style.LABEL) + (", log scale" if logarithmic else ""))


def category_names(values: Sequence[Any]) -> list[str]:
    """The settings of an axis by category, as its ticks are named before they are fitted."""
    short = _short(values)
    return [short[show(value)] for value in values]


def _room(count: int) -> float:
    """Inches that each of so many names has beside its neighbours."""
    return (WIDE - _LEFT - style.MARGIN) / max(1, count) / style.DPI - 0.06


def _staggered(names: Sequence[str]) -> list[str]:
    """Names on two rows by turns, each with twice the room; the first and the last as far as the figure's edge."""
    lines = []
    for index, name in enumerate(names):
        edge = style.MARGIN if index == len(names) - 1 else _LEFT
        room = min(2 * _room(len(names)), _room(len(names)) + 2 * (edge - 8) / style.DPI)
        lines.append("\n" * (index % 2) + fit(name, room, style.TICK, both_ends=True))
    return lines


def _are_staggered(names: Sequence[str]) -> bool:
    """Whether the names of an axis go on two rows by turns, as they do not fit on one."""
    return any(width(clean(name), style.TICK) > _room(len(names)) for name in names)


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


def entries(names: Sequence[str]) -> list[str]:
    """The names of lines as the legend's entries, long ones on up to three lines."""
    return [wrapped(name, (WIDE - _LEFT - style.MARGIN) / style.DPI - 0.5, style.TICK, 3) for name in names]


def legend(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    """The entries of the lines under the axes, one under another, so that long ones have room."""
    handles: Sequence[Any] = axes.containers or axes.get_lines()
    whole = size(figure)[1]
    axes.legend(
        handles,
        names,
        loc="lower left",
        bbox_to_anchor=(_LEFT / WIDE, 6 / whole),
        bbox_transform=figure.transFigure,
        borderaxespad=0.0,
        borderpad=0.0,
        labelspacing=0.25,
    )


def values_across(axes: Axes, group: Group, metric: str, values: Sequence[float]) -> None:
    """The horizontal axis of a metric, with limits around the values and the ticks that the page's charts have."""
    scale, remark = metric_scale(metric, values, least=0.0, ticks=6)
    places = [scale.low + tick.at * (scale.high - scale.low) for tick in scale.ticks]
    if scale.kind == "log":
        axes.set_xscale("log")
        axes.set_xlim(10**scale.low, 10**scale.high)
        places = [10**place for place in places]
    else:
        axes.set_xlim(scale.low, scale.high)
    _ticks(axes, "x", places, [tick.text for tick in scale.ticks])
    axes.set_xlabel(metric_label(metric, group) + remark)


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of `width` × `height` pixels on an Agg canvas, unknown to pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The hundredth of a pixel keeps a rounding error from cutting off the last row or column.
    figure = Figure(figsize=((width + 0.01) / style.DPI, (height + 0.01) / style.DPI), dpi=style.DPI)
    FigureCanvasAgg(figure)
    return figure


def size(figure: Figure) -> tuple[int, int]:
    """Width and height of a figure in pixels."""
    return int(figure.bbox.width), int(figure.bbox.height)


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """New axes whose box has its upper left corner at (`left`, `top`); pixels, counted from the figure's upper left corner."""
    whole_width, whole_height = size(figure)
    box = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(box)


def heading_height(detail: str = "") -> int:
    """Pixels that `heading` needs, the margin above it included."""
    return style.MARGIN + round(style.pixels(style.TITLE) * 1.35) + (round(style.pixels(style.TICK) * 1.5) if detail else 0)


def heading(figure: Figure, title: str, detail: str = "", left: float = style.MARGIN) -> None:
    """Writes the title, and under it a smaller line of explanation; what is too long is cut in its middle."""
    width, height = size(figure)
    room = (width - left - style.MARGIN) / style.DPI
    top = 1 - style.MARGIN / height
    figure.text(left / width, top, fit(title, room, style.TITLE, both_ends=True), size=style.TITLE, va="top", ha="left")
    if detail:
        below = top - style.pixels(style.TITLE) * 1.45 / height
        figure.text(
            left / width,
            below,
            fit(detail, room, style.TICK, both_ends=True),
            size=style.TICK,
            va="top",
            ha="left",
            color=style.GREY,
        )


def save(figure: Figure, path: Path, maker: str) -> None:
    """Writes the figure as SVG where the path ends so, else as PNG. maker: what made it, which stands in the first kilobyte."""
    form = "svg" if str(path).endswith(".svg") else "png"
    said = {"Date": None, "Creator": maker} if form == "svg" else {"Software": maker}
    with style.context():
        write_atomic(path, lambda handle: figure.savefig(handle, format=form, dpi=style.DPI, metadata=said))
