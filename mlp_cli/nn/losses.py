"""Losses: from the network's outputs and the targets to a number per sample and a gradient.

A member has
  `task`: "classification" (integer targets) or "regression".
  `reduction`: "mean" divides the gradient by the rows B of the batch, "sum" does not.
  `forward(outputs, targets) -> float`: the SUM over the samples of their losses, whatever the reduction, so that means over an
      epoch weigh samples, not batches.
  `backward() -> (B, K)`: the gradient after a forward, once; a buffer that the caller may overwrite.
  `per_sample`: (B,) losses of the last forward, a buffer.
Inside, arrays are (K, B): a reduction over few classes is then a handful of whole-vector operations (a maximum over 128 × 10
values takes an eighth of the time). Outputs in Fortran order, as `Dense(transposed=True)` gives, need no copy.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from mlp_cli.nn.buffers import Array, aligned, aligned_full
from mlp_cli.registry import Registry

Reduction = Literal["mean", "sum"]
Task = Literal["classification", "regression"]


class Loss(Protocol):
    """What a registered loss offers; see the module's docstring."""

    task: ClassVar[Task]
    reduction: Reduction

    @property
    def per_sample(self) -> Array: ...

    def forward(self, outputs: Array, targets: Array) -> float: ...

    def backward(self) -> Array: ...


losses: Registry[type[Loss]] = Registry("loss")


@losses.register
class CrossEntropy:
    """Cross-entropy of the softmax of the logits; targets (B,) are class numbers from 0 to K − 1.

    reduction: whether a batch's gradients are averaged (mean) or added (sum).
    The row's maximum is subtracted before the exponential, and the loss is log(sum(exp)) − logit, never the logarithm of a
    probability. Targets are not checked: a class number outside 0 … K − 1 gives a wrong loss.
    """

    task: ClassVar[Task] = "classification"

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction
        self._buffers = _Buffers()

    @property
    def per_sample(self) -> Array:
        return self._buffers.per_sample

    def forward(self, outputs: Array, targets: Array) -> float:
        work = self._buffers
        if outputs.shape != work.shape or outputs.dtype != work.dtype:
            work.resize(outputs)
        logits, values, per_sample = outputs.T, work.values, work.per_sample
        np.maximum.reduce(logits, axis=0, out=per_sample)
        np.subtract(logits, per_sample, out=values)
        np.multiply(targets, work.rows, out=work.index)
        np.add(work.index, work.numbers, out=work.index)
        work.flat.take(work.index, mode="clip", out=work.picked)
        np.exp(values, out=values)
        np.dot(work.ones, values, out=work.sums)
        np.log(work.sums, out=per_sample)
        np.subtract(per_sample, work.picked, out=per_sample)
        return float(np.dot(per_sample, work.row_ones))

    def backward(self) -> Array:
        # softmax − one-hot: a look-up of the B entries to change is cheaper than a one-hot array.
        work = self._buffers
        scale = 1.0 / work.rows if self.reduction == "mean" else 1.0
        np.divide(scale, work.sums, out=work.sums)
        np.multiply(work.values, work.sums, out=work.values)
        work.flat.take(work.index, mode="clip", out=work.picked)
        np.subtract(work.picked, scale, out=work.picked)
        work.flat[work.index] = work.picked
        return work.grad


@losses.register
class Mse:
    """Mean squared error: a sample's loss is the mean of (output − target)² over its K outputs; targets (B, K), or (B,) if K is 1.

    reduction: whether a batch's gradients are averaged (mean) or added (sum).
    PyTorch's MSELoss with reduction="sum" adds the squares over the outputs too; here they are always averaged.
    Errors: ValueError for targets whose shape does not fit the outputs.
    """

    task: ClassVar[Task] = "regression"

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction
        self._buffers = _Buffers()

    @property
    def per_sample(self) -> Array:
        return self._buffers.per_sample

    def forward(self, outputs: Array, targets: Array) -> float:
        work = self._buffers
        if outputs.shape != work.shape or outputs.dtype != work.dtype:
            work.resize(outputs)
        np.subtract(outputs.T, targets.reshape(outputs.shape).T, out=work.values)
        np.multiply(work.values, work.values, out=work.squares)
        np.dot(work.ones, work.squares, out=work.per_sample)
        np.multiply(work.per_sample, 1.0 / outputs.shape[1], out=work.per_sample)
        return float(np.dot(work.per_sample, work.row_ones))

    def backward(self) -> Array:
        work = self._buffers
        scale = 1.0 / work.rows if self.reduction == "mean" else 1.0
        np.multiply(work.values, 2.0 / work.shape[1] * scale, out=work.values)
        return work.grad


class _Buffers:
    """Working arrays of a loss for outputs of one shape (B, K) and dtype."""

    shape: tuple[int, ...] = ()
    dtype: Any = None
    per_sample: Array = np.empty(0)

    def resize(self, outputs: Array) -> None:
        """Makes the arrays anew; called when the number of rows changes, a few times an epoch."""
        self.shape, self.dtype = outputs.shape, outputs.dtype
        self.rows, classes = outputs.shape
        self.flat = aligned(self.rows * classes, self.dtype)  # the values again, as one row
        self.values = self.flat.reshape(classes, self.rows)
        self.squares = aligned(self.rows * classes, self.dtype).reshape(classes, self.rows)
        self.grad = self.values.T
        self.ones, self.row_ones = aligned_full(classes, 1.0, self.dtype), aligned_full(self.rows, 1.0, self.dtype)
        self.per_sample, self.sums, self.picked = (aligned(self.rows, self.dtype) for _ in range(3))
        self.numbers = np.arange(self.rows)
        self.index = np.empty(self.rows, np.intp)
