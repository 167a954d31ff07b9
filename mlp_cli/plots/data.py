"""The figure of a data set: examples of each class, and how many there are of it in each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import mosaic, style
from mlp_cli.plots.text import class_labels, fit, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

_ROWS = 20  # classes up to which each has a row of its own
_SHEET = 100  # classes up to which each is shown at all
_EXAMPLES = 8  # images in a class's row
_PARTS = (style.BLUE, style.SKY, style.PALE)  # dark, middle, light: three parts that grey keeps apart


def sheet(
    path: Path,
    images: NDArray[Any],
    labels: NDArray[np.integer],
    classes: Sequence[object],
    shape: Sequence[int],
    counts: Mapping[str, ArrayLike],
    *,
    rows: NDArray[np.intp] | None = None,
    channels_first: bool | None = None,
    title: str = "",
) -> bool:
    """Writes `draw_sheet` as a PNG; False, and no file, where there are no classes. Errors: RunError where it cannot be written."""
    figure = draw_sheet(images, labels, classes, shape, counts, rows=rows, channels_first=channels_first, title=title)
    if figure is not None:
        style.save(figure, path)
    return figure is not None


def draw_sheet(
    images: NDArray[Any],
    labels: NDArray[np.integer],
    classes: Sequence[object],
    shape: Sequence[int],
    counts: Mapping[str, ArrayLike],
    *,
    rows: NDArray[np.intp] | None = None,
    channels_first: bool | None = None,
    title: str = "",
) -> Figure | None:
    """Examples of each class and the class distribution; the distribution alone where the inputs are no images, None without classes.

    images: (N, D); labels: (N,) from 0 to K − 1; rows: (n,) which of them may be shown, all by default. Shown are the first of each class.
    counts: part ("training", "validation", "test") → (K,) number of its examples of each class; at most three parts.
    Up to 20 classes have a row each, eight images beside a bar; up to 100 have one captioned image each above a bar chart.
    """
    if not len(classes):
        return None
    many = len(classes)
    order = np.arange(len(labels)) if rows is None else rows
    known = labels[order]
    per_class = _EXAMPLES if many <= _ROWS else 1
    chosen = [order[np.flatnonzero(known == k)[:per_class]] for k in range(min(many, _SHEET))]
    pictures = mosaic.as_images(np.asarray(images[np.concatenate(chosen)]), shape, channels_first)
    pictures = mosaic.to_rgb(pictures) if pictures is not None and len(pictures) else None
    numbers = {part: np.asarray(values, dtype=np.int64) for part, values in counts.items()}
    with style.context():
        if many <= _ROWS:
            return _rows(pictures, [len(some) for some in chosen], classes, numbers, title)
        return _overview(pictures, [k for k, some in enumerate(chosen) if len(some)], classes, numbers, title)


def _rows(
    pictures: NDArray[np.uint8] | None,
    available: Sequence[int],
    classes: Sequence[object],
    counts: Mapping[str, NDArray[np.int64]],
    title: str,
) -> Figure:
    """A row for each class: name, examples, stacked bar. `pictures` holds the examples class by class, available[k] of class k."""
    many = len(classes)
    names = class_labels(classes, many, 1.2, style.TICK)
    left = style.MARGIN + round(max(width(name, style.TICK) for name in names) * style.DPI) + 14
    step, images_width = 34, 0
    canvas = None
    if pictures is not None:
        cells = mosaic.framed(mosaic.scale_to(pictures, 64, 64))
        step = max(step, cells.shape[1] + 5)
        columns = max(available)
        canvas = np.full((many * step, columns * (cells.shape[2] + 5), 3), 255, dtype=np.uint8)
        above = (step - cells.shape[1]) // 2
        cell = iter(cells)
        for k, amount in enumerate(available):
            for column in range(amount):
                x = column * (cells.shape[2] + 5)
                canvas[k * step + above : k * step + above + cells.shape[1], x : x + cells.shape[2]] = next(cell)
        images_width = canvas.shape[1] + 22
    detail = (
        f"{_amount(many)}; "
        + (
            f"the first {'' if min(available) == max(available) else 'up to '}{max(available)} examples of each; "
            if canvas is not None
            else ""
        )
        + _totals(counts)
    )
    top = style.heading_height(detail) + (34 if len(counts) > 1 else 8)
    bars_width = 300 if canvas is not None else 460
    height = many * step
    figure = style.new_figure(max(640, left + images_width + bars_width + 92), top + height + 70)
    style.heading(figure, title, detail)
    if canvas is not None:
        mosaic.show(figure, canvas, left, top)

    axes = style.place(figure, left + images_width, top, bars_width, height)
    total = _stack(axes, counts, many, upright=False)
    axes.set_ylim(many - 0.5, -0.5)
    axes.set_yticks([])
    to_names = -(images_width + 12) / bars_width
    for k, name in enumerate(names):
        axes.text(to_names, k, name, size=style.TICK, ha="right", va="center", transform=axes.get_yaxis_transform())
        axes.text(total[k], k, f" {total[k]:,}", size=style.SMALL, va="center")
    axes.set_xlabel("examples")
    _count_axis(axes.xaxis)
    return figure


def _overview(
    pictures: NDArray[np.uint8] | None,
    shown: Sequence[int],
    classes: Sequence[object],
    counts: Mapping[str, NDArray[np.int64]],
    title: str,
) -> Figure:
    """One captioned image for each class of `shown`, in a grid, above stacked upright bars by class number."""
    many = len(classes)
    detail = f"{_amount(many)}; " + (
        f"one example of {'each' if len(shown) == many else len(shown)}; " if pictures is not None else ""
    )
    detail += _totals(counts)
    top = style.heading_height(detail) + 8
    grid_height, columns, cell, across = 0, 10, (98, 62), 980
    cells = None
    labels = class_labels(classes, many, 10.0, style.SMALL)
    named = any(label != str(k) for k, label in enumerate(labels))
    if pictures is not None:
        cells = mosaic.framed(mosaic.scale_to(pictures, cell[0] - 12, cell[1]))
        cell = (cell[0], cells.shape[1])
        grid_height = mosaic.captioned_size(len(shown), columns, cell, 1 + named)[1] + 10
    above = top + grid_height + (34 if len(counts) > 1 else 8)
    figure = style.new_figure(across + 2 * style.MARGIN, above + 220 + 70)
    style.heading(figure, title, detail)
    if cells is not None:
        room = (cell[0] - 6) / style.DPI
        captions = [f"{k}\n{fit(labels[k], room, style.SMALL)}" if named else f"{k}" for k in shown]
        mosaic.captioned(figure, cells, captions, columns, cell, (style.MARGIN, top))

    axes = style.place(figure, style.MARGIN + 80, above, across - 80, 220)
    _stack(axes, counts, many, upright=True)
    axes.set_xlim(-0.7, many - 0.3)
    axes.set_xlabel("class (number, from 0)")
    axes.set_ylabel("examples")
    _count_axis(axes.yaxis)
    axes.grid(True, axis="y")
    return figure


def _stack(axes: Axes, counts: Mapping[str, NDArray[np.int64]], many: int, *, upright: bool) -> NDArray[np.int64]:
    """Draws the stacked bars and their legend; gives the total (K,) of each class."""
    base = np.zeros(many, dtype=np.int64)
    for (part, values), color in zip(counts.items(), _PARTS, strict=False):
        if upright:
            bars = axes.bar(np.arange(many), values, 0.8 if many <= _SHEET else 1.0, bottom=base, label=part)
        else:
            bars = axes.barh(np.arange(many), values, 0.62, left=base, label=part)
        for bar in bars:
            bar.set(facecolor=color, edgecolor=style.GREY, linewidth=0.4 if many <= _SHEET else 0.0)
        base = base + values
    if len(counts) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.1, borderpad=0.2, handlelength=1.4)
    return base


def _count_axis(axis: Axis) -> None:
    """Whole numbers with thousands separated, few of them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _amount(many: int) -> str:
    return "1 class" if many == 1 else f"{many} classes"


def _totals(counts: Mapping[str, NDArray[np.int64]]) -> str:
    return ", ".join(f"{int(values.sum()):,} {part}" for part, values in counts.items())
