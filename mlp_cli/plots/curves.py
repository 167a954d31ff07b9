"""The curves of a run over its epochs, loss and accuracy or R², and the predictions of a quantity against its true values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import style
from mlp_cli.plots.text import width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

_DEMANDS_LOG = 50.0  # ratio of the largest to the smallest loss from which the axis is logarithmic
_LARGEST = 1e100  # what a loss on its way to infinity is drawn as, lest the axis limits overflow
_MARKERS = 12  # about so many markers on a curve
POINTS = 3000  # predictions shown


def loss(
    path: Path,
    epochs: ArrayLike,
    train: ArrayLike,
    validation: ArrayLike | None = None,
    *,
    best_epoch: int | None = None,
    title: str = "",
    label: str = "loss (mean per example)",
) -> None:
    """Writes `draw_loss` as a PNG. Errors: RunError where the file cannot be written."""
    style.save(draw_loss(epochs, train, validation, best_epoch=best_epoch, title=title, label=label), path)


def draw_loss(
    epochs: ArrayLike,
    train: ArrayLike,
    validation: ArrayLike | None = None,
    *,
    best_epoch: int | None = None,
    title: str = "",
    label: str = "loss (mean per example)",
) -> Figure:
    """Loss against epoch. All arrays are (E,), E = 0 allowed; None or NaN is a missing value and leaves a gap.

    The axis is logarithmic, and says so, where all values are positive and the largest is at least 50 times the smallest.
    label: of the vertical axis, with the unit in brackets ("cross-entropy (nats per example)").
    """
    with style.context():
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        figure, axes = _curves(epochs, train, validation, 1.0, best_epoch, title)
        values = _drawn(axes)
        if values.size and values.min() > 0 and values.max() / values.min() >= _DEMANDS_LOG:
            few = values.max() / values.min() < 2000
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=20 if few else 8))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
            _name(figure, axes, label, "log scale")
        else:
            _limits(axes, values, 0.02 * float(np.abs(values).max(initial=0.0)) or 1.0, 0.0, np.inf)
            _name(figure, axes, label)
        return figure


def accuracy(
    path: Path,
    epochs: ArrayLike,
    train: ArrayLike,
    validation: ArrayLike | None = None,
    *,
    best_epoch: int | None = None,
    title: str = "",
    label: str = "accuracy",
    percent: bool = True,
) -> None:
    """Writes `draw_accuracy` as a PNG. Errors: RunError where the file cannot be written."""
    figure = draw_accuracy(epochs, train, validation, best_epoch=best_epoch, title=title, label=label, percent=percent)
    style.save(figure, path)


def draw_accuracy(
    epochs: ArrayLike,
    train: ArrayLike,
    validation: ArrayLike | None = None,
    *,
    best_epoch: int | None = None,
    title: str = "",
    label: str = "accuracy",
    percent: bool = True,
) -> Figure:
    """A score of at most 1 against epoch, arrays as for `draw_loss`; for regression label="R²", percent=False.

    percent: the axis is in percent, else a fraction. An axis that would reach below −1 (R² of a poor start) is cut there, and says so.
    """
    scale = 100.0 if percent else 1.0
    with style.context():
        figure, axes = _curves(epochs, train, validation, scale, best_epoch, title)
        values = _drawn(axes)
        cut = bool(values.size) and values.min() < -scale
        _limits(axes, np.maximum(values, -scale), 0.01 * scale, 0.0 if values.size and values.min() >= 0 else -np.inf, scale)
        _name(figure, axes, f"{label} (%)" if percent else label, f"cut at {style.number(-scale)}" if cut else "")
        return figure


def fit(path: Path, true: NDArray[Any], predicted: NDArray[Any], *, what: str, part: str, title: str = "") -> None:
    """Writes `draw_fit` as a PNG."""
    style.save(draw_fit(true, predicted, what=what, part=part, title=title), path)


def draw_fit(true: NDArray[Any], predicted: NDArray[Any], *, what: str, part: str, title: str = "") -> Figure:
    """Predictions (N,) of a quantity against its true values (N,), with the line on which the two are equal.

    what: the quantity's name; part: whose rows these are. Of more than 3,000 rows as many are shown, evenly chosen.
    """
    with style.context():
        figure, axes = _scatter(true, predicted, true, predicted, part, title)
        # The line runs through what the points take up, and does not widen it.
        low, high = max(axes.get_xlim()[0], axes.get_ylim()[0]), min(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], color=style.INK, linewidth=1.0, linestyle="--", label="predicted = true")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.1, borderpad=0.2)
        axes.set_xlabel(f"true {what}")
        _name(figure, axes, f"predicted {what}")
        return figure


def residuals(path: Path, true: NDArray[Any], predicted: NDArray[Any], *, what: str, part: str, title: str = "") -> None:
    """Writes `draw_residuals` as a PNG."""
    style.save(draw_residuals(true, predicted, what=what, part=part, title=title), path)


def draw_residuals(true: NDArray[Any], predicted: NDArray[Any], *, what: str, part: str, title: str = "") -> Figure:
    """Residuals true − predicted (N,) against the prediction; arguments as for `draw_fit`."""
    with style.context():
        figure, axes = _scatter(predicted, true - predicted, true, predicted, part, title)
        axes.axhline(0.0, color=style.INK, linewidth=1.0, linestyle="--", label="no error")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.1, borderpad=0.2)
        axes.set_xlabel(f"predicted {what}")
        _name(figure, axes, "residual: true − predicted")
        return figure


def _scatter(
    x: NDArray[Any], y: NDArray[Any], true: NDArray[Any], predicted: NDArray[Any], part: str, title: str
) -> tuple[Figure, Axes]:
    """A figure of points y over x, all (N,); the detail gives the errors."""
    from matplotlib.ticker import MaxNLocator

    chosen = np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(np.intp)
    error = true - predicted
    shown = f"{len(chosen):,} of " if len(chosen) < len(x) else ""
    rmse, mae = np.sqrt(np.square(error).mean()), np.abs(error).mean()
    errors = f"RMSE {style.number(float(f'{rmse:.5g}'))}, MAE {style.number(float(f'{mae:.5g}'))}"
    detail = f"{shown}{len(x):,} {part} rows; {errors}"
    top = style.heading_height(detail) + 26
    figure = style.new_figure(720, 600)
    left = 120
    axes = style.place(figure, left, top, 720 - left - style.MARGIN, 600 - top - 68)
    style.heading(figure, title, detail)
    axes.plot(
        x[chosen],
        y[chosen],
        label="row",
        color=style.LINES[0].color,
        linestyle="none",
        marker="o",
        markersize=3.0,
        alpha=0.5 if len(chosen) > 300 else 0.8,
        markeredgewidth=0.0,
    )
    axes.grid(True)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(style.tick_numbers())
    axes.yaxis.set_major_formatter(style.tick_numbers())
    return figure, axes


def _curves(
    epochs: ArrayLike, train: ArrayLike, validation: ArrayLike | None, scale: float, best_epoch: int | None, title: str
) -> tuple[Figure, Axes]:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    at = np.asarray(epochs, dtype=np.float64)
    series = {"training": np.asarray(train, dtype=np.float64)}
    if validation is not None:
        series["validation"] = np.asarray(validation, dtype=np.float64)
    gaps = [f"{name} {where}" for name, values in series.items() if (where := _missing(at, values))]
    detail = f"no finite value: {', '.join(gaps)}" if gaps else ""

    wide, high = 720, 480
    top = style.heading_height(detail) + 26
    figure = style.new_figure(wide, high)
    left = 104
    axes = style.place(figure, left, top, wide - left - style.MARGIN, high - top - 68)
    style.heading(figure, title, detail, left)
    for (name, values), look in zip(series.items(), style.LINES, strict=False):
        finite = np.where(np.isfinite(values), np.clip(values * scale, -_LARGEST, _LARGEST), np.nan)
        axes.plot(
            at,
            finite,
            label=name,
            color=look.color,
            linestyle=look.dash,
            marker=look.marker,
            markerfacecolor=look.face,
            markevery=_marked(finite),
        )
    if best_epoch is not None:
        axes.axvline(best_epoch, color=style.GREY, linewidth=1.0, linestyle=":", zorder=1.5, label=f"best epoch: {best_epoch}")
    axes.grid(True)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.yaxis.set_major_formatter(style.tick_numbers())
    if at.size:
        beside = 0.03 * (at.max() - at.min()) or 0.5
        axes.set_xlim(at.min() - beside, at.max() + beside)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.1, borderpad=0.2)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no epochs", ha="center", va="center", transform=axes.transAxes, color=style.GREY)
    return figure, axes


def _marked(values: NDArray[Any]) -> list[int]:
    """Indices that get a marker: about twelve, evenly, and each value without a neighbour, which no line would show."""
    there = np.concatenate(([False], np.isfinite(values), [False]))
    alone = there[1:-1] & ~there[:-2] & ~there[2:]
    alone[:: max(1, -(-len(values) // _MARKERS))] = True
    return [int(index) for index in np.flatnonzero(alone)]


def _missing(at: NDArray[Any], values: NDArray[Any]) -> str:
    """The epochs in which values are not finite, in words; empty where all are."""
    gone = ~np.isfinite(values)
    if not gone.any():
        return ""
    first = int(np.argmax(gone))
    return f"from epoch {at[first]:.0f}" if gone[first:].all() else f"{np.count_nonzero(gone)} of {len(gone)} epochs"


def _drawn(axes: Axes) -> NDArray[Any]:
    """All finite values of the curves (those of the training and validation lines, not of the best epoch's)."""
    lines = [line for line in axes.get_lines() if str(line.get_label()) in ("training", "validation")]
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in lines])
    return values[np.isfinite(values)]


