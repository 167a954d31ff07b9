"""The scores of a trained run on one of its parts: what `mlp evaluate` prints. Nothing is trained, and nothing chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli import packs, runs
from mlp_cli.build import check_data, load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Array, Part
from mlp_cli.errors import DataError, Notify, UsageError
from mlp_cli.model import NAME, Model, read_model
from mlp_cli.nn.losses import Huber
from mlp_cli.nn.metrics import confusion_matrix, counts_by_class, metrics
from mlp_cli.predictions import Predictions, predictions_of, read_predictions
from mlp_cli.text import either
from mlp_cli.training.evaluate import ROWS, evaluate

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
"""The parts by the names that `--split` takes, and what they are called."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BY_CLASS = ("precision", "recall")  # which the table of the classes has


def evaluate_run(folder: Path, split: str, notify: Notify = lambda text: None) -> dict[str, Any]:
    """Scores the network of a completed run on a part, `train`, `validation` or `test`, in evaluation mode.

    The network goes over the data again. Where that cannot be loaded any more, the validation and test part are scored by
    predictions.npz, whose probabilities have three digits, and the loss is run.json's. notify: takes what differs from run.json.
    Returns the document that `--json` prints: run, split, source (the file that the predictions come from), rows and scores, of
    classes also classes (see `class_table`), confusion (true classes down; none of labels) and largest_class (what always naming it
    would score), of a quantity residuals (quantiles of true − predicted).
    Errors: DataError where the data has changed, or is needed and cannot be loaded; UsageError for a part that the run lacks; RunError.
    """
    record = runs.completed_record(folder)
    config, short = config_from_mapping(record.config), "val" if split == "validation" else split
    names = list((record.data and record.data.classes) or ())
    try:
        packs.refuse_paths(folder, config.to_dict())
        dataset = load_data(config)
    except DataError as error:
        kept = read_predictions(folder) if split != "train" else {}
        if split not in kept:
            raise
        notify(f"the data cannot be used now, so predictions.npz is what is scored: {error.message.splitlines()[0]}")
        source, found, loss = "predictions.npz", kept[split], record.metrics.get(f"{short}_loss")
    else:
        check_data(folder, record.data_sha256, dataset, "put the old data back")
        parts = dataset.parts()
        if SPLITS[split] not in parts:
            given = either([name for name, part in SPLITS.items() if part in parts])
            hint = f"write --split {given}" + ("; a run with dataset.test: 0.2 makes a test part" if split == "test" else "")
            raise UsageError(f"{folder} has no {SPLITS[split]} part", hint)
        source, (found, loss) = NAME, _predict(read_model(folder).on(dataset), parts[SPLITS[split]])
    scores = {"loss": loss} | (of_quantity(found) if found.log_probabilities is None else {"accuracy": found.accuracy})
    for name, value in scores.items() if split != "train" else ():
        before = record.metrics.get(f"{short}_{name}")
        if before is not None and value is not None and not np.isclose(value, before, rtol=1e-5, atol=0):
            notify(f"run.json says {short}_{name} {before:.6g}, and this machine gives {value:.6g}")
    result = {"run": str(folder), "split": split, "source": source, "rows": len(found), "scores": scores}
    if found.log_probabilities is None:
        levels = np.quantile(found.labels - found.predicted.astype(np.float64), QUANTILES)
        return result | {"residuals": dict(zip(map(str, QUANTILES), levels.tolist(), strict=True))}
    asked = [metrics[name]() for name in metrics if name not in _BY_CLASS]
    asked += [each.build() for each in config.metrics if each.name not in _BY_CLASS]
    logits, labels = found.logits(), found.labels.astype(np.intp)
    for metric in asked:
        if getattr(metric, "k", 0) < len(names) and (metric.labels or labels.ndim == 1):
            scores |= metric(logits, labels, names)
    right, named, there = counts_by_class(logits, labels)
    result["classes"] = class_table(right, named, there, names)
    if labels.ndim == 2:
        return result | {"largest_class": float(np.maximum(there, len(found) - there).mean() / len(found))}
    cells = confusion_matrix(labels, found.predicted, len(names))
    return result | {"largest_class": float(there.max() / len(found)), "confusion": cells.tolist()}


def _predict(model: Model, part: Part) -> tuple[Predictions, float]:
    """What a model predicts for the rows of a part, and its loss."""
    loss = model.config.loss.build()
    if isinstance(loss, Huber):
        loss.delta /= model.targets.scale
    batches = Batches(model.targets.scaled(part), model.transform, ROWS, model.network.dtype)
    scores = evaluate(model.network, loss, batches, model.task, model.targets, keep=True)
    return predictions_of(part, scores.outputs(), model.targets, model.task), scores.loss


def of_quantity(found: Predictions) -> dict[str, Any]:
    """R² over all outputs, None where all true values are equal, the root of the mean squared error, and the mean absolute error."""
    residuals = found.labels - found.predicted.astype(np.float64)
    variation = float(np.square(found.labels - found.labels.mean(axis=0)).sum())
    squares = np.square(residuals)
    r2 = 1 - float(squares.sum()) / variation if variation else None
    return {"r2": r2, "rmse": float(np.sqrt(squares.mean())), "mae": float(np.abs(residuals).mean())}


def class_table(right: Array, named: Array, there: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    """Of each class or label name, precision, recall, f1 and n, from what `counts_by_class` counts; None where nothing divides."""
    rows = []
    for name, hits, predicted, own in zip(names, right.tolist(), named.tolist(), there.tolist(), strict=True):
        wholes = {"precision": (hits, predicted), "recall": (hits, own), "f1": (2 * hits, predicted + own)}
        rows.append({"name": name, **{key: part / whole if whole else None for key, (part, whole) in wholes.items()}, "n": own})
    return rows


def confused_pairs(cells: Array, most: int) -> list[tuple[int, int]]:
    """The pairs (true, predicted) of different classes with the largest counts in a confusion matrix, largest first; none of 0."""
    off = cells - np.diag(np.diag(cells))
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    places = zip(*np.unravel_index(order, cells.shape), strict=True)
    return [(int(true), int(guess)) for true, guess in places if off[true, guess] > 0]
