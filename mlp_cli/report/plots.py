"""The figures of a report as files, PNG for slides and SVG for papers: curves, the metric against each key, the comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli import files
from mlp_cli.config.resolved import show
from mlp_cli.plots import style
from mlp_cli.plots.text import width
from mlp_cli.report.axes import (
    category_names,
    entries,
    frame,
    heading,
    heading_height,
    legend,
    new_figure,
    place,
    save,
    setting_axis,
    short_names,
    value_axis,
    values_across,
    whole_epochs,
    wrapped,
)
from mlp_cli.report.bands import Band, band, loss_column, repeats, score_column
from mlp_cli.report.model import Configuration, Group, Report
from mlp_cli.report.panels import KEYS, leading
from mlp_cli.report.scales import Scale, ordered, setting_scale
from mlp_cli.report.wording import ceiling, ends, first_upper, floor, mean_and_sd, plain, scaled
from mlp_cli.text import counted, metric_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "plots"
GROUPS = 12  # of a report that get figures
ROWS = 12  # of the comparison
_LINE, _LABEL = 22, 2.2  # pixels of a line of a row's label, inches of its width
_SERIES = len(style.LINES)


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Writes all figures into folder/plots, each as .png and .svg, and takes away those that an older report wrote there, and
    nothing else. Returns their paths.

    The first twelve groups have figures; where there are several, names begin with `g1-`, `g2-` …. Equal reports give equal bytes.
    Errors: RunError where a file cannot be written.
    """
    home = folder / FOLDER
    files.make_folder(home)
    written = []
    for number, group in enumerate(report.groups[:GROUPS], 1):
        prefix = f"g{number}-" if len(report.groups) > 1 else ""
        for name, figure in draw_group(group):
            for suffix in (".png", ".svg"):
                written.append(home / f"{prefix}{name}{suffix}")
                save(figure, written[-1], _maker(written[-1]))
    with files.writing(home):
        for path in sorted(home.iterdir()):
            if path.suffix in (".png", ".svg") and path not in written and _is_ours(path):
                path.unlink()
    return written


def _maker(path: Path) -> str:
    """What a figure says of its origin: its name too, so that a copy under another name is its owner's."""
    return f"mlp report, {path.name}"


def _is_ours(path: Path) -> bool:
    try:
        with open(path, "rb") as handle:
            return _maker(path).encode("utf-8", "surrogateescape") in handle.read(2048)
    except OSError:
        return False


def draw_group(group: Group) -> Iterator[tuple[str, Figure]]:
    """The figures of a group that apply, each with its file's name without a suffix."""
    score = score_column(group)
    for column in (score, loss_column(group)):
        figure = draw_curves(group, column)
        if figure is not None:
            yield column.partition("_")[2], figure
    scored = [each for each in group.configurations if group.monitor in each.metrics]
    taken: set[str] = set()
    for key in group.keys[:KEYS]:
        figure = draw_against(group, key, scored)
        if figure is not None:
            name = re.sub(r"[^A-Za-z0-9._-]", "_", key)[:60]
            while name.lower() in taken:  # there are file systems to which a and A are one
                name += "_"
            taken.add(name.lower())
            yield f"{group.monitor}-{name}", figure
    if len(scored) > 1:
        yield "comparison", draw_comparison(group, scored)


def draw_curves(group: Group, column: str) -> Figure | None:
    """A column of metrics.csv over epochs for the leading configurations, repeats as a band of one standard deviation; None
    where nothing can be drawn."""
    found = [(each, bands) for each in leading(group) if (bands := band(each, column)) is not None]
    if not found:
        return None
    labels = short_names(group, [each for each, _ in found])
    names = entries(
        [label + ("" if bands.finished else " (unfinished)") for label, (_, bands) in zip(labels, found, strict=True)]
    )
    with style.context():
        detail = first_upper(repeats([bands.n for _, bands in found]))
        others = len(group.configurations) - len(found)
        detail += f"; {counted(others, 'other')} not drawn" if others else ""
        figure, axes = frame(group, f"{metric_name(column)} over epochs", detail, names)
        tops: list[float] = []
        for (_, bands), look in zip(found, style.LINES, strict=False):
            tops += _curve(axes, column, bands, look)
        value_axis(axes, group, column, tops)
        axes.set_xlabel("epoch")
        whole_epochs(axes)
        legend(figure, axes, names)
        return figure


