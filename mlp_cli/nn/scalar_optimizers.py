"""Update rules in plain Python, one parameter after the other: the formulas as they stand in the papers, in Keras's variants.

They are the readable twins of `optimizers.py`. Below, θ is a parameter, g its gradient, lr the learning rate, t the step. The root
and the quotient in them are always defined: mean squares are never negative, and ε is above 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from mlp_cli.nn.scalar import Vector


class Optimizer(Protocol):
    """An update rule on P parameters. slots: names of the lists of P numbers that it keeps between steps, at first all zero.

    decoupled_weight_decay: see `penalize`. Formulas, options and defaults are those of Keras 3.
    """

    decoupled_weight_decay: bool
    slots: tuple[str, ...]

    def update(self, theta: Vector, gradient: Vector, slots: list[Vector], learning_rate: float, step: int) -> None:
        """One step, counted from 1: changes theta and the slots (in the order of their names) in place, not the gradient."""


class Sgd:
    """θ ← θ − lr·g."""

    decoupled_weight_decay = False
    slots: tuple[str, ...] = ()

    def update(self, theta: Vector, gradient: Vector, slots: list[Vector], learning_rate: float, step: int) -> None:
        for i, g in enumerate(gradient):
            theta[i] -= learning_rate * g


class Momentum:
    """v ← γv + lr·g; θ ← θ − v."""

    decoupled_weight_decay = False
    slots: tuple[str, ...] = ("velocity",)

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def update(self, theta: Vector, gradient: Vector, slots: list[Vector], learning_rate: float, step: int) -> None:
        (v,) = slots
        for i, g in enumerate(gradient):
            v[i] = self.momentum * v[i] + learning_rate * g
            theta[i] -= v[i]


class Nesterov:
    """v ← γv + lr·g; θ ← θ − (γv + lr·g): momentum that looks one step ahead."""

    decoupled_weight_decay = False
    slots: tuple[str, ...] = ("velocity",)

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def update(self, theta: Vector, gradient: Vector, slots: list[Vector], learning_rate: float, step: int) -> None:
        (v,) = slots
        for i, g in enumerate(gradient):
            v[i] = self.momentum * v[i] + learning_rate * g
            theta[i] -= self.momentum * v[i] + learning_rate * g


class Rmsprop:
    """v ← ρv + (1−ρ)g²; θ ← θ − lr·g / √(v + ε). Centered: v − a² under the root, with a ← ρa + (1−ρ)g, and never below 0.

    With momentum: w ← γw + lr·g / √(v + ε); θ ← θ − w.
    """

    decoupled_weight_decay = False
    slots: tuple[str, ...] = ("mean_square", "mean_gradient", "velocity")

    def __init__(self, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7, centered: bool = False) -> None:
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def update(self, theta: Vector, gradient: Vector, slots: list[Vector], learning_rate: float, step: int) -> None:
        v, a, w = slots
        rho = self.rho
        for i, g in enumerate(gradient):
            v[i] = rho * v[i] + (1.0 - rho) * g * g
            a[i] = rho * a[i] + (1.0 - rho) * g
            spread = max(v[i] - a[i] * a[i], 0.0) if self.centered else v[i]
            w[i] = self.momentum * w[i] + learning_rate * g / math.sqrt(spread + self.epsilon)
            theta[i] -= w[i]


class Adam:
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − α·m / (√v + ε), with α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ) at step t."""

    decoupled_weight_decay = False
    slots: tuple[str, ...] = ("mean_gradient", "mean_square")

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None:
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update(self, theta: Vector, gradient: Vector, slots: list[Vector], learning_rate: float, step: int) -> None:
        m, v = slots
        beta_1, beta_2 = self.beta_1, self.beta_2
        alpha = learning_rate * math.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step)
        for i, g in enumerate(gradient):
            m[i] = beta_1 * m[i] + (1.0 - beta_1) * g
            v[i] = beta_2 * v[i] + (1.0 - beta_2) * g * g
            theta[i] -= alpha * m[i] / (math.sqrt(v[i]) + self.epsilon)


class Adamw:
    """Adam with decoupled weight decay."""

    decoupled_weight_decay = True
    slots = Adam.slots

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None:
        self.update = Adam(beta_1, beta_2, epsilon).update


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": Rmsprop,
    "adam": Adam,
    "adamw": Adamw,
}


def penalize(
    theta: Vector, gradient: Vector, weights: int, weight_decay: float, l1: float, learning_rate: float, decoupled: bool
) -> None:
    """What large weights cost, before an update, in place; the first `weights` parameters are weights, biases cost nothing.

    l1 adds l1·sign(θ) to the gradient. Weight decay λ adds λθ to it or, decoupled, shrinks the weight itself by lr·λ·θ.
    """
    for i in range(weights):
        value = theta[i]
        gradient[i] += l1 * ((value > 0.0) - (value < 0.0))
        if decoupled:
            theta[i] -= learning_rate * weight_decay * value
        else:
            gradient[i] += weight_decay * value
