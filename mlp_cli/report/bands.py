"""Curves over epochs with a band over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.report.model import Configuration, Group, Run

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Mean and standard deviation (n − 1) of a column of metrics.csv over n runs, at each epoch that all of them reached.

    epochs, mean, sd: (E,); sd is NaN for n = 1, all are NaN where a run has no finite value. finished: whether the runs are.
    """

    epochs: Array
    mean: Array
    sd: Array
    n: int
    finished: bool


def band(configuration: Configuration, column: str) -> Band | None:
    """The band of a configuration's completed runs, or of its unfinished ones where none is; None where there is nothing to draw."""
    finished = _with(configuration.completed, column)
    used = finished or _with(configuration.runs, column)
    if not used:
        return None
    length = min(len(run.epochs[column]) for run in used)
    values = np.array([_floats(run.epochs[column][:length]) for run in used])
    epochs = _floats(used[0].epochs.get("epoch", [])[:length])
    if len(epochs) != length or not np.isfinite(epochs).all():
        epochs = np.arange(1.0, length + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = values.mean(axis=0)
        sd = values.std(axis=0, ddof=1) if len(used) > 1 else np.full(length, np.nan)
    if not np.isfinite(mean).any():
        return None
    return Band(
        epochs, np.where(np.isfinite(mean), mean, np.nan), np.where(np.isfinite(sd), sd, np.nan), len(used), bool(finished)
    )


def repeats(counts: list[int]) -> str:
    """What a band is, in words: `30 repeats, mean and standard deviation`."""
    least, most = min(counts), max(counts)
    if most == 1:
        return "one run each" if len(counts) > 1 else "one run"
    number = str(most) if least == most else f"{least} to {most}"
    return f"{number} repeats{' each' if len(counts) > 1 else ''}, mean and standard deviation"


def score_column(group: Group) -> str:
    """The column of the group's score over epochs: `val_accuracy`, `val_r2`, or of training where nothing was validated."""
    part = "val" if group.validation else "train"
    return f"{part}_{'r2' if group.task == 'regression' else 'accuracy'}"


def loss_column(group: Group) -> str:
    """The column of the group's loss over epochs."""
    return "val_loss" if group.validation else "train_loss"


def _with(runs: list[Run], column: str) -> list[Run]:
    return [run for run in runs if run.status not in ("failed", "diverged") and run.epochs.get(column)]


def _floats(values: list[Any]) -> Array:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
