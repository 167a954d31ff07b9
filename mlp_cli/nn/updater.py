"""One optimizer step over a whole network: weight decay, the update rule block by block, and the flush of tiny slot values."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mlp_cli.nn.buffers import Array, aligned, aligned_full
from mlp_cli.nn.kernels import NUMPY, Kernel
from mlp_cli.nn.optimizers import Optimizer, Slots

BLOCK = 32_768
"""Parameters in a block, about. Its slots, gradient and scratch stay in a core's cache from pass to pass."""

FLUSH_EVERY = 64
"""Steps between two flushes. A flush costs as much as half a step of Adam: under one percent."""


class Updater:
    """Applies an optimizer to a network's parameters; owns the optimizer's slots.

    optimizer: a member of `optimizers`.
    theta, grad: contiguous (P,) arrays of one dtype, float32 or float64; views of them are kept.
    decayed: how many of the first entries are weights. Weight decay and l1 touch nothing else.
    weight_decay: λ. Decoupled (adamw): θ ← θ − lr·λ·θ before the update, as Keras does for every optimizer.
        Otherwise λ·θ is added to the gradient, as PyTorch does: an L2 penalty of λ/2 · θ².
    l1: λ·sign(θ) is added to the gradient, for every optimizer.
    clip_value: each entry of the loss's gradient is cut at ± this. clip_norm: after that, the whole gradient is scaled down to this
        norm where it is longer (Pascanu, Mikolov and Bengio, 2013). Both act before decay and l1 are added, as in PyTorch; 0 is off.
    kernel: stands for the optimizer's rule, with the same bytes; see `nn/kernels.py`.

    `slots`: (P,) arrays by the optimizer's names, zero at first; copy into them to restore a checkpoint. With theta and the step
    number, they are all the state there is.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        theta: Array,
        grad: Array,
        decayed: int,
        weight_decay: float = 0.0,
        l1: float = 0.0,
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        kernel: Kernel = NUMPY,
    ) -> None:
        self._grad, self._clip_norm, self._clip_value = grad, clip_norm, clip_value
        self._optimizer, self._weight_decay, self._l1 = optimizer, weight_decay, l1
        self.kernel, self._penalised = kernel, weight_decay != 0 or l1 != 0
        self.slots: dict[str, Array] = {name: aligned_full(theta.size, 0.0, theta.dtype) for name in optimizer.slots}

        # Blocks have equal length and share working memory. What is done in one pass needs no blocks.
        passes = kernel.rule is None or self._penalised
        pieces, arrays = max(1, round(theta.size / BLOCK)) if passes else 1, optimizer.scratch_arrays
        length = -(-theta.size // (pieces * 64)) * 64  # a multiple of 64 keeps every block on a cache line
        working, mask = aligned(arrays * length, theta.dtype).reshape(arrays, length), np.empty(length, np.bool_)
        self._blocks = []
        for start in range(0, theta.size, length):
            cut = slice(start, min(start + length, theta.size))
            size, end = cut.stop - start, min(decayed, cut.stop) - start
            scratch, slots = working[0, :size], {name: slot[cut] for name, slot in self.slots.items()}
            weights = (theta[cut][:end], grad[cut][:end], scratch[:end]) if end > 0 else None
            own = working[:, :size] if arrays > 1 else scratch
            self._blocks.append(_Block(theta[cut], grad[cut], slots, scratch, own, mask[:size], weights))

        # A step's numbers are 0-d arrays of the parameters' dtype. NumPy converts Python's floats at every call, and its
        # versions 1 and 2 differ in what they promote to float64.
        count = len(optimizer.coefficients(0.0, 1)) + 2
        self._numbers = np.zeros(count, theta.dtype)
        views = tuple(self._numbers[i, ...] for i in range(count))
        self._coefficients, self._decay, self._sign = views[:-2], views[-2], views[-1]
        self._tiny = np.array(np.finfo(theta.dtype).tiny, theta.dtype)

    def apply(self, learning_rate: float, step: int) -> None:
        """One step: theta and the slots change in place; grad too where weight decay or l1 add to it.

        learning_rate: of this step, its schedule applied. step: counts from 1 over the whole run.
        Every `FLUSH_EVERY`-th step, slot values too small to be normal numbers become zero. The moments of dead units
        would sink to where arithmetic is 40 times slower, and stay there.
        Numbers that are not finite go through without a warning: the loss tells of them.
        """
        optimizer, coefficients = self._optimizer, self._coefficients
        decay = self._weight_decay * (learning_rate if optimizer.decoupled_weight_decay else 1.0)
        with np.errstate(all="ignore"):
            if self._clip_norm or self._clip_value:
                self._clip()
            self._numbers[:] = (*optimizer.coefficients(learning_rate, step), decay, self._l1)
            for block in self._blocks:
                if self._penalised and block.weights is not None:
                    self._penalise(*block.weights)
                if self.kernel.rule is not None:
                    self.kernel.rule(block.theta, block.grad, *block.slots.values(), self._numbers)
                else:
                    optimizer.update(block.theta, block.grad, block.slots, block.working, coefficients)
                if step % FLUSH_EVERY == 0:
                    for slot in block.slots.values():
                        np.abs(slot, out=block.scratch)
                        np.less(block.scratch, self._tiny, out=block.mask)
                        np.copyto(slot, 0, where=block.mask)

    def _clip(self) -> None:
        grad = self._grad
        if self._clip_value:
            np.clip(grad, -self._clip_value, self._clip_value, out=grad)
        if self._clip_norm:
            norm = math.sqrt(np.dot(grad, grad))
            if norm == math.inf:  # the squares may be too large for float32 where the entries are not
                norm = float(np.linalg.norm(grad.astype(np.float64)))
            if norm > self._clip_norm:
                np.multiply(grad, self._clip_norm / norm, out=grad)

    def _penalise(self, theta: Array, grad: Array, scratch: Array) -> None:
        if self._l1 != 0:
            np.sign(theta, out=scratch)
            np.multiply(scratch, self._sign, out=scratch)
            np.add(grad, scratch, out=grad)
        if self._weight_decay != 0:
            # Not θ·(1 − lr·λ), one pass less: float32 rounds that factor to a multiple of 6e-8, at all steps alike.
            np.multiply(theta, self._decay, out=scratch)
            if self._optimizer.decoupled_weight_decay:
                np.subtract(theta, scratch, out=theta)
            else:
                np.add(grad, scratch, out=grad)


class _Block(NamedTuple):
    """Views of one stretch of every array.

    working: what the optimizer gets as scratch; `scratch` is its first array. weights: theta, grad and scratch of the entries that
    are weights.
    """

    theta: Array
    grad: Array
    slots: Slots
    scratch: Array
    working: Array
    mask: Array
    weights: tuple[Array, Array, Array] | None
