"""Analytic gradients against numerical ones: the proof that a network's backward pass belongs to its forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlp_cli.errors import UsageError
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.losses import Loss
from mlp_cli.nn.network import Network
from mlp_cli.rng import Purpose, stream

TOLERANCE = 1e-6
"""The largest relative error of a correct gradient; correct ones come to about 1e-8."""


@dataclass(frozen=True)
class Check:
    """The outcome for one parameter array.

    max_relative_error: the largest |analytic − numerical| / max(|analytic|, |numerical|, floor) over the values checked. The
        floor is a thousandth of the network's largest gradient. NaN where none could be checked or one is not finite.
    checked: values compared. Others take the place of those next to a kink of the loss (ReLU), as far as there are any.
    """

    parameter: str
    layer: str
    max_relative_error: float
    checked: int

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing differed by more than TOLERANCE."""
        return self.max_relative_error <= TOLERANCE


def check_gradients(
    network: Network,
    loss: Loss,
    x: Array,
    targets: Array,
    *,
    samples_per_parameter: int = 20,
    seed: int = 0,
    epsilon: float = 1e-4,
    jitter: float = 0.05,
) -> list[Check]:
    """Compares the gradient of the batch's loss with central differences, for some random values of every parameter.

    network: in float64, run in training mode. Dropout repeats the masks of the seed's epoch 0 in every pass. Parameters and
        running statistics are restored; noise is not.
    x (B, D) float64, targets as the loss wants them. epsilon: the step; a tenth of it is tried next to a kink.
    jitter: the parameters are moved by normal noise of this size before the check. With biases of zero, a unit whose inputs
        are all zero stands exactly on ReLU's kink, and zero weights hide most mistakes.
    Errors: UsageError for a network in float32, whose rounding would drown the comparison.
    """
    if network.dtype != np.float64:
        raise UsageError(f"the gradient check needs float64, not {network.dtype}", "set dtype=float64")

    def objective() -> float:
        network.start_epoch(seed, 0)
        total = loss.forward(network.forward(x, training=True), targets)
        return total / len(x) if loss.reduction == "mean" else total

    theta, state = network.theta.copy(), {name: array.copy() for name, array in network.state.items()}
    network.theta += jitter * stream(seed, Purpose.GRADCHECK).standard_normal(theta.size)
    middle = objective()
    network.backward(loss.backward())
    analytic = {name: gradient.copy() for name, gradient in network.gradients.items()}
    # Below this, what rounding leaves of a difference of two losses would be taken for an error.
    floor = max(1e-3 * float(np.abs(network.grad).max()), 1e-5 * abs(middle))
    checks = []
    for number, (name, values) in enumerate(network.parameters.items(), 1):
        flat, gradient = values.reshape(-1), analytic[name].reshape(-1)
        errors: list[float] = []
        for index in stream(seed, Purpose.GRADCHECK, 0, number).permutation(flat.size)[: 5 * samples_per_parameter]:
            if len(errors) == samples_per_parameter:
                break
            numerical = _derivative(objective, middle, flat, index, epsilon, floor)
            if numerical is not None:
                errors.append(float(abs(gradient[index] - numerical) / max(abs(gradient[index]), abs(numerical), floor)))
        worst = max(errors, key=lambda error: math.inf if math.isnan(error) else error, default=math.nan)
        checks.append(Check(name, network.layer_of(name), worst, len(errors)))
    np.copyto(network.theta, theta)
    for name, array in state.items():
        np.copyto(network.state[name], array)
    return checks


def _derivative(
    objective: Callable[[], float], middle: float, flat: Array, index: int, epsilon: float, floor: float
) -> float | None:
    """The derivative by flat[index], or None where the objective has a kink within reach; flat is restored.

    Central differences with steps h and h/2, extrapolated to an error of order h⁴. On smooth ground the two slopes agree, and
    the bend (right slope minus left slope) halves with the step. A kink anywhere in [−h, h] breaks one or the other. Neither
    test reads the analytic gradient, so a wrong one cannot hide behind a kink.
    """
    value = flat[index]

    def at(offset: float) -> float:
        flat[index] = value + offset
        return objective()

    try:
        for step in (epsilon, epsilon / 10):
            right, left, near_right, near_left = at(step), at(-step), at(step / 2), at(-step / 2)
            slope, near_slope = (right - left) / (2 * step), (near_right - near_left) / step
            bend, near_bend = (right - 2 * middle + left) / step, 2 * (near_right - 2 * middle + near_left) / step
            rounding = 16 * float(np.finfo(np.float64).eps) * abs(middle) / step
            if abs(slope - near_slope) + abs(near_bend - bend / 2) <= 1e-7 * max(abs(slope), floor) + rounding:
                return (4 * near_slope - slope) / 3
    finally:
        flat[index] = value
    return None
