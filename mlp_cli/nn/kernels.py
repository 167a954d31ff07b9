"""Update rules in one pass over the parameters, compiled by numba (extra `fast`), in place of NumPy's one pass an operation; with
them come the loops of `fused`.

A kernel gives the bytes of the optimizer's own rule: same operations, same order, same dtype, and no fused multiply-add. So nobody
has to choose: `find` hands them out where numba is installed and the run is long enough to earn its import. Before their first use
in a process they are compared with what they stand for, and left out where a bit differs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.nn.buffers import Array
from mlp_cli.nn.fused import LOOPS, Loops, is_same
from mlp_cli.nn.optimizers import Adam, Momentum, Nesterov, Optimizer, Rmsprop, Sgd

EARNS = 700_000_000
"""Nanoseconds that kernels have to save, which is what their import takes: a step saves some 1 ns a parameter, and `CALLS` besides."""

CALLS = 25_000

Rule = Callable[..., None]
"""`rule(theta, grad, *slots, numbers)`: one step in place on (P,) arrays of one dtype. numbers: the optimizer's coefficients first."""


class Kernel(NamedTuple):
    """What `find` found. rule, loops: None for NumPy's. name: for run.json, such as `numba 0.61.0`. notice: why a kernel that was
    wanted is not used, for the user."""

    rule: Rule | None = None
    name: str = "numpy"
    notice: str | None = None
    loops: Loops | None = None


NUMPY = Kernel()


def pays(steps: int, parameters: int) -> bool:
    """Whether kernels would earn their import in a run."""
    return steps * (parameters + CALLS) >= EARNS or "numba" in sys.modules


def find(optimizer: Optimizer, dtype: DTypeLike, folder: Path) -> Kernel:
    """The kernels for a run, its optimizer's if there is one. folder: where compiled code is kept for the next process."""
    loop = _LOOPS.get((type(optimizer).update, len(optimizer.slots)))
    if find_spec("numba") is None:
        return NUMPY
    try:
        rule, loops = None if loop is None else _compile(loop, folder), Loops(*(_compile(each, folder) for each in LOOPS))
        name, values = f"numba {sys.modules['numba'].__version__}", _values(np.dtype(dtype))
        with np.errstate(all="ignore"):
            same = is_same(loops, values) and (rule is None or _is_same(rule, optimizer, values))
    except Exception as error:  # whatever an installation that does not work comes up with
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Kernel(notice=f"numba is installed and does not work here ({reason}): training goes on without it")
    if not same:
        return Kernel(notice=f"{name} gives other bytes than NumPy here: training goes on without it")
    return Kernel(rule, name, loops=loops)


@lru_cache
def _compile(loop: Rule, folder: Path) -> Rule:
    """The loop as machine code. It is compiled anew where `folder` cannot be written."""
    import numba

    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        # error_model: a division by zero gives infinity, as NumPy's does.
        compiled: Rule = numba.njit(loop, error_model="numpy", cache=os.access(folder, os.W_OK))
        return compiled
    finally:
        numba.config.CACHE_DIR = before


def _values(dtype: np.dtype[Any]) -> Array:
    """4,096 values of all sizes, subnormal and infinite ones too."""
    limits = np.finfo(dtype)
    exponents = np.linspace(limits.minexp - limits.nmant, limits.maxexp - 1, 4096)
    values = np.exp2(exponents).astype(dtype) * np.where(np.arange(4096) % 2, -1, 1).astype(dtype)
    values[::97], values[::101], values[::103] = 0, np.inf, 0.01
    return values


def _is_same(rule: Rule, optimizer: Optimizer, values: Array) -> bool:
    """Whether a kernel gives the optimizer's bytes, in three steps from the given values."""
    count, dtype = len(values), values.dtype
    numbers = np.zeros(len(optimizer.coefficients(0.0, 1)) + 2, dtype)
    coefficients = tuple(numbers[place, ...] for place in range(len(numbers) - 2))
    ours, theirs = ([np.roll(values, 31).copy(), *(np.abs(values) for _ in optimizer.slots)] for _ in range(2))
    scratch = np.empty((optimizer.scratch_arrays, count), dtype) if optimizer.scratch_arrays > 1 else np.empty(count, dtype)
    for step in range(1, 4):
        grad = np.roll(values, 7 * step)
        numbers[:-2] = optimizer.coefficients(1e-3, step)
        optimizer.update(ours[0], grad, dict(zip(optimizer.slots, ours[1:], strict=True)), scratch, coefficients)
        rule(theirs[0], grad, *theirs[1:], numbers)
    # A NaN is a NaN: which bits it has is nobody's result.
    return all(np.array_equal(one, other, equal_nan=True) for one, other in zip(ours, theirs, strict=True))


def _sgd(theta: Array, grad: Array, numbers: Array) -> None:
    learning_rate = numbers[0]
    for i in range(theta.size):
        theta[i] -= grad[i] * learning_rate


def _momentum(theta: Array, grad: Array, velocity: Array, numbers: Array) -> None:
    learning_rate, momentum = numbers[0], numbers[1]
    for i in range(theta.size):
        velocity[i] = velocity[i] * momentum + grad[i] * learning_rate
        theta[i] -= velocity[i]


def _nesterov(theta: Array, grad: Array, velocity: Array, numbers: Array) -> None:
    learning_rate, momentum = numbers[0], numbers[1]
    for i in range(theta.size):
        step = grad[i] * learning_rate
        velocity[i] = velocity[i] * momentum + step
        theta[i] = (theta[i] - step) - velocity[i] * momentum


def _rmsprop(theta: Array, grad: Array, square_sum: Array, numbers: Array) -> None:
    rho, epsilon, rate = numbers[0], numbers[2], numbers[3]
    for i in range(theta.size):
        square_sum[i] = square_sum[i] * rho + grad[i] * grad[i]
        theta[i] -= grad[i] / np.sqrt(square_sum[i] + epsilon) * rate


def _adam(theta: Array, grad: Array, gradient_sum: Array, square_sum: Array, numbers: Array) -> None:
    beta_1, beta_2, epsilon, rate = numbers[0], numbers[1], numbers[2], numbers[3]
    for i in range(theta.size):
        gradient_sum[i] = gradient_sum[i] * beta_1 + grad[i]
        square_sum[i] = square_sum[i] * beta_2 + grad[i] * grad[i]
        theta[i] -= gradient_sum[i] / (np.sqrt(square_sum[i]) + epsilon) * rate


_LOOPS: dict[tuple[Any, int], Rule] = {
    (Sgd.update, 0): _sgd,
    (Momentum.update, 1): _momentum,
    (Nesterov.update, 1): _nesterov,
    (Rmsprop.update, 1): _rmsprop,
    (Adam.update, 2): _adam,
}
"""By the rule that a loop stands for, and its number of slots: options that add one go by NumPy."""
