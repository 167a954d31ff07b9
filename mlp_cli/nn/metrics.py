"""Counts, probabilities and scores from a classifier's logits, for whole parts as well as batches. N rows, K classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from typing_extensions import Doc

from mlp_cli.nn.buffers import Array
from mlp_cli.registry import Count, Registry


def count_correct(logits: Array, targets: Array) -> int:
    """How many rows of logits (N, K) are largest at their target (N,); of equal ones the first counts, as in `argmax`.

    Of labels, targets (N, K) of 0 and 1, how many are right: one is given where its logit is above 0, its probability above a half.
    """
    if targets.ndim == 2:
        return int(np.count_nonzero((logits > 0) == targets))
    return int(np.count_nonzero(of_classes(logits).argmax(axis=1) == targets))


def of_classes(logits: Array) -> Array:
    """Logits (N, K) as they are; the one logit (N, 1) of class 1 as those of two classes, with 0 for class 0."""
    return np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def confusion_matrix(targets: Array, predictions: Array, classes: int) -> Array:
    """Counts (K, K) int64: row i, column j holds the samples of class i that were predicted as j.

    targets, predictions: (N,) class numbers. Errors: ValueError for a number outside 0 … K − 1.
    """
    for name, values in (("targets", targets), ("predictions", predictions)):
        if len(values) and (values.min() < 0 or values.max() >= classes):
            raise ValueError(f"{name} must be 0 … {classes - 1}, found {values.min()} … {values.max()}")
    cells = np.asarray(targets, np.int64) * classes + predictions
    return np.bincount(cells, minlength=classes * classes).astype(np.int64).reshape(classes, classes)


def softmax(logits: Array) -> Array:
    """Probabilities (N, K) of logits (N, K), a new array of the same dtype in C order; cannot overflow."""
    shifted = np.subtract(logits, logits.max(axis=1, keepdims=True), order="C")
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def counts_by_class(logits: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Of each class or label, (K,): the rows that are rightly predicted as it, that are predicted as it, and that are of it."""
    if targets.ndim == 2:
        named, there = logits > 0, targets == 1
        return (named & there).sum(axis=0), named.sum(axis=0), there.sum(axis=0)
    cells = confusion_matrix(targets, logits.argmax(axis=1), logits.shape[1])
    return np.diag(cells), cells.sum(axis=0), cells.sum(axis=1)


def _one_class_a_row(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Logits (N, K) and targets (N,) as they are; of labels N·K rows of two classes, no and yes."""
    return (logits, targets) if targets.ndim == 1 else (of_classes(logits.reshape(-1, 1)), targets.reshape(-1))


class Metric:
    """The base of the scores of a classifier that a config may ask for besides the accuracy. N rows, K classes.

    labels: whether it is there for K labels too, any number of which a row may have.
    """

    labels: ClassVar[bool] = True

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        """Values by name, from logits (N, K), targets (N,) and the classes' names (K,); None for what is not defined.

        Of labels the targets are (N, K) of 0 and 1.
        """
        raise NotImplementedError


metrics: Registry[type[Metric]] = Registry("metric")


@metrics.register
class TopK(Metric):
    """Share of the rows whose class is among the k with the largest outputs, as `top_5_accuracy`; equal outputs count for the row."""

    labels: ClassVar[bool] = False

    def __init__(self, k: Annotated[Count, Doc("How many of the largest outputs count.")] = 5) -> None:
        self.k = k

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        own = np.take_along_axis(logits, targets[:, None], axis=1)
        return {f"top_{self.k}_accuracy": float(((logits > own).sum(axis=1) < self.k).mean())}


@metrics.register
class MacroF1(Metric):
    """Mean over the classes of F1 = 2·TP / (2·TP + FP + FN), 0 for a class that is neither there nor predicted."""

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        right, named, there = counts_by_class(logits, targets)
        return {"macro_f1": float((2 * right / np.maximum(named + there, 1)).mean())}


@metrics.register
class Precision(Metric):
    """For each class, the share of the rows predicted as it that are of it, as `precision_<class>`; nothing where none was predicted."""

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        right, named, _ = counts_by_class(logits, targets)
        return _by_class("precision", right, named, classes)


@metrics.register
class Recall(Metric):
    """For each class, the share of its rows that are predicted as it, as `recall_<class>`; nothing where it has no row."""

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        right, _, there = counts_by_class(logits, targets)
        return _by_class("recall", right, there, classes)


def _by_class(name: str, parts: Array, wholes: Array, classes: Sequence[str]) -> dict[str, float | None]:
    pairs = zip(classes, parts.tolist(), wholes.tolist(), strict=True)
    return {f"{name}_{label}"[:80]: part / whole if whole else None for label, part, whole in pairs}


@metrics.register
class BrierScore(Metric):
    """Mean over the rows (and labels) of the squared distance of the probabilities from the one-hot target, 0 to 2 (Brier, 1950)."""

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        logits, targets = _one_class_a_row(logits, targets)
        errors = softmax(logits.astype(np.float64))
        errors[np.arange(len(targets)), targets] -= 1.0
        return {"brier_score": float(np.square(errors).sum(axis=1).mean())}


@metrics.register
class CalibrationError(Metric):
    """Expected calibration error: mean distance of the accuracy from the confidence, over bins of confidence (Guo et al., 2017)."""

    def __init__(self, bins: Annotated[Count, Doc("Bins of equal width that the confidence is cut into.")] = 15) -> None:
        self.bins = bins

    def __call__(self, logits: Array, targets: Array, classes: Sequence[str]) -> dict[str, float | None]:
        logits, targets = _one_class_a_row(logits, targets)
        probabilities = softmax(logits.astype(np.float64))
        confidence, right = probabilities.max(axis=1), logits.argmax(axis=1) == targets
        return {"calibration_error": calibration_error(reliability(confidence, right, self.bins))}


def reliability(confidence: Array, right: Array, bins: int) -> Array:
    """(3, bins): how many predictions there are in each bin of confidence, the sum of their confidences, and how many are right.

    The bins are of equal width and closed above, as in the paper.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    return np.stack([np.bincount(place, weights, bins) for weights in (None, confidence, right)])


def calibration_error(counts: Array) -> float:
    """The expected calibration error (Guo et al., 2017) of what `reliability` counts."""
    return float(np.abs(counts[1] - counts[2]).sum() / counts[0].sum())
