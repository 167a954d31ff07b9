"""The figures of a data set: examples of each class and how many there are, the points of two features, the values of a quantity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import mosaic, style
from mlp_cli.plots.text import class_labels, fit
from mlp_cli.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

POINTS = 1_000
"""Points of two features shown at most."""
NAMED = 20
"""Classes up to which each has a row of its own or a name in the legend."""
_SHEET = 100  # classes up to which each is shown at all
_EXAMPLES = 8  # images in a class's row
_PARTS = (style.BLUE, style.SKY, style.PALE)  # dark, middle, light: three parts that grey keeps apart


def sheet(
    images: NDArray[Any],
    labels: NDArray[np.integer],
    classes: Sequence[object],
    shape: Sequence[int],
    counts: Mapping[str, ArrayLike],
    title: str = "",
    rows: Mapping[str, int] | None = None,
) -> Figure:
    """The first examples of each class and the class distribution; the distribution alone where the inputs are no images.

    images: (N, D); labels: (N,) from 0 to K − 1. counts: part → (K,) number of its examples of each class; at most three parts.
    rows: part → its rows, where the classes are labels, of which a row may have several; None where each row is of one class.
    Up to 20 classes have a row each, eight images beside a bar; of more, the first 100 have one image with their number of examples.
    """
    many, totals = len(classes), {part: np.asarray(values, dtype=np.int64) for part, values in counts.items()}
    total = sum(totals.values(), np.zeros(many, dtype=np.int64))
    chosen = [np.flatnonzero(labels == k)[: _EXAMPLES if many <= NAMED else 1] for k in range(min(many, _SHEET))]
    least, most = min(map(len, chosen)), max(map(len, chosen))
    pictures = mosaic.as_images(np.asarray(images[np.concatenate(chosen)]), shape) if most else None
    amount = f"{'up to ' if least < most else ''}{most} examples" if most > 1 else "example"
    seen = "" if pictures is None else f" the first {amount} of {'each' if many <= _SHEET else f'{_SHEET} of them'};"
    sizes = rows or {part: each.sum() for part, each in totals.items()}
    kinds = ("class", "classes") if rows is None else ("label", "labels")
    detail = f"{counted(many, *kinds)};{seen} " + ", ".join(f"{size:,} {part}" for part, size in sizes.items())
    with style.context():
        if pictures is not None and many > NAMED:
            names = class_labels(classes, many, 0.6, style.SMALL)
            captions = [f"{names[k]}\n{total[k]:,}" for k, rows in enumerate(chosen) if len(rows)]
            return mosaic.captioned(mosaic.thumbnails(pictures, 86, 62), captions, 10, 98, title, detail)
        step, width = 34.0 if many <= NAMED else 680 / many, 460
        if pictures is None:
            axes = bars = style.new_axes(width + 200, round(step * many) + 100)
        else:
            thumbs = mosaic.thumbnails(pictures, 64, 64)
            step = max(34, thumbs.shape[1] + mosaic.GAP)
            cells = np.full((many * most, *thumbs.shape[1:]), 255, dtype=np.uint8)
            cells[[k * most + place for k, rows in enumerate(chosen) for place in range(len(rows))]] = thumbs
            canvas = mosaic.compose(cells, most, (thumbs.shape[2] + mosaic.GAP, step))
            axes, width = mosaic.show(canvas), canvas.shape[1]
            bars = axes.inset_axes((1 + 20 / width, 0, 300 / width, 1))
        middles = (np.arange(many) + 0.5) * step
        base = np.zeros(many, dtype=np.int64)
        for (part, values), color in zip(totals.items(), _PARTS, strict=False):
            line = 0.4 if step > 4 else 0.0
            bars.barh(middles, values, 0.62 * step, base, label=part, color=color, edgecolor=style.GREY, linewidth=line)
            base += values
        shown = range(0, many, -(-many // NAMED))
        for k in shown if many <= NAMED else ():
            bars.text(total[k], middles[k], f" {total[k]:,}", size=style.SMALL, va="center")
        names = class_labels(classes, many, 1.2, style.TICK)
        bars.set(ylim=(many * step, 0), yticks=[], xlabel="examples")
        axes.set_yticks(middles[shown], [names[k] for k in shown])
        axes.tick_params(axis="y", length=0)
        bars.locator_params(axis="x", nbins=5, integer=True)
        bars.xaxis.set_major_formatter("{x:,.0f}")
        if len(totals) > 1:
            style.legend_above(bars)
        return style.finish(axes, title, detail, (width, round(step * many)))


def before_after(originals: NDArray[Any], altered: Sequence[NDArray[Any]], shape: Sequence[int], title: str = "") -> Figure:
    """Pictures (N, D) and what an augmentation made of them, several times: a row for each picture, which is the first in it."""
    many, columns = len(originals), 1 + len(altered)
    rows = np.stack([originals, *altered], axis=1).reshape(many * columns, -1)
    pictures = mosaic.as_images(rows, shape)
    if pictures is None:
        raise ValueError(f"rows of shape {tuple(shape)} are no pictures")
    with style.context():
        thumbs = mosaic.thumbnails(pictures, 64, 64)
        width, step = thumbs.shape[2] + 2 * mosaic.GAP, thumbs.shape[1] + mosaic.GAP
        canvas = mosaic.compose(thumbs, columns, (width, step))
        axes = mosaic.show(canvas)
        places = [(column + 0.5) * width for column in range(columns)]
        axes.set_xticks(places, ["as it is", *["altered"] * len(altered)], size=style.SMALL)
        axes.xaxis.tick_top()
        axes.tick_params(axis="x", length=0)
        return style.finish(
            axes, title, f"{counted(many, 'training picture')}, and what augment makes of them", canvas.shape[1::-1]
        )


def plane(
    points: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[object],
    names: Sequence[str],
    title: str = "",
    detail: str = "",
    predict: Callable[[NDArray[np.float64]], NDArray[np.integer]] | None = None,
) -> Figure:
    """The first 1,000 of the points (N, 2) of each class, and behind them the regions in which a network predicts it.

    The axes hold the middle 99.8 % of the points, and a tenth more on each side. labels: (N,) class numbers. names: of the two
    features. predict: gives the class numbers (G,) of inputs (G, 2); None for no regions.
    """
    values, known, many = np.asarray(points, dtype=np.float64), np.asarray(labels)[:POINTS], len(classes)
    low, high = np.quantile(values, [0.001, 0.999], axis=0)
    room = 0.1 * np.where(high > low, high - low, 1.0)
    x, y = edges = np.linspace(low - room, high + room, 201).T
    with style.context():
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb

        axes = style.new_axes(830, 640)
        few = many <= len(style.LINES)
        colors = np.array([to_rgb(style.LINES[k].color) if few else colormaps["turbo"](k / (many - 1))[:3] for k in range(many)])
        norm = BoundaryNorm(np.arange(many + 1) - 0.5, many)
        if predict is not None:
            middles = np.meshgrid(*(edges[:, 1:] + edges[:, :-1]) / 2)
            cells = predict(np.stack(middles, axis=-1).reshape(-1, 2)).reshape(200, 200)
            axes.pcolorfast(x, y, cells, cmap=ListedColormap(colors + (1 - colors) * 0.62), norm=norm)
        for k, name in enumerate(class_labels(classes, many, 1.3, style.TICK)):
            marker, own = style.LINES[k % len(style.LINES)].marker, values[:POINTS][known == k].T
            axes.plot(*own, marker, color=colors[k], markersize=3.4, markeredgecolor="white", markeredgewidth=0.3, label=name)
        across, up = (fit(name, 3.5, style.LABEL) for name in names)
        axes.set(xlim=x[[0, -1]], ylim=y[[0, -1]], xlabel=across, ylabel=up)
        axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(style.tick_numbers())
        axes.yaxis.set_major_formatter(style.tick_numbers())
        if many <= NAMED:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="class", title_fontsize=style.TICK, markerscale=1.5)
        else:
            bar = style.color_bar(axes, ScalarMappable(norm, ListedColormap(colors)), "class (number, from 0)")
            bar.set_ticks(range(0, many, -(-many // 12)))
            bar.minorticks_off()
        return style.finish(axes, title, detail)


def histogram(values: ArrayLike, label: str, title: str = "") -> Figure:
    """How often the values (N,) of a quantity occur; label: what it is."""
    known = np.asarray(values, dtype=np.float64)
    low, mean, high = map(style.number, (known.min(), known.mean(), known.max()))
    detail = counted(len(known), "row") + (f"; mean {mean}, from {low} to {high}" if len(known) > 1 else f", of {low}")
    with style.context():
        axes = style.new_axes(760, 480)
        axes.hist(known, bins=min(50, len(np.unique(known))), color=style.BLUE, edgecolor="white", linewidth=0.4)
        axes.set(xlabel=fit(label, 4.0, style.LABEL), ylabel="rows")
        axes.locator_params(axis="x", nbins=6)
        axes.locator_params(axis="y", integer=True)
        axes.xaxis.set_major_formatter(style.tick_numbers())
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(axis="y")
        return style.finish(axes, title, detail)
