"""The passes of a step between its matrix products, as loops for numba: bias with ReLU, loss with score, bytes to inputs.

NumPy makes a pass an operation, and on a small batch a call costs as much as its work. The loops have the bytes of what they stand
for. Exponentials, logarithms and sums stay NumPy's, whose last digits nobody else has.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlp_cli.nn.activations import Relu, Scratch
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.layers import ActivationLayer, Dense
from mlp_cli.nn.losses import CrossEntropy, Loss, Reduction
from mlp_cli.nn.metrics import count_correct
from mlp_cli.nn.network import Network

Loop = Callable[..., Any]


class Loops(NamedTuple):
    """`LOOPS`, compiled."""

    gather: Loop
    rectify: Loop
    rectify_gradient: Loop
    shift: Loop
    subtract_targets: Loop


def fuse(loops: Loops, network: Network, loss: Loss) -> Loss:
    """Puts the loops where they fit into a network, in place; returns the loss to use."""
    for dense, layer in itertools.pairwise(network.layers):
        if isinstance(dense, Dense) and isinstance(layer, ActivationLayer) and type(layer.function) is Relu:
            layer.function, dense.adds_bias = BiasRelu(loops, network.parameters[f"b{dense.number}"]), False
    return FusedCrossEntropy(loops, loss.reduction) if type(loss) is CrossEntropy else loss


def is_same(loops: Loops, values: Array) -> bool:
    """Whether the loops give NumPy's bytes. values: 4,096 of all sizes, of the dtype to be used."""
    dtype, square = values.dtype, values.reshape(64, 64)
    scale, raw = np.asarray(1 / 255, dtype), np.arange(256, dtype=np.uint8).reshape(16, 16)
    order = np.arange(16)[::-1] * 3 % 16
    outputs, gradients, inputs = square.copy(), square[::-1].copy(), np.empty(raw.shape, dtype)
    loops.rectify(outputs, values[-64:])
    loops.rectify_gradient(outputs, gradients)
    loops.gather(raw, order, scale, inputs)
    pairs = [(outputs, np.maximum(square + values[-64:], 0)), (gradients, square[::-1] * (outputs > 0))]
    logits = np.concatenate([values[:1000], np.linspace(-9, 9, 3000, dtype=dtype)]).reshape(10, 400)
    logits[:, ::7] = logits[:, ::-7].round()  # some rows have their largest value twice
    targets, fused, plain = np.arange(400) % 10, FusedCrossEntropy(loops), CrossEntropy()
    pairs += [(inputs, raw[order].astype(dtype) * scale)]
    pairs += [(np.asarray(fused.forward(logits.T, targets)), np.asarray(plain.forward(logits.T, targets)))]
    pairs += [(fused.per_sample, plain.per_sample), (fused.backward(), plain.backward())]
    same = all(np.array_equal(one, other, equal_nan=True) for one, other in pairs)
    return same and fused.correct == count_correct(logits.T, targets)


class BiasRelu(Relu):
    """ReLU of what a dense layer gives without its bias (H,), and that bias, in one pass over (B, H), in place."""

    def __init__(self, loops: Loops, bias: Array) -> None:
        self._loops, self._bias = loops, bias

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        self._loops.rectify(out, self._bias)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        self._loops.rectify_gradient(a, grad)


class FusedCrossEntropy(CrossEntropy):
    """The same loss, which also counts the right rows."""

    def __init__(self, loops: Loops, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self._loops = loops

    def _shift(self, logits: Array, targets: Array) -> None:
        self._targets = targets
        self.correct = self._loops.shift(logits, targets, self._values, self._picked, self.per_sample, self._index)

    def backward(self) -> Array:
        scale = 1.0 / self._rows if self.reduction == "mean" else 1.0
        self._loops.subtract_targets(self._values, self._sums, self._targets, scale)
        return self._grad


def _gather(rows: Array, order: Array, scale: Array, out: Array) -> int:
    """The rows of the bytes (N, D) whose numbers are in order (B,), times scale (), into out (B, D).

    A few rows are touched before the first of them is converted, so that the processor waits for all at once. What was touched
    is returned, or else a compiler would leave it out.
    """
    factor, touched = scale[()], 0
    for start in range(0, order.size, 8):
        piece = order[start : start + 8]
        for i in range(piece.size):
            for j in range(0, rows.shape[1], 64):
                touched ^= rows[piece[i], j]
        for i in range(piece.size):
            row, values = rows[piece[i]], out[start + i]
            for j in range(row.size):
                values[j] = out.dtype.type(row[j]) * factor
    return touched


def _rectify(out: Array, bias: Array) -> None:
    """max(0, out + bias), in place; NaN stays NaN."""
    zero = out.dtype.type(0)
    for i in range(out.shape[0]):
        row = out[i]
        for j in range(bias.size):
            value = row[j] + bias[j]
            row[j] = zero if value <= zero else value


def _rectify_gradient(output: Array, grad: Array) -> None:
    """Gradients (B, H) times 1 where the output is positive, and 0 elsewhere."""
    zero, one = grad.dtype.type(0), grad.dtype.type(1)
    for i in range(grad.shape[0]):
        row, values = output[i], grad[i]
        for j in range(row.size):
            values[j] *= one if row[j] > zero else zero


def _shift(logits: Array, targets: Array, values: Array, picked: Array, largest: Array, place: Array) -> int:
    """As `CrossEntropy._shift`, and counts the rows whose first largest logit is at the target; largest, place: (B,), overwritten."""
    classes, rows = logits.shape
    largest[:], place[:] = logits[0], 0
    for k in range(1, classes):
        for b in range(rows):
            better = logits[k, b] > largest[b]
            largest[b] = logits[k, b] if better else largest[b]
            place[b] = k if better else place[b]
    for k in range(classes):
        for b in range(rows):
            values[k, b] = logits[k, b] - largest[b]
    correct = 0
    for b in range(rows):
        picked[b] = values[targets[b], b]
        correct += place[b] == targets[b]
    return correct


def _subtract_targets(values: Array, sums: Array, targets: Array, scale: float) -> None:
    """scale · (values / sums − one-hot of the targets), in place; values (K, B), sums and targets (B,)."""
    classes, rows = values.shape
    share = values.dtype.type(scale)
    for b in range(rows):
        sums[b] = share / sums[b]
    for k in range(classes):
        for b in range(rows):
            values[k, b] *= sums[b]
    for b in range(rows):
        values[targets[b], b] -= share


LOOPS: tuple[Loop, ...] = (_gather, _rectify, _rectify_gradient, _shift, _subtract_targets)
