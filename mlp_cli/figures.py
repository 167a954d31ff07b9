"""Which figures a run has, and what goes into them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.data.batches import Batches
from mlp_cli.data.cache import release
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.data.features import Projection
from mlp_cli.nn.metrics import confusion_matrix, softmax
from mlp_cli.plots import curves, regions
from mlp_cli.plots import data as data_plots
from mlp_cli.plots import run as plots
from mlp_cli.plots.mosaic import as_images
from mlp_cli.training.evaluate import ROWS
from mlp_cli.training.state import Row
from mlp_cli.training.trainer import Trainer

FOLDER = "plots"


def figures_missing(folder: Path, dataset: Dataset | None = None) -> bool:
    """Whether figures that a run has are not there.

    dataset: the run's; without it only those are looked for that every run has. One without errors has no errors.png.
    """
    names = ["accuracy.png", "loss.png"]
    if dataset is not None:
        images = as_images(np.empty((0, dataset.train.x.shape[1])), dataset.shape) is not None
        classes = dataset.task == "classification"
        names += ["weights.png"] * images + ["confusion.png"] * (classes and dataset.test is not None)
        names += ["classes.png", "regions.png"] * (classes and dataset.shape == (2,))
    return not all(os.path.isfile(folder / FOLDER / name) for name in names)


def draw_figures(
    folder: Path, record: Mapping[str, Any], trainer: Trainer, dataset: Dataset, history: list[Row], logits: NDArray | None
) -> None:
    """Draws plots/*.png of a completed run, as far as they apply.

    folder: must be there; one that was removed under way is not made anew. trainer: has the evaluated weights.
    logits: of the test set (N, K), None without one.
    Errors: RunError where a file cannot be written.
    """
    target = folder / FOLDER
    files.make_folder(target, folder)
    # Training has gone through all of it, and drawing needs the room.
    release(dataset.train.x)
    metrics = record["metrics"]
    title = plots.title_of(record["name"], metrics.get("test_accuracy"), metrics.get("test_r2"))
    if dataset.task == "classification" and dataset.test is not None and logits is not None:
        _draw_predictions(target, dataset, logits, title)
    if dataset.task == "classification" and dataset.shape == (2,):
        _draw_plane(target, dataset, trainer, title)
    first = trainer.network.parameters["W1"]
    if isinstance(trainer.train.transform, Projection):
        # What a unit sees of an image, not of its features.
        first = trainer.train.transform.matrix @ first
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


def _draw_plane(target: Path, dataset: Dataset, trainer: Trainer, title: str) -> None:
    """Class distribution and decision regions of a set of two features; the points are those of the test part, if there is one."""
    parts = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    counts = {name: np.bincount(part.y[part.index], minlength=len(dataset.classes)) for name, part in parts.items() if part}
    train = dataset.train
    data_plots.sheet(
        target / "classes.png", train.x[:1], train.y[:1], dataset.classes, dataset.shape, counts, title=f"{dataset.name}: classes"
    )
    name, part = ("test", dataset.test) if dataset.test else ("training", train)
    grid = regions.grid_of(train.x[train.index])
    cells = Part(grid.inputs, np.zeros(len(grid.inputs), dtype=np.int64), np.arange(len(grid.inputs)))
    batches = Batches(cells, trainer.train.transform, ROWS, trainer.network.theta.dtype)
    predicted = np.concatenate([trainer.network.forward(x, training=False).argmax(axis=1) for x, _ in batches])
    rows = part.index[: regions.POINTS]
    regions.regions(
        target / "regions.png",
        grid,
        predicted,
        part.x[rows],
        part.y[rows],
        dataset.classes,
        title=title,
        detail=f"what the network predicts where, and {len(rows):,} points of the {name} part",
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