def _curve(axes: Axes, column: str, bands: Band, look: style.Line) -> list[float]:
    """Draws a line and its band; returns the values that the axis must show."""
    factor = scaled(column, 1.0)
    mean, spread = factor * bands.mean, factor * np.nan_to_num(bands.sd)
    low, high = np.maximum(mean - spread, floor(column)), np.minimum(mean + spread, ceiling(column))
    if np.isfinite(bands.sd).any():
        axes.fill_between(bands.epochs, low, high, color=look.color, alpha=0.18, linewidth=0)
    every = max(1, len(mean) // 10)
    axes.plot(
        bands.epochs,
        mean,
        color=look.color,
        linestyle=look.dash,
        marker=look.marker,
        markerfacecolor=look.face,
        markevery=every,
    )
    return [float(value) for value in (*mean, *_beyond(column, low), *high)]


def draw_against(group: Group, key: str, scored: Sequence[Configuration]) -> Figure | None:
    """The monitor metric against a key, with the 95 % interval of each mean: a line for each setting of the other keys, or, where
    those are too many, a dot for each configuration; None where fewer than two values of the key are known."""
    known = [each for each in scored if key in each.differs]
    values = ordered(each.differs[key] for each in known)
    if len(values) < 2:
        return None
    scale = setting_scale(values)
    series: dict[str, list[Configuration]] = {}
    for rest, each in zip(short_names(group, known, without=key), known, strict=True):
        series.setdefault(rest, []).append(each)
    lines = len(series) <= _SERIES
    with style.context():
        names = entries(list(series)) if lines and len(series) > 1 else []
        categories = category_names(values) if scale.kind == "category" else []
        detail = _over_seeds(group, known) if lines else "One dot per configuration; the bar is their mean"
        title = f"{metric_name(group.monitor)} against {plain(key)}"
        figure, axes = frame(group, title, detail, names, names=categories)
        tops: list[float] = []
        if lines:
            for index, members in enumerate(series.values()):
                tops += _with_intervals(axes, group, key, scale, members, style.LINES[index], (index, len(series)))
        else:
            tops += _dots(axes, group, key, scale, known, values)
        value_axis(axes, group, group.monitor, tops)
        setting_axis(axes, key, scale, values)
        if names:
            legend(figure, axes, names)
        return figure


def _over_seeds(group: Group, known: Sequence[Configuration]) -> str:
    repeated = any(each.metrics[group.monitor].n > 1 for each in known)
    return "Mean over seeds with its 95 % interval" if repeated else "One run each"


def _at(scale: Scale, value: Any) -> float:
    """Where a setting is drawn: its own size, or the number of its category."""
    return round(scale.places[show(value)] * len(scale.places) - 0.5) if scale.kind == "category" else float(value)


def _with_intervals(
    axes: Axes,
    group: Group,
    key: str,
    scale: Scale,
    members: Sequence[Configuration],
    look: style.Line,
    place: tuple[int, int],
) -> list[float]:
    shift = 0.09 * (place[0] - (place[1] - 1) / 2) if scale.kind == "category" else 0.0
    points = []
    for each in members:
        points.append((_at(scale, each.differs[key]) + shift, *_interval(each, group.monitor)))
    x, mean, low, high = np.array(sorted(points)).T
    axes.errorbar(
        x,
        mean,
        yerr=(mean - low, high - mean),
        color=look.color,
        linestyle=look.dash if scale.kind != "category" else "none",
        marker=look.marker,
        markerfacecolor=look.face,
        capsize=3.0,
        elinewidth=1.0,
    )
    return [float(value) for value in (*mean, *_beyond(group.monitor, low), *high)]


def _interval(each: Configuration, metric: str) -> tuple[float, float, float]:
    """Mean and both ends of its interval as they are drawn; the ends are NaN, and not drawn, where there is none."""
    summary = each.metrics[metric]
    return scaled(metric, summary.mean), *(ends(metric, summary) or (math.nan, math.nan))


def _dots(axes: Axes, group: Group, key: str, scale: Scale, known: Sequence[Configuration], values: Sequence[Any]) -> list[float]:
    x = [_at(scale, each.differs[key]) for each in known]
    y = [_interval(each, group.monitor)[0] for each in known]
    axes.plot(x, y, linestyle="none", marker="o", color=style.BLUE, markerfacecolor="white", markersize=3.5)
    middles = [(place, [b for a, b in zip(x, y, strict=True) if a == place]) for place in (_at(scale, value) for value in values)]
    means = [sum(found) / len(found) for _, found in middles]
    axes.plot([place for place, _ in middles], means, linestyle="none", marker="_", color=style.INK, markersize=18)
    return y


def draw_comparison(group: Group, scored: Sequence[Configuration]) -> Figure:
    """The configurations one under another: each run a small dot, the mean with its 95 % interval, n and the verdict."""
    shown = list(scored[:ROWS])
    reference = group.reference
    if reference is not None and reference in scored and reference not in shown:
        shown[-1] = reference
    metric = group.monitor
    with style.context():
        detail = _over_seeds(group, shown)
        detail += f"; the first {len(shown)} of {len(scored):,}" if len(shown) < len(scored) else ""
        detail += "; small dots are single runs"
        labels = [wrapped(name, _LABEL, style.TICK, 5) for name in short_names(group, shown)]
        words = [
            f"{mean_and_sd(metric, each.metrics[metric])}\n{each.verdict}{', ' if each.verdict else ''}n = {each.count}"
            for each in shown
        ]
        left = round(style.MARGIN + 14 + style.DPI * _longest(labels, style.TICK))
        right = round(style.MARGIN + 24 + style.DPI * _longest(words, style.SMALL))
        row_height = 4 + _LINE * max(2, *(label.count("\n") + 1 for label in labels))
        top = heading_height(detail) + 12
        figure = new_figure(left + right + 400, top + row_height * len(shown) + 72)
        axes = place(figure, left, top, 400, row_height * len(shown))
        title = f"{metric_name(metric)} of {len(shown)} configurations, {plain(group.data.get('name'))}"
        heading(figure, first_upper(title), detail)
        tops: list[float] = []
        for row, each in enumerate(shown):
            tops += _row(axes, metric, row, each, each is reference)
            axes.annotate(
                words[row],
                (1.0, row),
                (10, 0),
                ("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                size=style.SMALL,
            )
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(range(len(shown)), labels)
        values_across(axes, group, metric, tops)
        axes.grid(True, axis="x")
        return figure


def _longest(texts: Sequence[str], points: float) -> float:
    """Inches of the longest line of all texts."""
    return max(width(line, points) for text in texts for line in text.splitlines())


def _row(axes: Axes, metric: str, row: int, each: Configuration, is_reference: bool) -> list[float]:
    """Draws a row of the comparison; returns the values that the axis must show."""
    runs = [scaled(metric, run.metrics[metric]) for run in each.completed if metric in run.metrics]
    axes.plot(runs, [row + 0.2] * len(runs), linestyle="none", marker=".", color=style.GREY, markersize=4)
    mean, low, high = _interval(each, metric)
    axes.errorbar(
        [mean],
        [row],
        xerr=([mean - low], [high - mean]),
        color=style.VERMILLION if is_reference else style.BLUE,
        marker="D" if is_reference else "o",
        markerfacecolor="white" if each.verdict == "worse" else None,
        capsize=3.0,
        elinewidth=1.2,
    )
    return [*runs, mean, *_beyond(metric, [low]), high]


def _beyond(metric: str, lows: Iterable[float]) -> list[float]:
    """The lower ends that were not cut at what is possible: a logarithmic axis cannot show those."""
    return [low for low in lows if low > floor(metric)]
