"""One optimizer step over a whole network: weight decay, the update rule block by block, and the flushing of tiny slots."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.nn.buffers import Array, aligned
from mlp_cli.nn.optimizers import Arrays, Optimizer

BLOCK = 32_768
"""Parameters in a block with one thread, about: its slots, gradient and scratch then stay in a core's cache from pass to pass."""

THREADED_BLOCK = 131_072
"""The same with two threads, where each pass hands the interpreter's lock over and longer ones pay."""

THREADED_FROM = 400_000
"""Slot values (parameters times slots) from which the second thread gains more than it costs to wake it; see `Updater`."""

FLUSH_EVERY = 64
"""Steps between two flushes. A flush costs as much as half a step of Adam: under one percent."""


class Updater:
    """Applies an optimizer to a network's parameters; owns the optimizer's slots.

    optimizer: a member of `optimizers`.
    theta, grad: contiguous (P,) arrays of one dtype, float32 or float64; views of them are kept.
    decayed: the first so many entries are weights; weight decay and l1 touch these and nothing else.
    weight_decay: λ. Decoupled (adamw): θ ← θ − lr·λ·θ before the update, as Keras does for every optimizer. Otherwise λ·θ is
        added to the gradient, as PyTorch does: an L2 penalty of λ/2 · θ².
    l1: λ·sign(θ) is added to the gradient, for every optimizer.
    threads: with 2 or more, and from `THREADED_FROM` slot values on, a second thread takes half of the blocks; the result is the
        same to the byte. Adam after the matmuls of a batch of 128, two BLAS threads: 0.8 of its time at 239 k parameters, 0.65
        at 536 k and at 1.9 M, if OpenBLAS's threads do not spin between matmuls (OPENBLAS_THREAD_TIMEOUT=16 in the environment
        before NumPy is imported); if they do, they hold the core that the thread needs, and it loses 3 % of a step. Fewer
        values, or the few passes of plain SGD, gain nothing. More than two threads are not used.

    `slots` maps the optimizer's slot names to (P,) arrays, zero at first; copy into them to restore a checkpoint. With theta and
    the step number, they are all the state there is.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        theta: Array,
        grad: Array,
        decayed: int,
        weight_decay: float = 0.0,
        l1: float = 0.0,
        threads: int = 1,
    ) -> None:
        self.slots: dict[str, Array] = {name: _zeros(theta.size, theta.dtype) for name in optimizer.slots}
        two = threads > 1 and theta.size * len(optimizer.slots) >= THREADED_FROM
        lanes = 2 if two else 1
        blocks = _cut(theta, grad, tuple(self.slots.values()), decayed, THREADED_BLOCK if two else BLOCK, lanes)
        half = len(blocks) // lanes
        self._rule = _Rule(optimizer, weight_decay, l1, theta.dtype)
        self._own, self._others = blocks[:half], blocks[half:]
        self._worker = _Worker(self._rule, self._others) if two else None
        # Holding the queue and not the updater, so that a thread whose updater nobody closed ends with it.
        self._stop = weakref.finalize(self, self._worker.jobs.put, None) if self._worker else None

    def apply(self, learning_rate: float, step: int) -> None:
        """One step: theta and the slots change in place; grad too where weight decay or l1 add to it, else it stays as it is.

        learning_rate: of this step, its schedule applied. step: counts from 1 over the whole run.
        Every `FLUSH_EVERY`-th step, slot values too small to be normal numbers become zero: left alone, the moments of dead
        units would sink to where arithmetic is 40 times slower, and stay. Which steps depends on the step number alone.
        Numbers that are not finite go through without a warning: the loss tells of them. An exception leaves half a step.
        """
        flush = step % FLUSH_EVERY == 0
        with np.errstate(all="ignore"):
            self._rule.prepare(learning_rate, step)
            if self._worker is None:
                self._rule.run(self._own, flush)
                self._rule.run(self._others, flush)
                return
            self._worker.jobs.put(flush)
            try:
                self._rule.run(self._own, flush)
            finally:
                error = self._worker.answers.get()
        if error is not None:
            raise error

    def close(self) -> None:
        """Ends the second thread, if there is one. `apply` still works, and then does everything in the caller's thread."""
        if self._worker is not None and self._stop is not None:
            self._stop()
            self._worker.thread.join()
            self._worker = None


class _Block(NamedTuple):
    """Views of one stretch of every array; `weights` are theta, grad and scratch cut to its entries that are weights."""

    theta: Array
    grad: Array
    slots: Arrays
    scratch: Array
    mask: Array
    weights: tuple[Array, Array, Array] | None


