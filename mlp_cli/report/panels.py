"""The page's charts of a group, first part: learning curves, the metric against each key, and against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import show
from mlp_cli.report.bands import Array, Band, band, loss_column, repeats, score_column
from mlp_cli.report.charts import Chart, Shape, path, ribbon, whisker
from mlp_cli.report.model import Configuration, Group, Summary
from mlp_cli.report.scales import Scale, epoch_scale, is_number, metric_scale, setting_scale, value_scale
from mlp_cli.report.wording import first_upper, interval, mean_and_sd, metric_label, scaled
from mlp_cli.text import counted, metric_name

DRAWN = 6  # configurations with a line and a band of their own
PALE = 40  # further ones, as pale lines
POINTS = 160  # of a curve
KEYS = 8  # keys with a chart
WHISKERS = 60  # configurations up to which each has its interval drawn


def learning_curves(group: Group) -> list[Chart]:
    """Score and loss over epochs of the leading configurations, and training against validation of the best."""
    shown = leading(group)
    charts = [_overlay(group, column, shown) for column in (score_column(group), loss_column(group))]
    first = shown[0] if shown else None
    if first is not None and group.validation:
        charts += [_overfitting(group, first, name) for name in (score_column(group), loss_column(group))]
    return [chart for chart in charts if chart is not None]


def leading(group: Group) -> list[Configuration]:
    """The configurations that get a line of their own: the first ones that have curves, the reference among them."""
    known = [each for each in group.configurations if any(run.epochs for run in each.runs)]
    chosen = known[:DRAWN]
    if group.reference in known and group.reference not in chosen:
        chosen[-1] = group.reference
    return chosen


def _overlay(group: Group, column: str, shown: Sequence[Configuration]) -> Chart | None:
    named = [(each, found) for each in shown if (found := band(each, column))]
    if not named:
        return None
    others = [each for each in group.configurations if each not in shown]
    pale = [found for each in others[:PALE] if (found := band(each, column))]
    chart = _epochs_chart(group, column, [found for _, found in named], pale, first_upper(f"{metric_name(column)} over epochs"))
    for found in pale:
        chart.shapes.append(Shape("path", "pale", path(_points(chart, column, found, found.mean))))
    _add_bands(chart, column, [(each.label + ("" if found.finished else " (unfinished)"), found) for each, found in named])
    notes = [first_upper(repeats([found.n for _, found in named])) + ".", chart.note]
    if pale:
        which = f"{len(pale)} of the {len(others):,} others" if len(pale) < len(others) else counted(len(pale), "other")
        notes.append(f"Pale, without bands: {which}.")
    chart.note = " ".join(filter(None, notes))
    return chart


def _overfitting(group: Group, best: Configuration, column: str) -> Chart | None:
    other = column.replace("val_", "train_", 1)
    pairs = [(metric_name(name).split()[0], found) for name in (other, column) if (found := band(best, name))]
    if len(pairs) < 2:
        return None
    what = metric_name(column).partition(" ")[2]
    which = " of the best" if best is group.best else " of the first"
    which = which if len(group.configurations) > 1 else ""
    chart = _epochs_chart(group, column, [found for _, found in pairs], [], f"Training and validation {what}{which}")
    chart.y_label = chart.y_label.partition(" ")[2]
    _add_bands(chart, column, pairs)
    notes = [f"{best.label}: {repeats([max(found.n for _, found in pairs)])}.", chart.note]
    chart.note = " ".join(filter(None, notes))
    return chart


def _epochs_chart(group: Group, column: str, bands: Sequence[Band], pale: Sequence[Band], title: str) -> Chart:
    values = [scaled(column, value) for each in bands for value in _reach(each)]
    values += [scaled(column, float(value)) for each in pale for value in each.mean]
    scale, remark = metric_scale(column, values, least=1.0)
    label = metric_label(column, group) + remark
    ends = [end for each in (*bands, *pale) for end in (each.epochs[0], each.epochs[-1])]
    chart = Chart(title, epoch_scale(min(ends), max(ends)), scale, "epoch", label)
    longest = max(len(each.epochs) for each in (*bands, *pale))
    if longest > POINTS:
        chart.note = f"Drawn at {POINTS} of {longest:,} epochs."
    return chart


def _reach(found: Band) -> list[float]:
    wide = np.nan_to_num(found.sd, nan=0.0)
    return [float(value) for value in (*found.mean, *(found.mean - wide), *(found.mean + wide))]


def _add_bands(chart: Chart, column: str, named: Sequence[tuple[str, Band]]) -> None:
    for index, (_, found) in enumerate(named):
        if np.isfinite(found.sd).any():
            upper, lower = (_points(chart, column, found, found.mean + side * found.sd) for side in (1, -1))
            chart.shapes.append(Shape("path", f"band s{index}", ribbon(upper, lower)))
    for index, (label, found) in enumerate(named):
        line = _points(chart, column, found, found.mean)
        chart.shapes.append(Shape("path", f"line s{index}", path(line), hint=label))
        if len(line) == 1:
            chart.shapes.append(Shape("dot", f"s{index}", x=line[0][0], y=line[0][1], hint=label))
        chart.legend.append((f"line s{index}", label))


def _points(chart: Chart, column: str, found: Band, values: Array) -> list[tuple[float, float]]:
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int))
    points = []
    for index in chosen:
        points.append(chart.point(found.epochs[index], scaled(column, float(values[index]))))
    return points


def against_keys(group: Group) -> list[Chart]:
    """The monitor metric against each of the first keys that differ."""
    scored = [each for each in group.configurations if group.monitor in each.metrics]
    return [chart for key in group.keys[:KEYS] if (chart := _against_key(group, key, scored)) is not None]


def _against_key(group: Group, key: str, scored: Sequence[Configuration]) -> Chart | None:
    known = [each for each in scored if key in each.differs]
    values = {show(each.differs[key]): each.differs[key] for each in known}
    if len(values) < 2:
        return None
    scale = setting_scale(values.values())
    few = len(known) <= WHISKERS
    height, remark = monitor_scale(group, known, whiskers=few and group.keys == [key])
    chart = Chart(
        first_upper(f"{metric_name(group.monitor)} against {key}"),
        scale,
        height,
        key + (", log scale" if scale.kind == "log" else ""),
        metric_label(group.monitor, group) + remark,
    )
    alone = group.keys == [key]
    add_dots(chart, group, [(each, each.differs[key]) for each in known], whiskers=few and alone)
    if alone:
        if scale.kind != "category":
            points = sorted(
                chart.point(each.differs[key], scaled(group.monitor, each.metrics[group.monitor].mean)) for each in known
            )
            chart.shapes.insert(0, Shape("path", "join", path(points)))
        bars = few and any(each.metrics[group.monitor].low is not None for each in known)
        chart.note = "Mean over seeds" + (" with its 95 % interval." if bars else ".")
        return chart
    if len(values) <= 12 and len(values) < len(known):
        by_value: dict[str, list[float]] = {}
        for each in known:
            by_value.setdefault(show(each.differs[key]), []).append(scaled(group.monitor, each.metrics[group.monitor].mean))
        for name, means in by_value.items():
            x, y = chart.point(values[name], sum(means) / len(means))
            hint = f"{key}={name}: mean of {counted(len(means), 'configuration')}"
            chart.shapes.append(Shape("path", "level", f"M{x - 13:.1f} {y:.1f}H{x + 13:.1f}", hint=hint))
        chart.note = "One dot per configuration; the bar is the mean over the other keys."
    else:
        chart.note = "One dot per configuration."
    return chart


def monitor_scale(group: Group, known: Sequence[Configuration], *, whiskers: bool) -> tuple[Scale, str]:
    """The axis of the monitor metric, and a remark on it for its label."""
    metric = group.monitor
    values = []
    for each in known:
        summary = each.metrics[metric]
        values.append(scaled(metric, summary.mean))
        if whiskers:
            values += [scaled(metric, end) for end in (summary.low, summary.high) if end is not None]
    return metric_scale(metric, values)


def add_dots(chart: Chart, group: Group, known: Sequence[tuple[Configuration, Any]], *, whiskers: bool) -> None:
    """A dot for each configuration at the value given with it, the reference last and as a diamond, and its interval."""
    assert chart.y is not None
    for each, at in sorted(known, key=lambda pair: pair[0] is group.reference):
        summary = each.metrics[group.monitor]
        x, y = chart.point(at, scaled(group.monitor, summary.mean))
        hint = f"{each.label}: {mean_and_sd(group.monitor, summary)}"
        if whiskers and summary.low is not None and summary.high is not None:
            hint += f" (95 % interval {interval(group.monitor, summary)})"
            chart.shapes.append(Shape("path", "whisker", _interval_path(chart, group.monitor, summary, x)))
        if each is group.reference:
            chart.shapes.append(Shape("path", "chosen", f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6Z", hint=f"{hint}, {each.verdict}"))
        else:
            look = "worse" if each.verdict == "worse" else "even"
            chart.shapes.append(Shape("dot", look, x=x, y=y, hint=f"{hint}, {each.verdict}" if each.verdict else hint))
    chart.legend = _verdict_legend(group, [each for each, _ in known])


def _interval_path(chart: Chart, metric: str, summary: Summary, x: float) -> str:
    assert chart.y is not None and summary.low is not None and summary.high is not None
    low, high = (chart.down(chart.y.at(scaled(metric, end))) for end in (summary.low, summary.high))
    return whisker(x, low, high)


def _verdict_legend(group: Group, known: Sequence[Configuration]) -> list[tuple[str, str]]:
    legend = []
    if group.reference in known and group.reference is not None:
        legend.append(("chosen", group.reference.verdict or "reference"))
    verdicts = dict.fromkeys(each.verdict for each in known if each is not group.reference)
    if "worse" in verdicts:
        legend.append(("worse", "worse"))
    rest = [verdict for verdict in verdicts if verdict not in ("worse", "")]
    if rest:
        legend.append(("even", " or ".join(rest)))
    return legend


def against_time(group: Group) -> Chart | None:
    """The monitor metric against the training time of a run, with the line of the best for its time."""
    metric = group.monitor
    known = [(each, each.seconds) for each in group.configurations if metric in each.metrics and is_number(each.seconds)]
    if len(known) < 2:
        return None
    times = [seconds for _, seconds in known if seconds is not None]
    scale = value_scale(times, least=0.2 * max(times), log=True)
    label = "seconds per run" + (", log scale" if scale.kind == "log" else "")
    y, remark = monitor_scale(group, [each for each, _ in known], whiskers=False)
    chart = Chart(first_upper(f"{metric_name(metric)} against time"), scale, y, label, metric_label(metric, group) + remark)
    front: list[tuple[float, float]] = []
    sign = 1.0 if higher_is_better(metric) else -1.0
    for each, seconds in sorted(known, key=lambda pair: (pair[1] or 0.0, -sign * pair[0].metrics[metric].mean)):
        x, height = chart.point(seconds, scaled(metric, each.metrics[metric].mean))
        if not front:
            front.append((x, height))
        elif (front[-1][1] - height) * sign > 0:
            front += [(x, front[-1][1]), (x, height)]
    chart.shapes.append(Shape("path", "join", path(front)))
    add_dots(chart, group, known, whiskers=False)
    chart.note = "Mean training time of a run, as measured while it ran."
    if len(front) > 1:
        chart.note += " The line passes through what is best for its time."
    return chart
