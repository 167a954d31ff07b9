"""Figures of sets of two features: the points of each class, alone or on the regions that a network assigns; and of quantities.

Each comes twice: `draw_x(…)` gives a matplotlib Figure, `x(path, …)` writes it as a PNG.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_cli.plots import style
from mlp_cli.plots.text import class_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

CELLS = 200
"""Cells of the grid along each axis."""
POINTS = 1_000
"""Points shown at most."""

_SIDE = 560  # pixels of the plot
_LEGEND = 190  # pixels beside it
_NAMED = 20  # classes up to which the legend names them
_PALER = 0.62  # share of white in the colour of a region


class Grid(NamedTuple):
    """Where a network is asked: x (G,) and y (G,) of the columns and rows of cells, and all cells as inputs (G·G, 2), row by row."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    inputs: NDArray[np.float64]


def grid_of(points: ArrayLike, cells: int = CELLS) -> Grid:
    """A grid over the middle 99.8 % of the points (N, 2) along each axis, and a tenth more on each side."""
    values = np.asarray(points, dtype=np.float64)
    low, high = np.quantile(values, 0.001, axis=0), np.quantile(values, 0.999, axis=0)
    room = 0.1 * np.where(high > low, high - low, 1.0)
    axes = [np.linspace(a, b, cells) for a, b in zip(low - room, high + room, strict=True)]
    columns, rows = np.meshgrid(*axes)
    return Grid(axes[0], axes[1], np.stack([columns.ravel(), rows.ravel()], axis=1))


def regions(
    path: Path,
    grid: Grid,
    predicted: ArrayLike,
    points: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[object],
    *,
    title: str = "",
    detail: str = "",
) -> None:
    """Writes `draw_regions` as a PNG. Errors: RunError where the file cannot be written, as for all of this module."""
    style.save(draw_regions(grid, predicted, points, labels, classes, title=title, detail=detail), path)


def draw_regions(
    grid: Grid,
    predicted: ArrayLike | None,
    points: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[object],
    *,
    title: str = "",
    detail: str = "",
) -> Figure:
    """The points (N, 2) of each class on the regions in which a network predicts it; without `predicted`, on white.

    predicted: (G·G,) class numbers at the grid's inputs. labels: (N,) class numbers of the points, the first 1,000 of which are shown.
    """
    shown, known = np.asarray(points, dtype=np.float64)[:POINTS], np.asarray(labels)[:POINTS]
    many = len(classes)
    with style.context():
        from matplotlib.colors import ListedColormap, to_rgb

        colors = np.array([to_rgb(color) for color in _colors(many)])
        top = style.heading_height(detail)
        figure = style.new_figure(style.MARGIN + 84 + _SIDE + _LEGEND, top + 8 + _SIDE + 64)
        style.heading(figure, title, detail)
        axes = style.place(figure, style.MARGIN + 84, top + 8, _SIDE, _SIDE)
        if predicted is not None:
            cells = np.asarray(predicted).reshape(len(grid.y), len(grid.x))
            half = [(values[1] - values[0]) / 2 for values in (grid.x, grid.y)]
            extent = (grid.x[0] - half[0], grid.x[-1] + half[0], grid.y[0] - half[1], grid.y[-1] + half[1])
            pale = ListedColormap(colors + (1 - colors) * _PALER)
            axes.imshow(
                cells,
                cmap=pale,
                vmin=-0.5,
                vmax=many - 0.5,
                extent=extent,
                origin="lower",
                interpolation="nearest",
                aspect="auto",
            )
        for label in range(many):
            rows = shown[known == label]
            line = style.LINES[label % len(style.LINES)]
            axes.plot(
                rows[:, 0],
                rows[:, 1],
                linestyle="",
                marker=line.marker,
                markersize=3.2,
                color=colors[label],
                markerfacecolor=colors[label],
                markeredgecolor="white",
                markeredgewidth=0.3,
                label=class_labels(classes, many, 1.0, style.TICK)[label],
            )
        axes.set_xlim(grid.x[0], grid.x[-1])
        axes.set_ylim(grid.y[0], grid.y[-1])
        _finish(axes)
        if many <= _NAMED:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), title="class", title_fontsize=style.TICK, markerscale=1.5)
    return figure


def scatter(
    path: Path, points: ArrayLike, labels: ArrayLike, classes: Sequence[object], *, title: str = "", detail: str = ""
) -> None:
    """Writes the points of each class, as `draw_regions` without regions, as a PNG."""
    style.save(draw_regions(grid_of(points), None, points, labels, classes, title=title, detail=detail), path)


def histogram(path: Path, values: ArrayLike, label: str, *, title: str = "") -> None:
    """Writes `draw_histogram` as a PNG."""
    style.save(draw_histogram(values, label, title=title), path)


def draw_histogram(values: ArrayLike, label: str, *, title: str = "") -> Figure:
    """How often the values (N,) of a quantity occur; label: what it is."""
    known = np.asarray(values, dtype=np.float64)
    detail = (
        f"{len(known):,} rows; mean {style.number(round(float(known.mean()), 6))}, "
        f"from {style.number(float(known.min()))} to {style.number(float(known.max()))}"
    )
    with style.context():
        top = style.heading_height(detail)
        figure = style.new_figure(760, top + 8 + 380 + 70)
        style.heading(figure, title, detail)
        axes = style.place(figure, style.MARGIN + 76, top + 8, 640, 380)
        axes.hist(known, bins=min(50, max(1, len(np.unique(known)))), color=style.BLUE, edgecolor="white", linewidth=0.4)
        axes.set_xlabel(class_labels([label], 1, 4.0, style.LABEL)[0])
        axes.set_ylabel("rows")
        axes.xaxis.set_major_formatter(style.tick_numbers())
        axes.grid(True, axis="y")
    return figure


def _finish(axes: Axes) -> None:
    axes.set_xlabel("feature 1")
    axes.set_ylabel("feature 2")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(style.tick_numbers())


def _colors(many: int) -> list[Any]:
    """A colour for each class: those of the style while they last, else evenly spaced ones of a colour map."""
    if many <= len(style.LINES):
        return [line.color for line in style.LINES[:many]]
    from matplotlib import colormaps

    return [colormaps["turbo"](number / (many - 1))[:3] for number in range(many)]
