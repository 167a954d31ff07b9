"""predictions.npz: what a run predicts for its validation and test rows at the evaluated epoch, so that all that is asked about
them later needs no training, no network and no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.data import npz
from mlp_cli.data.dataset import Part, Task
from mlp_cli.data.targets import TargetScale
from mlp_cli.errors import RunError

if TYPE_CHECKING:
    from mlp_cli.model import Model

NAME = "predictions.npz"
PARTS = ("validation", "test")
LEAST = -60.0
"""Log-probabilities below it are kept as this: float16 ends at −65504, and e to the −60 is nothing."""
_LIMIT = 4 << 30

Array = NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """What a network predicts for the n rows of a part, K classes, labels or quantities.

    rows: (n,) the rows' numbers in what was read, from 0. labels: (n,) class numbers, (n, K) labels of 0 and 1, or the true quantities
    (n,) or (n, K). predicted: of the same shape, class numbers, labels, or quantities in their own unit.
    log_probabilities: (n, K) of each class, of which `predicted` is the largest but for rounding, or of having each label; None for
    a quantity.
    """

    rows: Array
    labels: Array
    predicted: Array
    log_probabilities: Array | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which rows (n,) are predicted as what they are, with all their labels."""
        found: NDArray[np.bool_] = np.equal(self.predicted, self.labels).reshape(len(self), -1)
        return np.logical_and.reduce(found, axis=1)

    @property
    def accuracy(self) -> float:
        """The share of the rows that are predicted as what they are; of labels the mean of the labels' shares."""
        return float(np.mean(self.predicted == self.labels))

    def logits(self) -> NDArray[np.float64]:
        """Logits (n, K), a new array: the largest in each row is that of the predicted class alone, of labels those above 0."""
        assert self.log_probabilities is not None
        found, rows = self.log_probabilities.astype(np.float64), np.arange(len(self))
        if self.labels.ndim == 2:
            least = np.finfo(np.float64).tiny
            found -= np.log(np.maximum(-np.expm1(found), least))
            return np.where(self.predicted == 1, np.maximum(found, least), np.minimum(found, 0.0))
        found[rows, self.predicted] = np.nextafter(found.max(axis=1), np.inf)
        return found

    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (n, K), rows that sum to 1 unless they are those of labels."""
        assert self.log_probabilities is not None
        found = np.exp(self.log_probabilities.astype(np.float64))
        return found if self.labels.ndim == 2 else found / found.sum(axis=1, keepdims=True)


def predictions_of(part: Part, outputs: Array, targets: TargetScale, task: Task) -> Predictions:
    """From a network's outputs (n, K) for the rows of a part: logits of classes or labels, or a quantity as `targets` scales it."""
    labels = part.y[part.index]
    if task == "regression":
        return Predictions(part.rows, labels, targets.restored(outputs).reshape(labels.shape), None)
    outputs = outputs.astype(np.float64)
    if task == "multi_label":
        return Predictions(part.rows, labels, (outputs > 0).astype(np.uint8), -np.logaddexp(0.0, -outputs))
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return Predictions(part.rows, labels, outputs.argmax(axis=1), logs)


def predict_part(model: Model, part: Part) -> Predictions:
    """What a model predicts for the rows of a part."""
    return predictions_of(part, model.outputs_of(part), model.targets, model.task)


def write_predictions(folder: Path, parts: Mapping[str, Predictions]) -> None:
    """Writes `<part>_rows`, `_labels`, `_predicted` and `_log_probabilities` of each part.

    Whole numbers are as small as they go, log-probabilities float16, predicted quantities float32. Errors: RunError.
    """
    arrays: dict[str, Array] = {}
    for part, found in parts.items():
        arrays[f"{part}_rows"], arrays[f"{part}_labels"] = _small(found.rows), _small(found.labels)
        if found.log_probabilities is None:
            with np.errstate(over="ignore"):
                arrays[f"{part}_predicted"] = found.predicted.astype(np.float32)
        else:
            arrays[f"{part}_predicted"] = _small(found.predicted)
            arrays[f"{part}_log_probabilities"] = np.maximum(found.log_probabilities, LEAST).astype(np.float16)
    files.write_atomic(folder / NAME, npz.pack(arrays))


def _small(values: Array) -> Array:
    """Whole numbers from 0 in the smallest type that holds them; others as they are."""
    if values.dtype.kind not in "iu":
        return values
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def read_predictions(folder: Path) -> dict[str, Predictions]:
    """The predictions of the run in a folder, by part: `validation`, `test`. Errors: RunError where there are none, or damaged ones."""
    path = folder / NAME
    if not files.is_file(path):
        hint = "the command that trained the run writes it, without training again"
        raise RunError(f"{folder} has no {NAME}: it was trained by an older version, or is not completed", hint)
    content = files.read_bytes(path, _LIMIT, RunError)
    try:
        arrays = npz.unpack(content)
        return {part: _checked(arrays, part) for part in PARTS if f"{part}_rows" in arrays}
    except (ValueError, KeyError) as error:
        hint = "remove it and run the command again that trained the run: it is written without training"
        raise RunError(f"{path} is damaged: {error}", hint) from error


def _checked(arrays: Mapping[str, Array], part: str) -> Predictions:
    """The predictions of a part. Errors: KeyError, ValueError for arrays that do not fit each other."""
    rows, labels, predicted = (arrays[f"{part}_{name}"] for name in ("rows", "labels", "predicted"))
    logs = arrays.get(f"{part}_log_probabilities")
    kinds = rows.dtype.kind + labels.dtype.kind + predicted.dtype.kind
    if (
        kinds != ("uff" if logs is None else "uuu")
        or rows.ndim != 1
        or labels.shape != predicted.shape
        or len(labels) != len(rows)
    ):
        raise ValueError(f"the arrays of the {part} part do not fit each other")
    if logs is not None:
        largest = max(int(values.max(initial=0)) for values in (labels, predicted))
        fits = largest < logs.shape[1] if labels.ndim == 1 and logs.ndim == 2 else largest < 2 and labels.shape == logs.shape
        if logs.dtype.kind != "f" or len(logs) != len(rows) or not fits:
            raise ValueError(f"the log-probabilities of the {part} part do not fit its labels")
        if not np.isfinite(logs).all():
            raise ValueError(f"a log-probability of the {part} part is not finite")
    return Predictions(rows, labels, predicted, logs)
