"""Counts and probabilities from a classifier's logits, for whole parts as well as batches. N rows, K classes."""

from __future__ import annotations

import numpy as np

from mlp_cli.nn.buffers import Array


def count_correct(logits: Array, targets: Array) -> int:
    """How many rows of logits (N, K) are largest at their target (N,); of equal ones the first counts, as in `argmax`."""
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
