"""The figures of a run: curves, confusion matrix, first-layer weights, worst errors.

Each comes twice: `draw_x(…)` gives a matplotlib Figure, `x(path, …)` writes it as a PNG. Where a figure does not apply (inputs that
are no images, no errors), `draw_x` gives None, and `x` writes nothing and returns False.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import mosaic, style
from mlp_cli.plots.curves import accuracy, draw_accuracy, draw_loss, loss
from mlp_cli.plots.text import class_labels, width

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "accuracy",
    "choose_units",
    "confusion",
    "draw_accuracy",
    "draw_confusion",
    "draw_errors",
    "draw_loss",
    "draw_weights",
    "errors",
    "loss",
    "title_of",
    "weights",
    "worst_errors",
]

ERRORS = 25  # worst errors shown
UNITS = 64  # hidden units shown
_NUMBERED = 20  # classes up to which the confusion matrix prints its counts
_SMALLEST = 5.5  # points: a smaller count or label is left out


def title_of(name: str, test_accuracy: float | None = None, test_r2: float | None = None) -> str:
    """A figure's title: the run's name, and its test score where there is one (accuracy as a fraction from 0 to 1)."""
    parts = [name]
    if test_accuracy is not None:
        parts.append(f"test accuracy {100 * test_accuracy:.2f} %")
    if test_r2 is not None:
        parts.append(f"test R² {style.number(round(test_r2, 4))}")
    return " · ".join(parts)


def confusion(path: Path, matrix: ArrayLike, classes: Sequence[object], *, title: str = "") -> None:
    """Writes `draw_confusion` as a PNG. Errors: RunError where the file cannot be written, as for all of this module."""
    style.save(draw_confusion(matrix, classes, title=title), path)


def draw_confusion(matrix: ArrayLike, classes: Sequence[object], *, title: str = "") -> Figure:
    """A confusion matrix (K, K), true classes down, predicted ones across, shaded by the share of the true class.

    The shade goes with the square root of the share, so that rare errors show at all; the colour bar says so by its ticks.
    Counts other than 0 are printed for up to 20 classes, if they fit. Classes whose names have no room are numbered from 0.
    """
    with style.context():
        from matplotlib import colormaps
        from matplotlib.colors import PowerNorm
        from matplotlib.ticker import MaxNLocator

        counts = np.asarray(matrix, dtype=np.int64)
        total = counts.sum(axis=1, keepdims=True)
        shares = counts / np.maximum(total, 1)
        many = len(counts)
        cell = max(1, min(150, (640 if many <= 12 else 720) // max(many, 1)))
        side = max(cell * many, 300) if many <= 300 else 900
        tick_size = min(style.TICK, cell * 72 / style.DPI / 1.15)
        named = tick_size >= _SMALLEST
        labels = class_labels(classes, many, 1.1, tick_size) if named else []
        longest = max((width(label, tick_size) for label in labels), default=0.25)
        upright = longest * style.DPI <= 0.92 * side / max(many, 1)

        across = round(longest * style.DPI)
        left = style.MARGIN + round(style.pixels(style.LABEL) * 1.5) + across + 14
        top = style.heading_height() + 12
        below = (
            (round(style.pixels(tick_size) * 1.3) if upright or not named else across)
            + round(style.pixels(style.LABEL) * 1.5)
            + 18
        )
        figure = style.new_figure(max(600, left + side + 24 + 18 + 110), top + side + below + style.MARGIN)
        style.heading(figure, title)
        axes = style.place(figure, left, top, side, side)
        norm = PowerNorm(0.5, vmin=0, vmax=1)
        image = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest", aspect="auto")
        axes.spines[["top", "right"]].set_visible(True)
        if named:
            axes.set_xticks(range(many), labels, rotation=0 if upright else 90, size=tick_size)
            axes.set_yticks(range(many), labels, size=tick_size)
            axes.tick_params(length=0)
        else:
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
        kind = "class" if named else "class (number, from 0)"
        axes.set_xlabel(f"predicted {kind}")
        axes.set_ylabel(f"true {kind}")

        printed = [f"{count}" for count in counts.ravel()]
        widest = max((width(text, 10.0) for text in set(printed)), default=0.0)
        count_size = min(9.0, 10.0 * 0.8 * cell / style.DPI / max(widest, 1e-9), cell * 72 / style.DPI * 0.6)
        if many <= _NUMBERED and count_size >= _SMALLEST:
            shades = colormaps["Blues"](norm(shares))
            dark = shades[..., :3] @ (0.299, 0.587, 0.114) < 0.55
            for row, column in np.argwhere(counts > 0):
                color = "white" if dark[row, column] else style.INK
                axes.text(column, row, f"{counts[row, column]}", size=count_size, color=color, ha="center", va="center_baseline")

        bar = figure.colorbar(image, cax=style.place(figure, left + side + 24, top, 18, side))
        bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1", "5", "20", "50", "100"])
        bar.outline.set_visible(False)
        bar.set_label("share of the true class (%)")
        return figure


def weights(
    path: Path, weight: NDArray[Any], shape: Sequence[int], *, channels_first: bool | None = None, title: str = ""
) -> bool:
    """Writes `draw_weights` as a PNG; False, and no file, where the inputs are no images."""
    figure = draw_weights(weight, shape, channels_first=channels_first, title=title)
    if figure is not None:
        style.save(figure, path)
    return figure is not None


def choose_units(weight: NDArray[Any], limit: int = UNITS) -> NDArray[np.intp]:
    """Columns of `weight` (D, H) to show: all in their order, or the `limit` of largest Euclidean norm, the largest first (NaN last)."""
    if weight.shape[1] <= limit:
        return np.arange(weight.shape[1])
    with np.errstate(over="ignore"):
        squares = np.einsum("dh,dh->h", weight, weight, dtype=np.float64)
    return np.argsort(-np.nan_to_num(squares, nan=-1.0), kind="stable")[:limit]


def draw_weights(
    weight: NDArray[Any], shape: Sequence[int], *, channels_first: bool | None = None, title: str = ""
) -> Figure | None:
    """The weights (D, H) into each first-layer unit as an image, on one scale that is symmetric about 0; None where D is no image.

    Red is positive, blue negative; the scale ends at the 99.5th percentile of the shown magnitudes, and what is beyond has the end's
    colour (arrows on the colour bar). Colour inputs are shown as colours around mid-grey, which stands for 0.
    shape, channels_first: layout of the D inputs, as for `mosaic.as_images`.
    """
    chosen = choose_units(weight)
    images = mosaic.as_images(np.asarray(weight[:, chosen].T, dtype=np.float64), shape, channels_first)
    if images is None or not len(chosen):
        return None
    with style.context():
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.ticker import MaxNLocator

        magnitudes = np.abs(images[np.isfinite(images)])
        end = float(np.percentile(magnitudes, 99.5)) if magnitudes.size else 0.0
        end = end or (float(magnitudes.max()) if magnitudes.size else 0.0) or 1.0
        norm = Normalize(-end, end)
        count = len(images)
        columns = _columns(count, images.shape[1] / images.shape[2])
        room = min(300, 720 // columns)
        images = mosaic.scale_to(images, room, room)
        color = images.ndim == 4
        cmap = colormaps["gray" if color else "RdBu_r"].with_extremes(bad="white")
        if color:
            canvas = mosaic.compose(np.clip(np.nan_to_num(norm(images).filled(1.0), nan=1.0), 0, 1), columns, 5, 1.0)
        else:
            canvas = mosaic.compose(images, columns, 5, np.nan)

        hidden = weight.shape[1]
        units = "1 unit" if hidden == 1 else f"all {hidden} units, in order"
        if hidden > count:
            units = f"the {count} of {hidden} units with the largest norm, largest first"
        detail = f"First-layer weights: {units}"
        if magnitudes.size < chosen.size * weight.shape[0]:
            detail += "; white: not finite"
        top = style.heading_height(detail) + 8
        height, across = canvas.shape[:2]
        tall = max(height, 200)
        figure = style.new_figure(max(620, style.MARGIN + across + 22 + 18 + 130), top + tall + style.MARGIN + 4)
        style.heading(figure, title, detail)
        mosaic.show(figure, canvas, style.MARGIN, top, None if color else (cmap, norm))
        cax = style.place(figure, style.MARGIN + across + 22, top, 18, tall)
        extend = "both" if magnitudes.size and magnitudes.max() > end else "neither"
        bar = figure.colorbar(ScalarMappable(norm, cmap), cax=cax, extend=extend)
        bar.locator = MaxNLocator(6, symmetric=True, steps=[1, 2, 5, 10])
        bar.formatter = style.tick_numbers()
        bar.update_ticks()
        bar.outline.set(linewidth=0.6, edgecolor=style.GREY)  # the light ends would be lost on white paper
        bar.set_label("weight, for each colour channel" if color else "weight")
        return figure


def _columns(count: int, aspect: float) -> int:
    """Columns for `count` images of height / width `aspect`: at most eight, the last row as full as can be, else near to a square."""
    least = min(8, count, int(np.ceil(np.sqrt(count * aspect))))
    return min(range(least, min(8, count) + 1), key=lambda columns: (-count % columns, columns))


def worst_errors(
    true: NDArray[np.integer], predicted: NDArray[np.integer], probability: NDArray[np.floating], limit: int = ERRORS
) -> NDArray[np.intp]:
    """Indices (at most `limit`) of the wrong predictions, the most confident first, NaN last, equal ones in their order."""
    wrong = np.flatnonzero(true != predicted)
    return wrong[np.argsort(-np.nan_to_num(probability[wrong], nan=-1.0), kind="stable")[:limit]]


def errors(
    path: Path,
    images: NDArray[Any],
    true: NDArray[np.integer],
    predicted: NDArray[np.integer],
    probability: NDArray[np.floating],
    classes: Sequence[object],
    shape: Sequence[int],
    *,
    rows: NDArray[np.intp] | None = None,
    channels_first: bool | None = None,
    title: str = "",
) -> bool:
    """Writes `draw_errors` as a PNG; False, and no file, where the inputs are no images or nothing is wrong."""
    figure = draw_errors(
        images, true, predicted, probability, classes, shape, rows=rows, channels_first=channels_first, title=title
    )
    if figure is not None:
        style.save(figure, path)
    return figure is not None


def draw_errors(
    images: NDArray[Any],
    true: NDArray[np.integer],
    predicted: NDArray[np.integer],
    probability: NDArray[np.floating],
    classes: Sequence[object],
    shape: Sequence[int],
    *,
    rows: NDArray[np.intp] | None = None,
    channels_first: bool | None = None,
    title: str = "",
) -> Figure | None:
    """The up to 25 most confident wrong predictions, each image with its true and its predicted class and the latter's probability.

    true, predicted, probability: (n,), the last being what the network gives its predicted class.
    images: (N, D), raw bytes or numbers; the example i is row i, or row rows[i]; only the rows shown are read.
    None where nothing is wrong or the inputs are no images.
    """
    worst = worst_errors(true, predicted, probability)
    pictures = mosaic.as_images(np.asarray(images[worst if rows is None else rows[worst]]), shape, channels_first)
    if pictures is None or not len(worst):
        return None
    with style.context():
        columns, cell = 5, (196, 142)
        pictures = mosaic.framed(mosaic.scale_to(mosaic.to_rgb(pictures), cell[0] - 12, cell[1]))
        captions = _captions(true[worst], predicted[worst], probability[worst], classes, (cell[0] - 8) / style.DPI)
        wrong = int(np.count_nonzero(true != predicted))
        detail = f"Worst errors: the {len(worst)} most confident of {wrong:,} wrong among {len(true):,}"
        cell = (cell[0], pictures.shape[1])
        across, down = mosaic.captioned_size(len(worst), columns, cell, captions[0].count("\n") + 1)
        top = style.heading_height(detail) + 8
        figure = style.new_figure(across + 2 * style.MARGIN, top + down + style.MARGIN // 2)
        style.heading(figure, title, detail)
        mosaic.captioned(figure, pictures, captions, columns, cell, (style.MARGIN, top))
        return figure


def _captions(
    true: NDArray[np.integer],
    predicted: NDArray[np.integer],
    probability: NDArray[np.floating],
    classes: Sequence[object],
    inches: float,
) -> list[str]:
    """Captions with equal numbers of lines: "true 4, predicted 9" over "(99.8 %)" where that fits, else on three lines."""
    count = max(int(true.max()), int(predicted.max()), len(classes) - 1) + 1
    labels = class_labels(classes, count, inches - width("predicted ", style.SMALL), style.SMALL)
    for parts in ("true {}, predicted {}\n({})", "true {}\npredicted {}\n({})"):
        captions = [
            parts.format(labels[t], labels[p], _percent(float(q))) for t, p, q in zip(true, predicted, probability, strict=True)
        ]
        if all(width(line, style.SMALL) <= inches for caption in captions for line in caption.split("\n")):
            break
    return captions


def _percent(probability: float) -> str:
    """A probability in percent with one decimal; one that only rounding would make 100 is given as above 99.9."""
    return "> 99.9 %" if 0.9995 <= probability < 1 else f"{100 * probability:.1f} %"