def _limits(axes: Axes, values: NDArray[Any], least: float, lowest: float, highest: float) -> None:
    """Vertical limits around the values: at least `least` apart, and not beyond what a score can be.

    Without values the axis has no ticks and the figure says so.
    """
    if not values.size:
        axes.set_yticks([])
        if axes.get_xticks().size:
            axes.text(0.5, 0.5, "no finite values", ha="center", va="center", transform=axes.transAxes, color=style.GREY)
        return
    low, high = float(values.min()), float(values.max())
    beside = max(0.06 * (high - low), (least - (high - low)) / 2, 1e-3 * max(abs(low), abs(high)))
    top = min(high + beside, highest + 0.25 * beside) if high <= highest else high + beside
    bottom = max(low - beside, lowest - 0.25 * beside) if low >= lowest else low - beside
    axes.set_ylim(bottom, top)


def _name(figure: Figure, axes: Axes, label: str, remark: str = "") -> None:
    """Labels the vertical axis, on two lines where one has no room, and moves its left end to make room for label and ticks."""
    wide, high = style.size(figure)
    box = axes.get_position()
    whole = f"{label}, {remark}" if remark else label
    if remark and width(whole, style.LABEL) * style.DPI > box.height * high + 40:
        whole = f"{label}\n{remark}"
    axes.set_ylabel(whole)
    ticks = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    names = axes.yaxis.get_major_formatter().format_ticks(ticks)
    lines = whole.count("\n") + 1
    needed = (
        max((width(name, style.TICK) for name in names), default=0.0) * style.DPI + 24 + lines * style.pixels(style.LABEL) * 1.3
    )
    left = max(box.x0, (style.MARGIN / 2 + needed) / wide)
    axes.set_position((left, box.y0, box.x1 - left, box.height))
