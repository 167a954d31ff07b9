"""Learning curves of a group: score and loss over epochs with a band over seeds, training beside validation, and what the layers
do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.errors import RunError
from mlp_cli.plots import style
from mlp_cli.plots.diagnostics import LOGARITHMIC, PANELS, SHARES
from mlp_cli.report.drawing import Panel, axis_label, line_options, new_panel, short_names
from mlp_cli.report.model import Configuration, Group, Run
from mlp_cli.report.scales import epoch_scale, metric_scale, number_scale
from mlp_cli.report.wording import ceiling, first_upper, floor, metric_label, scaled
from mlp_cli.runs import read_diagnostics
from mlp_cli.text import counted, metric_name
from mlp_cli.training.callbacks import MEASURES

Array = NDArray[np.float64]

PALE = 40  # configurations without a band, as pale lines
POINTS = 160  # of a curve


@dataclass(frozen=True)
class Band:
    """Mean and standard deviation (n − 1) of a column of metrics.csv over n runs, at each epoch that all of them reached.

    epochs, mean, low, high: (E,), on the scale that is shown; NaN where a run has no finite value, low and high also for n = 1.
    finished: whether the runs are. raised: whether low, a standard deviation below the mean, is anywhere the lowest run instead,
    as the metric cannot be that low, and a logarithmic axis has no place for it.
    """

    epochs: Array
    mean: Array
    low: Array
    high: Array
    n: int
    finished: bool
    raised: bool


def band(configuration: Configuration, column: str) -> Band | None:
    """The band of a configuration's completed runs, or of its unfinished ones where none is; None where there is nothing to draw."""
    finished = _with(configuration.completed, column)
    used = finished or _with(configuration.runs, column)
    if not used:
        return None
    length = min(len(run.epochs[column]) for run in used)
    values = np.array([run.epochs[column][:length] for run in used], np.float64)
    epochs = np.array(used[0].epochs.get("epoch", [])[:length], np.float64)
    if len(epochs) != length or not np.isfinite(epochs).all():
        epochs = np.arange(1.0, length + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = scaled(column, 1.0) * values.mean(axis=0)
        sd = scaled(column, 1.0) * values.std(axis=0, ddof=1) if len(used) > 1 else np.full(length, np.nan)
        lowest = np.minimum(scaled(column, 1.0) * np.where(values > 0, values, np.inf).min(axis=0), mean)
    mean, sd = (np.where(np.isfinite(each), each, np.nan) for each in (mean, sd))
    beyond = mean - sd <= floor(column)
    low, high = np.where(beyond, lowest, mean - sd), np.minimum(mean + sd, ceiling(column))
    shown = np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(int))
    found = Band(epochs[shown], mean[shown], low[shown], high[shown], len(used), bool(finished), bool(beyond.any()))
    return found if np.isfinite(mean).any() else None


def _with(runs: Sequence[Run], column: str) -> list[Run]:
    return [run for run in runs if run.status not in ("failed", "diverged") and run.epochs.get(column)]


def learning_curves(group: Group) -> Iterator[Panel]:
    """Score and loss over epochs of the leading configurations, and training beside validation of the best."""
    part, score = "val" if group.validation else "train", "r2" if group.task == "regression" else "accuracy"
    several = len(group.configurations) > 1
    for name in (score, "loss") if several or not group.validation else ():
        yield from _compared(group, name, f"{part}_{name}")
    for name in (score, "loss") if group.validation else ():
        yield from _overfitting(group, f"training-{name}" if several else name, name)


def leading(group: Group) -> list[Configuration]:
    """The configurations that get a line of their own: the first ones that have curves, the reference among them."""
    known = [each for each in group.configurations if any(run.epochs for run in each.runs)]
    chosen = known[: len(style.LINES)]
    if group.reference in known and group.reference not in chosen:
        chosen[-1] = group.reference
    return chosen


def _compared(group: Group, name: str, column: str) -> Iterator[Panel]:
    """A column over epochs: the leading configurations with their bands, others as pale lines."""
    shown = leading(group)
    found = [(each, bands) for each in shown if (bands := band(each, column))]
    others = [each for each in group.configurations if each not in shown]
    pale = [(each, bands) for each in others[:PALE] if (bands := band(each, column))]
    if not found:
        return
    panel = new_panel(name, first_upper(f"{metric_name(column)} over epochs"))
    for each, bands in pale:
        (line,) = panel.axes.plot(bands.epochs, bands.mean, color=style.GREY, alpha=0.35, linewidth=0.7)
        panel.hint(line, [each.label])
    names = short_names(group, [each for each, _ in found])
    named = [name + ("" if bands.finished else " (unfinished)") for name, (_, bands) in zip(names, found, strict=True)]
    lines = _lines(panel, [bands for _, bands in found], [each.label for each, _ in found])
    notes = [repeats([bands.n for _, bands in found], raised=any(bands.raised for _, bands in found))]
    if pale:
        which = f"{len(pale)} of the {len(others):,} others" if len(pale) < len(others) else counted(len(pale), "other")
        notes.append(f"pale, without bands: {which}")
    _axes(panel, group, column, [bands for _, bands in (*found, *pale)])
    yield panel.finish(first_upper("; ".join(notes)) + ".", group.data.get("name"), list(zip(lines, named, strict=True)))


