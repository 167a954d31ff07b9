"""Which figures a run has, and what goes into them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files, runs
from mlp_cli.build import build, check_data, load_data
from mlp_cli.config import Config
from mlp_cli.data.batches import Batches
from mlp_cli.data.cache import release
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.data.features import Projection
from mlp_cli.errors import RunError
from mlp_cli.model import load_weights
from mlp_cli.nn.metrics import confusion_matrix, of_classes, softmax
from mlp_cli.plots import curves, regions
from mlp_cli.plots import data as data_plots
from mlp_cli.plots import run as plots
from mlp_cli.plots.mosaic import as_images
from mlp_cli.training.evaluate import ROWS
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
        names += [] if classes else ["fit.png", "residuals.png"]
        names += ["classes.png", "regions.png"] * (classes and dataset.shape == (2,))
    return not all(os.path.isfile(folder / FOLDER / name) for name in names)


def draw(
    config: Config,
    record: runs.Record,
    folder: Path,
    home: Path,
    dataset: Dataset | None = None,
    trainer: Trainer | None = None,
) -> None:
    """Draws home/plots/*.png of a completed run, which lies in `folder`, as far as they apply.

    home: made where it is missing; only the run's own folder is not, should it have been removed under way.
    dataset: the run's, None to load it.
    trainer: has the evaluated weights, None to read them from the folder.
    Errors: DataError where the data is gone or has changed; RunError where something cannot be read or written.
    """
    target, title = home / FOLDER, plots.title_of(str(record.name), *map(record.metrics.get, ("test_accuracy", "test_r2")))
    dataset = dataset or load_data(config)
    check_data(folder, record.data_sha256, dataset)
    if home != folder:
        files.make_folder(home)
    files.make_folder(target, home)
    columns = {name: np.array(column, np.float64) for name, column in runs.read_curves(folder).items()}
    regression = dataset.task == "regression"
    score = "r2" if regression else "accuracy"
    whole = {"train_loss", f"train_{score}", "val_loss", f"val_{score}"} <= columns.keys()
    epochs = columns["epoch"] if whole else np.empty(0)
    if len(epochs) != max(1, record.epochs or 0):
        raise RunError(
            f"{folder} is damaged: its metrics.csv has {len(epochs)} of {record.epochs} epochs",
            "train the run again with --force",
        )
    if trainer is None:
        trainer = build(config, dataset)
        load_weights(folder, trainer.network)
    # Training has gone through all of it, and drawing needs the room.
    release(dataset.train.x)
    if not regression and dataset.test is not None:
        _draw_predictions(target, dataset, dataset.test, trainer, title)
    if not regression and dataset.shape == (2,):
        _draw_plane(target, dataset, trainer, title)
    if regression:
        _draw_quantity(target, dataset, trainer, title)
    first = trainer.network.parameters["W1"]
    if isinstance(trainer.train.transform, Projection):
        # What a unit sees of an image, not of its features.
        first = trainer.train.transform.matrix @ first
    plots.weights(target / "weights.png", first, dataset.shape, title=title)
    validated = dataset.validation is not None
    curves.accuracy(
        target / "accuracy.png",
        epochs,
        columns[f"train_{score}"],
        columns[f"val_{score}"] if validated else None,
        best_epoch=record.best_epoch,
        title=title,
        label="R²" if regression else "accuracy",
        percent=not regression,
    )
    curves.loss(
        target / "loss.png",
        epochs,
        columns["train_loss"],
        columns["val_loss"] if validated else None,
        best_epoch=record.best_epoch,
        title=title,
        label=f"mean squared error{' of the logarithm' * trainer.targets.log}"
        if regression
        else "cross-entropy (nats per example)",
    )


def _outputs(trainer: Trainer, part: Part) -> NDArray:
    """The network's outputs (N, K) for the rows of a part."""
    batches = Batches(part, trainer.train.transform, ROWS, trainer.network.theta.dtype)
    with np.errstate(all="ignore"):
        outputs = np.concatenate([trainer.network.forward(x, training=False).copy() for x, _ in batches])
    return of_classes(outputs) if trainer.task == "classification" else outputs


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
    rows = part.index[: regions.POINTS]
    regions.regions(
        target / "regions.png",
        grid,
        _outputs(trainer, cells).argmax(axis=1),
        part.x[rows],
        part.y[rows],
        dataset.classes,
        title=title,
        detail=f"what the network predicts where, and {len(rows):,} points of the {name} part",
    )


def _draw_quantity(target: Path, dataset: Dataset, trainer: Trainer, title: str) -> None:
    """Predictions and residuals of the test part, else of the validation part, else of the training part."""
    parts = {"test": dataset.test, "validation": dataset.validation, "training": dataset.train}
    name, part = next((name, part) for name, part in parts.items() if part)
    predicted = trainer.targets.restored(_outputs(trainer, part)).reshape(-1)
    true = part.y[part.index].reshape(-1)
    what = dataset.target or "value"
    curves.fit(target / "fit.png", true, predicted, what=what, part=name, title=title)
    curves.residuals(target / "residuals.png", true, predicted, what=what, part=name, title=title)


def _draw_predictions(target: Path, dataset: Dataset, part: Part, trainer: Trainer, title: str) -> None:
    """Confusion matrix and worst errors of the test part."""
    logits, true = _outputs(trainer, part), part.y[part.index]
    predicted = logits.argmax(axis=1)
    probability = softmax(logits)[np.arange(len(predicted)), predicted]
    plots.confusion(
        target / "confusion.png", confusion_matrix(true, predicted, len(dataset.classes)), dataset.classes, title=title
    )
    plots.errors(
        target / "errors.png",
        part.x,
        true,
        predicted,
        probability,
        dataset.classes,
        dataset.shape,
        rows=part.index,
        title=title,
    )
