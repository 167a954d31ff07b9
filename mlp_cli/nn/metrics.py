"""Scores of outputs against targets, for whole parts as well as batches. N rows, K classes or outputs."""

from __future__ import annotations

import numpy as np

from mlp_cli.nn.buffers import Array


def count_correct(logits: Array, targets: Array) -> int:
    """How many rows of logits (N, K) are largest at their target (N,); of equal ones the first counts, as in `argmax`."""
    return int(np.count_nonzero(logits.argmax(axis=1) == targets))


def accuracy(logits: Array, targets: Array) -> float:
    """The share of rows (0 … 1) that `count_correct` counts; NaN without rows."""
    return count_correct(logits, targets) / len(targets) if len(targets) else float("nan")


def r2(predictions: Array, targets: Array) -> float:
    """The coefficient of determination, 1 − SS_residual / SS_total, computed in float64; at most 1, and 0 for the mean.

    predictions (N, K), targets (N, K) or, if K is 1, (N,). For K > 1 the sums run over all outputs; scikit-learn calls that
    `variance_weighted`. NaN where all targets of each output are equal (scikit-learn gives 0 or 1).
    """
    wanted = np.asarray(targets, np.float64).reshape(predictions.shape)
    residual = np.sum((wanted - predictions) ** 2)
    total = np.sum((wanted - wanted.mean(axis=0)) ** 2)
    return float(1.0 - residual / total) if total > 0 else float("nan")


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
