"""Scoring a network on a part of the data, and the running sums that both training and evaluation use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.targets import UNSCALED, TargetScale
from mlp_cli.nn.losses import Loss
from mlp_cli.nn.metrics import Metric, count_correct, of_classes
from mlp_cli.nn.network import Network

ROWS = 500
"""Rows at a time when a part is evaluated: large enough for fast products, small enough for the caches."""

SCORE_NAMES = {"classification": "accuracy", "multi_label": "accuracy", "regression": "r2"}
"""What the score of a task is called in files and tables."""


class Scores:
    """Sums of losses and of what the scores need, over the batches of an epoch; sums are float64.

    task: `classification` (the score is the accuracy), `multi_label` (the mean of the labels' accuracies) or `regression` (R² over all
    outputs). targets: how targets were scaled; scores are those of the quantity in its own unit. keep: keep all outputs and targets,
    for `further` and `outputs`.
    """

    def __init__(self, task: str, targets: TargetScale = UNSCALED, keep: bool = False) -> None:
        self._kept: list[tuple[NDArray, NDArray]] | None = [] if keep else None
        self.regression = task == "regression"
        self._labels = 1
        self.targets = targets
        self.rows = 0
        self.loss_sum = 0.0
        self.correct = 0
        self._residual = self._deviation = 0.0
        self._sums: NDArray | float = 0.0
        self._squares: NDArray | float = 0.0

    def add(self, loss_sum: float, outputs: NDArray, targets: NDArray, correct: int | None = None) -> None:
        """Takes in a batch: the sum of its losses, its outputs (B, K) and targets (B,) or (B, K). correct: see `losses`."""
        self.rows += len(outputs)
        if self._kept is not None:
            self._kept.append(((outputs if self.regression else of_classes(outputs)).copy(), targets.copy()))
        self.loss_sum += loss_sum
        if not self.regression:
            self.correct += count_correct(outputs, targets) if correct is None else correct
            self._labels = 1 if targets.ndim == 1 else targets.shape[1]
        else:
            wanted = self.targets.restored(targets.reshape(outputs.shape))
            residual = wanted - self.targets.restored(outputs)
            self._residual += float(np.vdot(residual, residual))
            self._deviation += float(np.abs(residual).sum())
            self._sums = self._sums + wanted.sum(axis=0)
            self._squares = self._squares + np.square(wanted).sum(axis=0)

    @property
    def loss(self) -> float:
        """Mean loss per sample, in the unit of the targets (of their logarithm, where that is learnt)."""
        return self.loss_sum / self.rows * self.targets.loss_unit

    @property
    def score(self) -> float:
        """Accuracy (0 … 1), or R² (1 is perfect, 0 the mean; NaN where all targets of each output are equal)."""
        if not self.regression:
            return self.correct / self.rows / self._labels
        variation = float(np.sum(self._squares - np.square(self._sums) / self.rows))
        return 1.0 - self._residual / variation if variation > 0 else float("nan")

    def errors(self) -> dict[str, float]:
        """Of a quantity, over all outputs and in its own unit: `rmse`, the root of the mean squared error, and `mae`, the mean
        absolute error."""
        count = self.rows * np.size(self._sums)
        return {} if not self.regression else {"rmse": (self._residual / count) ** 0.5, "mae": self._deviation / count}

    def outputs(self) -> NDArray:
        """The outputs (N, K) that were kept, in the order of the rows; a single logit as those of two classes."""
        return np.concatenate([outputs for outputs, _ in self._kept or ()])

    def further(self, metrics: Sequence[Metric], classes: Sequence[str]) -> dict[str, float | None]:
        """What a config asks for besides, of a classifier, from the outputs that were kept; `errors` of a quantity."""
        if self.regression or not metrics or not self._kept:
            return {**self.errors()}
        outputs, targets = (np.concatenate(each) for each in zip(*self._kept, strict=True))
        return {name: value for metric in metrics for name, value in metric(outputs, targets, classes).items()}


def evaluate(
    network: Network,
    loss: Loss,
    batches: Iterable[tuple[NDArray, NDArray]],
    task: str,
    targets: TargetScale = UNSCALED,
    keep: bool = False,
) -> Scores:
    """Scores in evaluation mode: no noise, running statistics. keep: see `Scores`."""
    scores = Scores(task, targets, keep)
    with np.errstate(all="ignore"):
        for x, y in batches:
            logits = network.forward(x, training=False)
            scores.add(loss.forward(logits, y), logits, y, loss.correct)
    return scores
