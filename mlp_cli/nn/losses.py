"""Losses: from the network's outputs and the targets to a number per sample and a gradient.

A member has
  `task`: "classification" (class numbers), "multi_label" (K labels of 0 and 1) or "regression".
  `unit`: what its mean is, in words, for an axis.
  `error`: what progress shows of its mean: RMSE (the root), MAE, or the loss itself.
  `outputs`: K, where the loss and not the data decides it; else None.
  `degree`: of a regression loss; that of residuals c times as large is c**degree times as large. 0 for others.
  `reduction`: "mean" divides the gradient by the rows B of the batch, "sum" does not.
  `forward(outputs, targets) -> float`: the SUM over the samples of their losses, whatever the reduction, so that means over
      an epoch weigh samples, not batches.
  `backward() -> (B, K)`: the gradient after a forward, once; a buffer that the caller may overwrite.
  `per_sample`: (B,) losses of the last forward, a buffer.
  `correct`: how many rows of the last forward are largest at their target, where the loss has counted them; else None.
Inside, arrays are (K, B): a reduction over few classes is then a handful of whole-vector operations (a maximum over
128 × 10 values takes an eighth of the time). Outputs in Fortran order, as `Dense(transposed=True)` gives, need no copy.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from typing_extensions import Doc

from mlp_cli.nn.activations import logistic, softplus
from mlp_cli.nn.buffers import Array, aligned, aligned_full
from mlp_cli.registry import Positive, Registry

Reduction = Literal["mean", "sum"]
Task = Literal["classification", "multi_label", "regression"]


class Loss:
    """The base of all losses: their option, and working arrays for outputs of one shape (B, K) and dtype."""

    task: ClassVar[Task]
    unit: ClassVar[str] = "cross-entropy, nats per example"
    error: ClassVar[str] = "loss"
    outputs: ClassVar[int | None] = None
    degree: ClassVar[int] = 0
    correct: int | None = None
    _shape: tuple[int, ...] = ()
    _dtype: Any = None

    def __init__(
        self, reduction: Annotated[Reduction, Doc("Whether a batch's gradients are averaged (mean) or added (sum).")] = "mean"
    ) -> None:
        self.reduction = reduction

    def forward(self, outputs: Array, targets: Array) -> float:
        raise NotImplementedError

    def backward(self) -> Array:
        raise NotImplementedError

    def _resize(self, outputs: Array) -> None:
        """Makes the working arrays anew; called when the number of rows changes, a few times an epoch."""
        self._shape, self._dtype = outputs.shape, outputs.dtype
        self._rows, classes = outputs.shape
        self._flat = aligned(self._rows * classes, self._dtype)  # the values again, as one row
        self._values = self._flat.reshape(classes, self._rows)
        self._squares = aligned(self._rows * classes, self._dtype).reshape(classes, self._rows)
        self._grad = self._values.T
        self._ones = aligned_full(classes, 1.0, self._dtype)
        self._row_ones = aligned_full(self._rows, 1.0, self._dtype)
        self.per_sample, self._sums, self._picked = (aligned(self._rows, self._dtype) for _ in range(3))
        self._numbers = np.arange(self._rows)
        self._index = np.empty(self._rows, np.intp)


losses: Registry[type[Loss]] = Registry("loss")


@losses.register
class CrossEntropy(Loss):
    """Cross-entropy of the softmax of the logits; targets (B,) are class numbers from 0 to K − 1.

    The row's maximum is subtracted before the exponential, and the loss is log(sum(exp)) − logit, never the logarithm of a
    probability. Targets are not checked: a class number outside 0 … K − 1 gives a wrong loss.
    """

    task: ClassVar[Task] = "classification"

    def forward(self, outputs: Array, targets: Array) -> float:
        if outputs.shape != self._shape or outputs.dtype != self._dtype:
            self._resize(outputs)
        values, per_sample = self._values, self.per_sample
        self._shift(outputs.T, targets)
        np.exp(values, out=values)
        np.dot(self._ones, values, out=self._sums)
        np.log(self._sums, out=per_sample)
        np.subtract(per_sample, self._picked, out=per_sample)
        return float(np.dot(per_sample, self._row_ones))

    def _shift(self, logits: Array, targets: Array) -> None:
        """Writes logits (K, B) less the row's largest into `_values`, and those of the targets (B,) into `_picked`."""
        np.maximum.reduce(logits, axis=0, out=self.per_sample)
        np.subtract(logits, self.per_sample, out=self._values)
        np.multiply(targets, self._rows, out=self._index)
        np.add(self._index, self._numbers, out=self._index)
        self._flat.take(self._index, mode="clip", out=self._picked)

    def backward(self) -> Array:
        # softmax − one-hot: a look-up of the B entries to change is cheaper than a one-hot array.
        scale = 1.0 / self._rows if self.reduction == "mean" else 1.0
        np.divide(scale, self._sums, out=self._sums)
        np.multiply(self._values, self._sums, out=self._values)
        self._flat.take(self._index, mode="clip", out=self._picked)
        np.subtract(self._picked, scale, out=self._picked)
        self._flat[self._index] = self._picked
        return self._grad