def _overfitting(group: Group, file: str, name: str) -> Iterator[Panel]:
    """Training beside validation of the best configuration, else of the first that has curves."""
    first = next(iter(leading(group)), None)
    pairs = {part: band(first, f"{part}_{name}") for part in ("train", "val")} if first else {}
    found = {part: bands for part, bands in pairs.items() if bands}
    if first is None or len(found) < 2:
        return
    which = "" if len(group.configurations) < 2 else " of the best" if first is group.best else " of the first"
    column = f"val_{name}"
    panel = new_panel(file, f"Training and validation {metric_name(column).partition(' ')[2]}{which}")
    entries = [metric_name(f"{part}_{name}").partition(" ")[0] for part in found]
    lines = _lines(panel, list(found.values()), entries)
    _axes(panel, group, column, list(found.values()), bare=True)
    raised = any(bands.raised for bands in found.values())
    note = f"{first.label}: {repeats([max(bands.n for bands in found.values())], raised=raised)}."
    yield panel.finish(note, group.data.get("name"), list(zip(lines, entries, strict=True)))


def _lines(panel: Panel, bands: Sequence[Band], hints: Sequence[str]) -> list[Any]:
    """Draws means and their bands; returns the lines."""
    lines = []
    for each, hint, look in zip(bands, hints, style.LINES, strict=False):
        if np.isfinite(each.low).any():
            panel.axes.fill_between(each.epochs, each.low, each.high, color=look.color, alpha=0.18, linewidth=0)
        (line,) = panel.axes.plot(each.epochs, each.mean, **line_options(look, len(each.mean)))
        panel.hint(line, [hint])
        lines.append(line)
    return lines


def _axes(panel: Panel, group: Group, column: str, bands: Sequence[Band], *, bare: bool = False) -> None:
    """bare: the label does not name the part."""
    scale = metric_scale(column, np.concatenate([[*each.mean, *each.low, *each.high] for each in bands]).tolist(), least=1.0)
    scale.apply(panel.axes.yaxis)
    label = metric_label(column, group)
    panel.axes.set_ylabel(axis_label((label.partition(" ")[2] if bare else label) + scale.remark))
    outer = [end for each in bands for end in (each.epochs[0], each.epochs[-1])]
    epoch_scale(min(outer), max(outer)).apply(panel.axes.xaxis)
    panel.axes.set_xlabel("epoch")


def inside(group: Group) -> Iterator[Panel]:
    """What the layers do at the last epoch, measure by measure: a line for each of the first configurations that have diagnostics,
    over its layers; the mean over its runs."""
    found = [(each, layers) for each in group.configurations if (layers := _last_epochs(each)) is not None][: len(style.LINES)]
    names = short_names(group, [each for each, _ in found])
    for measure, heading in PANELS.items():
        share = measure in SHARES
        values = [(100.0 if share else 1.0) * layers[:, :, MEASURES.index(measure)].mean(axis=0) for _, layers in found]
        known = [float(value) for each in values for value in each if np.isfinite(value)]
        if not known:
            continue
        panel, lines = new_panel(f"layers-{measure}", first_upper(f"{heading} by layer")), list[Any]()
        for (each, _), column, look in zip(found, values, style.LINES, strict=False):
            (line,) = panel.axes.plot(np.arange(1, len(column) + 1), column, **line_options(look))
            panel.hint(line, [each.label])
            lines.append(line)
        scale = number_scale([0.0, 100.0] if share else known, log=measure in LOGARITHMIC)
        scale.apply(panel.axes.yaxis)
        panel.axes.set_ylabel(axis_label(heading + scale.remark))
        epoch_scale(1, max(map(len, values))).apply(panel.axes.xaxis)
        panel.axes.set_xlabel("layer, from the first")
        note = f"At the last epoch, on one batch of training rows: {repeats([len(layers) for _, layers in found], spread=False)}."
        yield panel.finish(note, group.data.get("name"), list(zip(lines, names, strict=True)) if len(lines) > 1 else ())


def _last_epochs(configuration: Configuration) -> Array | None:
    """(N, L, 6) `MEASURES` of each layer at the last epoch of the N completed runs with diagnostics; None where there is none."""
    found = []
    for run in (*configuration.completed, *configuration.copies):
        if run.status == "completed" and run.config.get("diagnostics"):
            with suppress(RunError):  # the run itself is sound
                if layers := read_diagnostics(run.folder):
                    found.append([[columns[name][-1] for name in MEASURES] for columns in layers.values()])
    sound = [each for each in found if len(each) == len(found[0])]
    return np.array(sound, np.float64) if sound else None


def repeats(counts: list[int], *, spread: bool = True, raised: bool = False) -> str:
    """What a band is, in words: `30 repeats, mean and standard deviation`. spread: whether the latter is shown. raised: of a `Band`."""
    least, most = min(counts), max(counts)
    if most == 1:
        return "one run each" if len(counts) > 1 else "one run"
    number = str(most) if least == most else f"{least} to {most}"
    below = ", or down to the lowest run" if raised else ""
    return f"{number} repeats{' each' if len(counts) > 1 else ''}, mean{f' and standard deviation{below}' if spread else ''}"
