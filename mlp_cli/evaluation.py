"""The scores of a trained run on one of its parts: what `mlp evaluate` prints. Nothing is trained, and nothing chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import runs
from mlp_cli.build import check_data, load_data
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Part
from mlp_cli.errors import DataError, Notify, RunError, UsageError
from mlp_cli.model import NAME, Model, read_model
from mlp_cli.nn.losses import Huber
from mlp_cli.nn.metrics import Metric, confusion_matrix, metrics
from mlp_cli.predictions import Predictions, predictions_of, read_predictions
from mlp_cli.training.evaluate import ROWS, SCORE_NAMES, Scores, evaluate

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
"""The parts by the names that `--split` takes, and what they are called."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SHORT = {"train": "train", "validation": "val", "test": "test"}
_BY_CLASS = ("precision", "recall")  # which the table of the classes has


@dataclass(frozen=True)
class ClassScore:
    """A class's precision, recall and F1, None where it is never predicted or has no row, and its n rows."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    n: int


@dataclass
class Evaluation:
    """A run's scores on a part.

    source: the file that the predictions come from. scores: the loss and all else by name, None for what is not defined.
    confusion: (K, K), true classes down. residuals: quantiles of true − predicted by their probability, of a quantity.
    largest_class: the share of the part's largest class.
    """

    folder: Path
    split: str
    source: str
    rows: int
    scores: dict[str, float | None]
    classes: list[ClassScore] = field(default_factory=list)
    confusion: NDArray[np.int64] | None = None
    residuals: dict[float, float] = field(default_factory=dict)
    largest_class: float | None = None

    def plain(self) -> dict[str, Any]:
        """As `--json` prints it."""
        known = {name: getattr(self, name) for name in ("split", "source", "rows", "scores", "largest_class")}
        if self.confusion is None:
            return {
                "run": str(self.folder),
                **known,
                "residuals": {f"{level:g}": value for level, value in self.residuals.items()},
            }
        classes = [vars(each) for each in self.classes]
        return {"run": str(self.folder), **known, "classes": classes, "confusion": self.confusion.tolist()}


def evaluate_run(folder: Path, split: str, notify: Notify = lambda text: None) -> Evaluation:
    """Scores the network of a completed run on a part: `train`, `validation` or `test`, in evaluation mode.

    The network goes over the data again. Where that is not here any more, the validation and test part are scored by
    predictions.npz, whose probabilities have three digits, and the loss is run.json's. notify: takes what differs from run.json.
    Errors: DataError where the data has changed, or is needed and not here; UsageError for a part that the run lacks; RunError.
    """
    record = runs.read_record(folder)
    if record is None or record.status != "completed":
        raise RunError(f"{folder} is not completed", "run the command again that trained it")
    config = config_from_mapping(record.config)
    task = "classification" if record.data is not None and record.data.classes else "regression"
    score, short = SCORE_NAMES[task], _SHORT[split]
    try:
        dataset = load_data(config)
    except DataError as error:
        kept = read_predictions(folder) if split != "train" else {}
        if split not in kept:
            raise
        notify(f"the data is not here, so predictions.npz is what is scored: {error.message.splitlines()[0]}")
        source, found, names = "predictions.npz", kept[split], list((record.data and record.data.classes) or ())
        scores: dict[str, float | None] = {"loss": record.metrics.get(f"{short}_loss")}
    else:
        check_data(folder, record.data_sha256, dataset, "put the old data back")
        parts = dataset.parts()
        if SPLITS[split] not in parts:
            raise UsageError(f"{folder} has no {SPLITS[split]} part", f"its parts are {', '.join(parts)}")
        source, names = NAME, list(dataset.classes)
        part, model = parts[SPLITS[split]], read_model(folder)
        measured = _measure(model, part)
        found = predictions_of(part, measured.outputs(), model.targets, bool(names))
        scores = {"loss": measured.loss, score: measured.score, **measured.errors()}
        before = record.metrics.get(f"{short}_{score}")
        if split != "train" and before is not None and before != measured.score:
            notify(f"run.json says {short}_{score} {before:.6g}, and this machine gives {measured.score:.6g}")
    result = Evaluation(folder, split, source, len(found), scores)
    if names:
        _score_classes(result, found, names, config)
    else:
        _score_quantity(result, found)
    return result


def _measure(model: Model, part: Part) -> Scores:
    """The sums of a model's losses and scores over a part."""
    loss = model.config.loss.build()
    if isinstance(loss, Huber):
        loss.delta /= model.targets.scale
    scaled = model.targets.scaled(part) if not model.classes else part
    batches = Batches(scaled, model.transform, ROWS, model.network.dtype)
    return evaluate(model.network, loss, batches, model.task, model.targets, keep=True)


def _score_classes(result: Evaluation, found: Predictions, names: Sequence[str], config: Config) -> None:
    """Adds the scores of a classifier: every metric that there is, those of the config with its options."""
    cells = confusion_matrix(found.labels, found.predicted, len(names))
    result.scores["accuracy"] = float(found.right.mean())
    asked: list[Metric] = [metrics[name]() for name in metrics if name not in _BY_CLASS]
    asked += [each.build() for each in config.metrics if each.name not in _BY_CLASS]
    logits = found.logits()
    for metric in asked:
        if getattr(metric, "k", 0) < len(names):
            result.scores |= metric(logits, found.labels, names)
    result.classes = class_table(cells, names)
    result.confusion, result.largest_class = cells, float(cells.sum(axis=1).max() / cells.sum())


def _score_quantity(result: Evaluation, found: Predictions) -> None:
    """Adds the scores of a quantity, over all its outputs, and the quantiles of its residuals."""
    true, predicted = found.labels.astype(np.float64), found.predicted.astype(np.float64)
    residuals = true - predicted
    if "r2" not in result.scores:
        variation = float(np.square(true - true.mean(axis=0)).sum())
        r2 = 1 - float(np.square(residuals).sum()) / variation if variation else None
        errors = {"rmse": float(np.sqrt(np.square(residuals).mean())), "mae": float(np.abs(residuals).mean())}
        result.scores |= {"r2": r2, **errors}
    result.residuals = dict(zip(QUANTILES, np.quantile(residuals, QUANTILES).tolist(), strict=True))


def class_table(cells: NDArray[np.int64], names: Sequence[str]) -> list[ClassScore]:
    """Each class's scores from a confusion matrix (K, K), true classes down."""
    rows = []
    for name, hits, predicted, there in zip(names, np.diag(cells), cells.sum(axis=0), cells.sum(axis=1), strict=True):
        precision, recall = (float(hits / count) if count else None for count in (predicted, there))
        f1 = float(2 * hits / (predicted + there)) if predicted + there else None
        rows.append(ClassScore(name, precision, recall, f1, int(there)))
    return rows


def confused_pairs(cells: NDArray[Any], most: int) -> list[tuple[int, int]]:
    """The pairs (true, predicted) of different classes with the largest counts in a confusion matrix, largest first; none of 0."""
    off = cells - np.diag(np.diag(cells))
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    places = zip(*np.unravel_index(order, cells.shape), strict=True)
    return [(int(true), int(guess)) for true, guess in places if off[true, guess] > 0]