class Binary(Loss):
    """The base of the losses of yes and no: a sample's loss is the mean over its K outputs of the cross-entropy of each.

    With z the logit of 1 and y the target, that is max(z, 0) − z·y + log(1 + exp(−|z|)), which cannot overflow. Targets are (B, K),
    or (B,) if K is 1, of 0 and 1 or of what lies between. Errors: ValueError for targets whose shape does not fit the outputs.
    """

    def forward(self, outputs: Array, targets: Array) -> float:
        if outputs.shape != self._shape or outputs.dtype != self._dtype:
            self._resize(outputs)
        logits, wanted = outputs.T, targets.reshape(outputs.shape).T
        values, squares = self._values, self._squares
        softplus(logits, squares, values)
        np.multiply(logits, wanted, out=values, casting="same_kind")
        np.subtract(squares, values, out=squares)
        np.dot(self._ones, squares, out=self.per_sample)
        np.multiply(self.per_sample, 1.0 / outputs.shape[1], out=self.per_sample)
        logistic(logits, values)  # of the gradient, sigmoid(z) − y
        np.subtract(values, wanted, out=values, casting="same_kind")
        return float(np.dot(self.per_sample, self._row_ones))

    def backward(self) -> Array:
        scale = 1.0 / self._rows if self.reduction == "mean" else 1.0
        np.multiply(self._values, scale / self._shape[1], out=self._values)
        return self._grad


@losses.register
class BinaryCrossEntropy(Binary):
    """Cross-entropy of two classes with one output: z is the logit of class 1; targets (B,) are 0 and 1."""

    task: ClassVar[Task] = "classification"
    outputs: ClassVar[int | None] = 1


@losses.register
class MultiLabel(Binary):
    """Binary cross-entropy of each of K labels, any number of which a row may have, averaged over the labels; targets (B, K).

    Keras's BinaryCrossentropy(from_logits=True) is the same; from probabilities it cuts them off at 1e-7. So is PyTorch's
    BCEWithLogitsLoss with the reduction mean; with sum it adds over the labels too, where here they are always averaged.
    """

    task: ClassVar[Task] = "multi_label"
    unit: ClassVar[str] = "binary cross-entropy, nats per label"


class Distance(Loss):
    """The base of the losses of a quantity: a function of each residual output − target, and its slope.

    A sample's loss is the mean over its K outputs. Targets are (B, K), or (B,) if K is 1. PyTorch's losses with reduction="sum" add
    over the outputs too; here they are always averaged. Errors: ValueError for targets whose shape does not fit the outputs.
    """

    task: ClassVar[Task] = "regression"

    def forward(self, outputs: Array, targets: Array) -> float:
        if outputs.shape != self._shape or outputs.dtype != self._dtype:
            self._resize(outputs)
        np.subtract(outputs.T, targets.reshape(outputs.shape).T, out=self._values)
        self._measure(self._values, self._squares)
        np.dot(self._ones, self._squares, out=self.per_sample)
        np.multiply(self.per_sample, 1.0 / outputs.shape[1], out=self.per_sample)
        return float(np.dot(self.per_sample, self._row_ones))

    def backward(self) -> Array:
        scale = 1.0 / self._rows if self.reduction == "mean" else 1.0
        np.multiply(self._values, self.steepness / self._shape[1] * scale, out=self._values)
        return self._grad

    steepness: ClassVar[float] = 1.0

    def _measure(self, residuals: Array, out: Array) -> None:
        """Writes the loss of each residual into out, and turns the residuals into its slope over `steepness`, in place."""
        raise NotImplementedError


@losses.register
class Mse(Distance):
    """Mean squared error: the mean of (output − target)² over a sample's K outputs."""

    unit: ClassVar[str] = "mean squared error"
    error: ClassVar[str] = "RMSE"
    degree: ClassVar[int] = 2
    steepness: ClassVar[float] = 2.0

    def _measure(self, residuals: Array, out: Array) -> None:
        np.multiply(residuals, residuals, out=out)


@losses.register
class Mae(Distance):
    """Mean absolute error: the mean of |output − target|. Its slope at 0 is taken as 0, as PyTorch does."""

    unit: ClassVar[str] = "mean absolute error"
    error: ClassVar[str] = "MAE"
    degree: ClassVar[int] = 1

    def _measure(self, residuals: Array, out: Array) -> None:
        np.absolute(residuals, out=out)
        np.sign(residuals, out=residuals)


@losses.register
class Huber(Distance):
    """r²/2 for residuals up to delta, and delta · (|r| − delta/2) beyond: outliers pull no harder than that (Huber, 1964)."""

    unit: ClassVar[str] = "mean Huber loss"
    degree: ClassVar[int] = 2

    def __init__(
        self,
        reduction: Annotated[Reduction, Doc("Whether a batch's gradients are averaged (mean) or added (sum).")] = "mean",
        delta: Annotated[
            Positive, Doc("Size of a residual from which it counts in proportion, in the unit of the targets.")
        ] = 1.0,
    ) -> None:
        super().__init__(reduction)
        self.delta = delta

    def _measure(self, residuals: Array, out: Array) -> None:
        # With c the residual cut at ± delta, both cases are c · (2r − c) / 2.
        np.multiply(residuals, 2.0, out=out)
        np.clip(residuals, -self.delta, self.delta, out=residuals)
        np.subtract(out, residuals, out=out)
        np.multiply(out, residuals, out=out)
        np.multiply(out, 0.5, out=out)
