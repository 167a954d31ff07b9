"""Which figures a run has, and what goes into them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.data.dataset import Dataset
from mlp_cli.nn.metrics import confusion_matrix, softmax
from mlp_cli.plots import curves
from mlp_cli.plots import run as plots
from mlp_cli.training.state import Row
from mlp_cli.training.trainer import Trainer

FOLDER = "plots"


def figures_missing(folder: Path) -> bool:
    """Whether a run's figures were never drawn to the end: loss.png is the last one."""
    return not (folder / FOLDER / "loss.png").exists()


def draw_figures(
    folder: Path, record: Mapping[str, Any], trainer: Trainer, dataset: Dataset, history: list[Row], logits: NDArray | None
) -> None:
    """Draws plots/*.png of a completed run, as far as they apply.

    trainer: has the evaluated weights. logits: of the test set (N, K), None without one.
    Errors: RunError where a file cannot be written.
    """
    target = folder / FOLDER
    files.make_folder(target)
    metrics = record["metrics"]
    title = plots.title_of(record["name"], metrics.get("test_accuracy"), metrics.get("test_r2"))
    if dataset.task == "classification" and dataset.test is not None and logits is not None:
        _draw_predictions(target, dataset, logits, title)
    first = trainer.network.parameters["W1"]
    plots.weights(target / "weights.png", first, dataset.shape, title=title)
    epochs = [row.epoch for row in history]
    validated = trainer.validation is not None
    regression = dataset.task == "regression"
    curves.accuracy(
        target / "accuracy.png",
        epochs,
        _column(history, "train_score"),
        _column(history, "val_score") if validated else None,
        best_epoch=record["best_epoch"],
        title=title,
        label="R²" if regression else "accuracy",
        percent=not regression,
    )
    curves.loss(
        target / "loss.png",
        epochs,
        _column(history, "train_loss"),
        _column(history, "val_loss") if validated else None,
        best_epoch=record["best_epoch"],
        title=title,
        label="mean squared error" if regression else "cross-entropy (nats per example)",
    )


def _column(history: list[Row], name: str) -> NDArray[np.float64]:
    return np.array([getattr(row, name) for row in history], dtype=np.float64)


def _draw_predictions(target: Path, dataset: Dataset, logits: NDArray, title: str) -> None:
    assert dataset.test is not None
    true = dataset.test.y[dataset.test.index]
    predicted = logits.argmax(axis=1)
    probability = softmax(logits)[np.arange(len(predicted)), predicted]
    plots.confusion(
        target / "confusion.png", confusion_matrix(true, predicted, len(dataset.classes)), dataset.classes, title=title
    )
    plots.errors(
        target / "errors.png",
        dataset.test.x,
        true,
        predicted,
        probability,
        dataset.classes,
        dataset.shape,
        rows=dataset.test.index,
        title=title,
    )