class _Rule:
    """What a step does to a block. Its numbers are 0-d arrays of the parameters' dtype, filled anew by `prepare`.

    They are faster than Python's floats, which NumPy converts at every call, and keep float32 arithmetic in float32 under the
    promotion rules of NumPy 1 and 2 alike.
    """

    def __init__(self, optimizer: Optimizer, weight_decay: float, l1: float, dtype: DTypeLike) -> None:
        self._optimizer = optimizer
        self._weight_decay = weight_decay
        self._l1 = l1
        count = len(optimizer.coefficients(0.0, 1))
        self._numbers = np.zeros(count + 2, dtype)
        views = tuple(self._numbers[i, ...] for i in range(count + 2))
        self._coefficients, self._decay, self._sign = views[:-2], views[-2], views[-1]
        self._tiny = np.array(np.finfo(dtype).tiny, dtype)

    def prepare(self, learning_rate: float, step: int) -> None:
        decay = self._weight_decay * (learning_rate if self._optimizer.decoupled_weight_decay else 1.0)
        self._numbers[:] = (*self._optimizer.coefficients(learning_rate, step), decay, self._l1)

    def run(self, blocks: Sequence[_Block], flush: bool) -> None:
        penalised = self._weight_decay != 0 or self._l1 != 0
        update, coefficients = self._optimizer.update, self._coefficients
        for block in blocks:
            if penalised and block.weights is not None:
                self._penalise(*block.weights)
            update(block.theta, block.grad, block.slots, block.scratch, coefficients)
            if flush:
                for slot in block.slots:
                    np.abs(slot, out=block.scratch)
                    np.less(block.scratch, self._tiny, out=block.mask)
                    np.copyto(slot, 0, where=block.mask)

    def _penalise(self, theta: Array, grad: Array, scratch: Array) -> None:
        if self._l1 != 0:
            np.sign(theta, out=scratch)
            np.multiply(scratch, self._sign, out=scratch)
            np.add(grad, scratch, out=grad)
        if self._weight_decay != 0:
            # Not θ·(1 − lr·λ), one pass less: float32 rounds that factor to a multiple of 6e-8, alike for all weights and steps.
            np.multiply(theta, self._decay, out=scratch)
            if self._optimizer.decoupled_weight_decay:
                np.subtract(theta, scratch, out=theta)
            else:
                np.add(grad, scratch, out=grad)


class _Worker:
    """A thread that runs its blocks whenever told to. Queues of C code are the cheapest hand-over that Python has.

    jobs: whether to flush, or None to end. answers: one for each job, the exception that stopped it or None.
    """

    def __init__(self, rule: _Rule, blocks: Sequence[_Block]) -> None:
        self.jobs: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        arguments = (rule, blocks, self.jobs, self.answers)
        self.thread = threading.Thread(target=_work, args=arguments, name="mlp-updater", daemon=True)
        self.thread.start()


def _work(
    rule: _Rule,
    blocks: Sequence[_Block],
    jobs: queue.SimpleQueue[bool | None],
    answers: queue.SimpleQueue[BaseException | None],
) -> None:
    with np.errstate(all="ignore"):
        while (flush := jobs.get()) is not None:
            try:
                rule.run(blocks, flush)
            except BaseException as error:
                answers.put(error)
            else:
                answers.put(None)


def _cut(theta: Array, grad: Array, slots: Arrays, decayed: int, target: int, lanes: int) -> list[_Block]:
    """Blocks of equal length near `target`, as many for each lane; the blocks of one lane share scratch memory."""
    count = lanes * max(1, round(theta.size / target / lanes))
    # Multiples of 64 keep every block on a cache line and the lanes off each other's.
    length = -(-theta.size // (count * 64)) * 64
    memory = [(aligned(length, theta.dtype), np.empty(length, np.bool_)) for _ in range(lanes)]
    blocks = []
    for number in range(count):
        cut = slice(min(number * length, theta.size), min((number + 1) * length, theta.size))
        size = cut.stop - cut.start
        scratch, mask = (array[:size] for array in memory[number * lanes // count])
        end = min(decayed, cut.stop) - cut.start
        weights = (theta[cut][:end], grad[cut][:end], scratch[:end]) if end > 0 else None
        blocks.append(_Block(theta[cut], grad[cut], tuple(slot[cut] for slot in slots), scratch, mask, weights))
    return blocks


def _zeros(size: int, dtype: DTypeLike) -> Array:
    array = aligned(size, dtype)
    array.fill(0)
    return array
